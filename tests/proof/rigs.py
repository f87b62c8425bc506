"""The long forms that keep a ledger: which rigs there are, the command of each, and what one number makes them longer or shorter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["RIGS", "Rig"]


@dataclass(frozen=True, slots=True)
class Rig:
    """A rig that writes a ledger.

    Attributes:
        name: of the make target, and of its ledger.
        module: what runs it.
        size: the long form's, in its `unit`; None where there is but one.
        option: how the module is told the size.
    """

    name: str
    module: str
    size: float | None = None
    unit: str = ""
    option: str = ""

    def command(self, ledger: Path, size: float | None) -> list[str]:
        """Return the arguments for Python: to run it, of `size`, and let it write `ledger`."""
        sized = [self.option, f"{size:g}" if size != int(size) else str(int(size))] if size is not None else []
        return ["-m", self.module, *sized, "--ledger", str(ledger)]


RIGS: Final[Mapping[str, Rig]] = {
    rig.name: rig
    for rig in (
        Rig("simulate", "tests.simulation", 10_000, "seeds", "--seeds"),
        Rig("chaos", "tests.chaos"),
        Rig("fuzz", "tests.fuzz", 2_000_000, "inputs", "--inputs"),
        Rig("soak", "tests.chaos.soak", 35, "minutes", "--minutes"),
        Rig("seeded-bugs", "tests.seeded_bugs"),
    )
}
"""In the order in which they run."""
