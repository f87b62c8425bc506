"""What a workload is: something that every contestant does, from which figures come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from benchmarks.contestants import CONTESTANTS, Contestant, Setting
from benchmarks.house import Server

__all__ = ["Bench", "Figure", "Figures", "Workload"]

Figures: TypeAlias = Mapping[str, float]
"""What came of one run of one contestant, by the figures' names."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One column of a workload's table.

    Attributes:
        name: in results.
        title: above the column, with the unit.
        digits: after the decimal point.
    """

    name: str
    title: str
    digits: int = 0

    def __str__(self) -> str:
        return self.title

    def show(self, value: float) -> str:
        return f"{value:,.{self.digits}f}"


@dataclass(slots=True)
class Bench:
    """Where workloads are run.

    Attributes:
        server: that all contestants use.
        scale: of how much is done: 1 is what the documentation tells.
        filled: the queues whose jobs are kept at the server.
    """

    server: Server
    scale: float = 1.0
    filled: set[str] = field(default_factory=set)

    def jobs(self, count: int) -> int:
        """Return how many jobs are done instead of `count`: whole batches of ten."""
        return max(20, round(count * self.scale / 10) * 10)

    def seconds(self, count: float) -> float:
        """Return how long is waited instead of `count` seconds."""
        return max(1.0, count * min(1.0, self.scale))

    def setting(self, contestant: Contestant, task: str = "no_op", purpose: str = "jobs") -> Setting:
        """Return a setting with a queue of the contestant's own, one for each task and purpose."""
        return Setting(self.server.url, (f"{contestant.name}-{task}-{purpose}",), task)


@dataclass(frozen=True, slots=True)
class Workload:
    """One thing that is measured.

    Attributes:
        name: on the command line.
        title: of its table.
        about: what is done, and what the figures are, for the reader of the table.
        figures: its columns; the first is the one that is drawn.
        measure: runs one contestant once, in fresh processes.
        contestants: who takes part.
        again: who takes part after the first round; None for everybody.
    """

    name: str
    title: str
    about: str
    figures: tuple[Figure, ...]
    measure: Callable[[Bench, Contestant], Figures]
    contestants: tuple[Contestant, ...] = CONTESTANTS
    again: tuple[Contestant, ...] | None = None

    def taking_part(self, number: int) -> tuple[Contestant, ...]:
        """Return who takes part in a round, the first of which is number 0."""
        return self.contestants if self.again is None or not number else self.again
