"""What happened, put together from the lines that all the processes wrote."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, Literal, TypeAlias

__all__ = ["Death", "Fault", "How", "Ledger", "Run", "Suspension", "read_lines"]

How: TypeAlias = Literal["end", "raised", "cancelled", "killed", "lost"]
"""How a run ended; "lost" where the ledger does not say."""


@dataclass(slots=True, eq=False)
class Run:
    """One start of a job's function; times on the machine's monotonic clock, in seconds.

    Attributes:
        worker: the process that held the lease: the run's own, or its parent, if it ran in a child.
        epoch: the fencing token; 0 without a job store.
        lost_lease: whether it was cancelled because its worker had lost the lease.
    """

    job: str
    number: int
    task: str
    pid: int
    worker: int
    epoch: int
    attempt: int
    start: float
    stop: float = inf
    how: How = "lost"
    lost_lease: bool = False

    def overlaps(self, other: Run) -> bool:
        """Whether both ran at one time."""
        return self.start < other.stop and other.start < self.stop


@dataclass(frozen=True, slots=True)
class Death:
    """The end of a worker; `hard` if it was not let settle what it had in hand."""

    at: float
    hard: bool


@dataclass(frozen=True, slots=True)
class Suspension:
    """A process that was stopped and continued later."""

    pid: int
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that the server injected."""

    kind: str
    operation: str
    at: float


@dataclass(slots=True, eq=False)
class Ledger:
    """All of a part.

    Attributes:
        outcomes: of each number that was to be sent: "accepted", "rejected" or "uncertain"; more than one is an error.
        ids: the job of each number, where it is known.
        runs: of each job, in the order of their starts.
        deaths: of the workers.
        suspensions: of each process.
        faults: that touched each job.
        injected: how often each fault struck, by operation and kind.
    """

    outcomes: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    ids: dict[int, str] = field(default_factory=dict)
    runs: dict[str, list[Run]] = field(default_factory=lambda: defaultdict(list))
    deaths: dict[int, Death] = field(default_factory=dict)
    suspensions: dict[int, list[Suspension]] = field(default_factory=lambda: defaultdict(list))
    faults: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    injected: Counter[tuple[str, str]] = field(default_factory=Counter)

    @classmethod
    def of(cls, lines: Iterable[Mapping[str, Any]]) -> Ledger:
        """Put the lines together, whichever order they come in."""
        ledger = cls()
        open_runs: dict[tuple[str, int, int], list[Run]] = defaultdict(list)
        workers, supervisors = set[int](), set[int]()
        for line in sorted(lines, key=lambda line: line["at"]):
            if line["what"] == "supervisor":
                supervisors.add(line["pid"])
            elif line["what"] == "start" and line["parent"] in supervisors:
                workers.add(line["pid"])
            ledger._take(line, open_runs, workers)
        everything = [run for runs in ledger.runs.values() for run in runs]
        ledger._convict(everything)
        for run in everything:
            ledger._place(run, workers)
        return ledger

    def _convict(self, runs: Iterable[Run]) -> None:
        """Lay the death of a process to the pill that it had swallowed."""
        for run in runs:
            if run.task == "pill" and run.how == "lost":
                self.deaths.setdefault(run.pid, Death(run.start, hard=True))

    def _take(self, line: Mapping[str, Any], opened: dict[tuple[str, int, int], list[Run]], workers: set[int]) -> None:
        match line["what"]:
            case "start":
                facts = (line[name] for name in ("job", "number", "task", "pid", "parent", "epoch", "attempt", "at"))
                run = Run(*facts)
                self.runs[run.job].append(run)
                opened[run.job, run.pid, run.epoch].append(run)
            case "end" | "raised" | "cancelled" as how:
                run = opened[line["job"], line["pid"], line["epoch"]].pop()
                run.how, run.stop, run.lost_lease = how, line["at"], line.get("lost_lease", False)
            case "sent":
                self.outcomes[line["number"]].append(line["outcome"])
                if line["job"]:
                    self.ids[line["number"]] = line["job"]
            case "worker":
                workers.add(line["pid"])
            case "death":
                self.deaths[line["pid"]] = Death(line["at"], line["hard"])
            case "suspended":
                self.suspensions[line["pid"]].append(Suspension(line["pid"], line["since"], line["at"]))
            case "fault":
                self._note_fault(line)

    def death_of(self, run: Run) -> Death | None:
        """Return the death of the process that a run was in, or else of its worker's."""
        return self.deaths.get(run.pid) or self.deaths.get(run.worker)

    def _note_fault(self, line: Mapping[str, Any]) -> None:
        fault = Fault(line["kind"], line["operation"], line["at"])
        self.injected[fault.operation, fault.kind] += 1
        for job in line["jobs"]:
            self.faults[job].append(fault)

    def _place(self, run: Run, workers: set[int]) -> None:
        """Say whose run it was, and when it ended, if it did not come to say so."""
        if run.pid in workers or run.worker not in workers:
            run.worker = run.pid
        death = self.death_of(run)
        if run.how == "lost" and death is not None:
            run.how, run.stop = "killed", death.at


def read_lines(directory: Path) -> Iterator[dict[str, Any]]:
    """Yield all lines of a ledger; a last one that was never completed is left out."""
    for path in sorted(directory.glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            yield from (json.loads(line) for line in lines if line.endswith("\n"))
