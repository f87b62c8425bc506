"""What is compressed: real files, and some that are bad in earnest."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal, TypeAlias

from sqsjobs.errors import ConfigurationError

__all__ = ["File", "Trouble", "gather"]

Trouble: TypeAlias = Literal["none", "unreadable", "vanishes", "late"]
"""What is wrong with a file.

- ``"unreadable"``: no number of attempts will read it.
- ``"vanishes"``: listed, and gone before its job runs.
- ``"late"``: listed, and there only after the first attempt.
"""


@dataclass(frozen=True, slots=True)
class File:
    """A file to be compressed."""

    path: Path
    trouble: Trouble = "none"

    def take_away(self) -> None:
        """Remove the file, for its trouble's sake."""
        self.path.rename(self._aside)

    def bring_back(self) -> None:
        """Put it where it was."""
        self._aside.rename(self.path)

    @property
    def _aside(self) -> Path:
        return self.path.with_name(f".{self.path.name}")


def gather(directory: Path | None, count: int, scratch: Path) -> list[File]:
    """Return up to `count` (at least 10) files of a folder, with bad ones between them.

    The folder is that of the standard library by default. The bad ones are made in `scratch`; no file of the folder
    is changed.

    Raises:
        ConfigurationError: if there is no file at all.
    """
    found = sorted(_sources() if directory is None else _files_below(directory))
    if not found:
        raise ConfigurationError(f"there are no files to compress in {directory or sysconfig.get_path('stdlib')}")
    bad = list(_bad_files(scratch / "bad", of_each=max(1, count // 200)))
    wanted = count - len(bad)
    every = max(1, len(found) // wanted)
    good = [File(path) for path in found[: every * wanted : every]]
    return sorted(good + bad, key=lambda file: file.path.name)


def _sources() -> Iterator[Path]:
    library = Path(sysconfig.get_path("stdlib"))
    return (path for path in library.rglob("*.py") if "site-packages" not in path.parts and path.is_file())


def _files_below(directory: Path) -> Iterator[Path]:
    return (path for path in directory.expanduser().rglob("*") if path.is_file() and _is_text(str(path)))


def _is_text(name: str) -> bool:
    """Whether UTF-8 can hold a file's name, as a job's arguments must be."""
    return name.encode(errors="ignore").decode() == name


def _bad_files(folder: Path, of_each: int) -> Iterator[File]:
    folder.mkdir()
    troubles: tuple[Trouble, ...] = ("vanishes", "late")
    for trouble, n in product(troubles, range(of_each)):
        path = folder / f"{trouble}-{n}.py"
        path.write_bytes(Path(__file__).read_bytes())
        yield File(path, trouble)
    directory, dangling, circular = (folder / f"{name}.py" for name in ("directory", "dangling", "circular"))
    directory.mkdir()
    dangling.symlink_to("nothing")
    circular.symlink_to(circular)
    yield from (File(path, "unreadable") for path in (directory, dangling, circular))
