"""A bug that is put into a copy of the tree on purpose, and the tests that are to notice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Bug", "DoesNotApply", "Edit"]

SOURCE = Path("src/sqsjobs")


class DoesNotApply(Exception):
    """The code has moved on from under a bug, which has to follow."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One change: in the module `file`, what reads `old`, which is there exactly once, is to read `new`."""

    file: str
    old: str
    new: str

    def applied(self, text: str) -> str:
        """Return `text`, changed.

        Raises:
            DoesNotApply: if `old` is not there exactly once.
        """
        times = text.count(self.old)
        if times != 1:
            first = self.old.strip().splitlines()[0]
            raise DoesNotApply(f"{SOURCE / self.file} has {times} places, not one, that read {first!r} and so on")
        return text.replace(self.old, self.new)


@dataclass(frozen=True, slots=True)
class Bug:
    """A bug, as others have had it.

    Attributes:
        id: its number in the list; a letter after it tells its variants apart, of which each must be caught.
        name: what is wrong.
        seen_in: who had it, where that is known.
        edits: what puts it into the code.
        tests: the quickest tests that notice, as pytest selects them.
        not_here: why there is no such code to put it into; it has no edits then.
    """

    id: str
    name: str
    seen_in: str = ""
    edits: tuple[Edit, ...] = ()
    tests: tuple[str, ...] = ()
    not_here: str = ""

    @property
    def number(self) -> int:
        """The number without the letter."""
        return int(self.id.rstrip("abc"))

    def put_into(self, tree: Path) -> None:
        """Change the tree.

        Raises:
            DoesNotApply: if it cannot be put there as it is written down.
        """
        for edit in self.edits:
            path = tree / SOURCE / edit.file
            try:
                path.write_text(edit.applied(path.read_text(encoding="utf-8")), encoding="utf-8")
            except (DoesNotApply, FileNotFoundError) as problem:
                raise DoesNotApply(f"bug {self.id} ({self.name}) no longer applies: {problem}") from None
