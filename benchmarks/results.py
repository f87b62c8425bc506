"""What came of a run: figures by workload, contestant and round, and where they were measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import msgspec

__all__ = ["Results", "Stamp"]

Rounds = list[dict[str, float] | None]
"""The figures of a contestant, round by round; None where it failed."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """The run that figures are of.

    Attributes:
        date: when.
        commit: of what, as `git describe` says it.
        stolen: share of the time of all cores, in which another guest of the host ran where this machine wanted to;
            None where nobody looked.
    """

    date: str
    commit: str
    stolen: float | None = None

    def __str__(self) -> str:
        told = f"{self.date} at {self.commit}"
        return (
            told if self.stolen is None else f"{told}, with {self.stolen:.1%} of the cores' time stolen by other guests"
        )


@dataclass(slots=True)
class Results:
    """Everything that a report is made of.

    Attributes:
        command: what was run.
        machine: where.
        versions: of Python and of the contestants' packages, by contestant.
        rounds: how many were asked for; a run may be ended before, and some workloads have fewer.
        scale: of how much was done in each.
        measured: figures by workload, then by contestant.
        stamps: of the runs that they are of, by workload.
        absent: who does not take part, and why.
        failures: what went wrong, and where.
    """

    command: str
    machine: str
    versions: dict[str, dict[str, str]]
    rounds: int
    scale: float
    measured: dict[str, dict[str, Rounds]] = field(default_factory=dict)
    stamps: dict[str, Stamp] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def rounds_of(self, workload: str) -> int:
        """Return how many rounds a workload has had."""
        return max(map(len, self.measured[workload].values()), default=0)

    def values(self, workload: str, contestant: str, figure: str) -> list[float]:
        """Return a figure of every round in which there is one."""
        rounds = self.measured.get(workload, {}).get(contestant, [])
        return [done[figure] for done in rounds if done is not None]

    def paired(self, compare: Callable[[float, float], float], one: Source, other: Source) -> list[float]:
        """Compare two figures round by round, as the machine was in that round."""
        return [compare(left, right) for left, right in zip(self.values(*one), self.values(*other), strict=False)]

    def put_into(self, others: Results) -> Results:
        """Return the results of another run, with those of this one in place of its own of the same workloads."""
        return replace(
            self,
            versions=others.versions | self.versions,
            measured=others.measured | self.measured,
            stamps=others.stamps | self.stamps,
        )

    def save(self, path: Path) -> None:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(asdict(self)), indent=1) + b"\n")

    @classmethod
    def load(cls, path: Path) -> Results:
        return msgspec.json.decode(path.read_bytes(), type=cls)


Source = tuple[str, str, str]
"""Workload, contestant, figure."""
