"""What came of a run: figures by workload, contestant and round, and where they were measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import msgspec

__all__ = ["Results"]

Rounds = list[dict[str, float] | None]
"""The figures of a contestant, round by round; None where it failed."""


@dataclass(slots=True)
class Results:
    """Everything that a report is made of.

    Attributes:
        command: what was run.
        date: when.
        machine: where.
        versions: of Python and of the contestants' packages, by contestant.
        rounds: how many were asked for; a run may be ended before, and some workloads have fewer.
        scale: of how much was done in each.
        measured: figures by workload, then by contestant.
        absent: who does not take part, and why.
        failures: what went wrong, and where.
    """

    command: str
    date: str
    machine: str
    versions: dict[str, dict[str, str]]
    rounds: int
    scale: float
    measured: dict[str, dict[str, Rounds]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def rounds_of(self, workload: str) -> int:
        """Return how many rounds every contestant of a workload has done."""
        return min(map(len, self.measured[workload].values()), default=0)

    def values(self, workload: str, contestant: str, figure: str) -> list[float]:
        """Return a figure of every round in which there is one."""
        rounds = self.measured.get(workload, {}).get(contestant, [])
        return [done[figure] for done in rounds if done is not None]

    def paired(self, compare: Callable[[float, float], float], one: Source, other: Source) -> list[float]:
        """Compare two figures round by round, as the machine was in that round."""
        return [compare(left, right) for left, right in zip(self.values(*one), self.values(*other), strict=False)]

    def save(self, path: Path) -> None:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(asdict(self)), indent=1) + b"\n")

    @classmethod
    def load(cls, path: Path) -> Results:
        return msgspec.json.decode(path.read_bytes(), type=cls)


Source = tuple[str, str, str]
"""Workload, contestant, figure."""
