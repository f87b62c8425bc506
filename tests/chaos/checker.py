"""Judges a ledger by the invariants, and says what every repeated run was due to."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from tests.chaos.ledger import Ledger, Run

from sqsjobs.job import JobStatus
from sqsjobs.store.base import JobRecord

__all__ = ["WRITTEN", "Checked", "Letter", "check"]

STARVED: Final = "its lease was lost, though nothing was done to it: the machine was too busy for heartbeats"
SENT_TWICE: Final = "sent twice (an answer was lost)"
_CAUSES: Final[Mapping[str, str]] = {
    "SendMessageBatch": SENT_TWICE,
    "ReceiveMessage": "received late (the lease had run out)",
    "DeleteMessageBatch": "delete refused or lost",
    "ChangeMessageVisibilityBatch": "heartbeat or release refused or lost",
}
_ON_THE_LOOP: Final = frozenset({"work", "pill"})
"""Tasks that end when their lease does; a thread goes on, and so may a child of a worker that is suspended."""
WRITTEN: Final = 3.0
"""Seconds within which a worker that is well has recorded what has ended, on a busy machine."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message in a dead-letter queue: its job, and why it is there."""

    job: str
    reason: str


@dataclass(slots=True)
class Checked:
    """What was found.

    Attributes:
        sent: jobs by what their senders were told.
        completed: jobs that ended at least once.
        dead_lettered: by the reason.
        runs: starts of jobs' functions.
        repeated: runs beyond a job's first, by cause.
        overlaps: pairs of runs of one job at one time, by cause.
        violations: what broke a promise, each with the invariant's name.
    """

    sent: Counter[str] = field(default_factory=Counter)
    completed: int = 0
    dead_lettered: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    repeated: Counter[str] = field(default_factory=Counter)
    overlaps: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def written(self) -> dict[str, object]:
        """Return everything but the violations, for JSON."""
        return {
            "sent": self.sent,
            "completed": self.completed,
            "dead letters": self.dead_lettered,
            "runs": self.runs,
            "repeated runs by cause": self.repeated,
            "overlapping runs by cause": self.overlaps,
        }


def check(ledger: Ledger, letters: list[Letter], records: Mapping[str, JobRecord] | None) -> Checked:
    """Judge what happened when everything has come to rest.

    Args:
        ledger: what was written.
        letters: what lies in the dead-letter queue.
        records: of all jobs, or None where there was no job store.
    """
    checked = Checked(dead_lettered=Counter(letter.reason for letter in letters))
    checked.sent.update(outcome for outcomes in ledger.outcomes.values() for outcome in outcomes)
    checked.violations += _sends(ledger)
    checked.violations += _lost(ledger, {letter.job for letter in letters})
    for runs in ledger.runs.values():
        _judge(runs, ledger, checked, stored=records is not None)
    if records is not None:
        checked.violations += _records(ledger, records, letters)
    return checked


def _sends(ledger: Ledger) -> Iterator[str]:
    """I13: whoever sent was told one thing, and no job runs that was said to be rejected."""
    ran = {run.number for runs in ledger.runs.values() for run in runs}
    for number, outcomes in ledger.outcomes.items():
        if len(outcomes) != 1:
            yield f"I13: the send of number {number} had the outcomes {outcomes}"
        elif outcomes == ["rejected"] and number in ran:
            yield f"I13: number {number} ran, and was said to be rejected"


def _lost(ledger: Ledger, letters: set[str]) -> Iterator[str]:
    """I1: a job that was accepted, or ran whatever its sender was told, has ended, or lies in the dead-letter queue."""
    taken = dict.fromkeys(ledger.runs, "ran")
    taken |= {
        ledger.ids.get(number, ""): "was accepted" for number, told in ledger.outcomes.items() if "accepted" in told
    }
    for job, what in taken.items():
        if job not in letters and not any(run.how == "end" for run in ledger.runs.get(job, ())):
            yield f"I1: job {job} {what}, has not ended and is no dead letter"


def _judge(runs: list[Run], ledger: Ledger, checked: Checked, *, stored: bool) -> None:
    checked.runs += len(runs)
    checked.completed += any(run.how == "end" for run in runs)
    for before, after in itertools.pairwise(runs):
        ended = stored and before.how == "end" and before.stop <= after.start
        cause = _unrecorded(before, after, ledger) if ended else _cause(before, after, ledger)
        checked.repeated[cause or "unexplained"] += 1
        if cause is None:
            broken = "I2: nothing kept from its record the end" if ended else "I3: nothing explains a repetition"
            checked.violations.append(f"{broken} of job {after.job} {_pair(before, after)}")
    for before, after in itertools.combinations(runs, 2):
        if before.how != "lost" and before.overlaps(after):
            cause = _excuse(before, ledger, stored=stored)
            checked.overlaps[cause or "unexplained"] += 1
            if cause is None:
                checked.violations.append(f"I4: job {after.job} ran twice at one time {_pair(before, after)}")


def _unrecorded(before: Run, after: Run, ledger: Ledger) -> str | None:
    """Return why the end of a run was not recorded, so that its job ran again, or None: what is recorded does not run.

    No fault of SQS's excuses it: a second delivery of a job that has ended is deleted, unrun (R23, R25, R28). Its worker
    has to have died or stood still before the record was written, or to have lost or given up a lease under which a
    thread went on.
    """
    soon = min(before.stop + WRITTEN, after.start)
    death = ledger.death_of(before)
    if death is not None and death.hard and before.start <= death.at <= soon:
        return "its worker was killed"
    if _suspended(before, ledger, until=soon):
        return "its worker was suspended"
    if before.task in _ON_THE_LOOP:
        return None
    if death is not None and before.stop <= death.at <= soon:
        return "abandoned at a stop"
    return "its lease was lost, and its thread went on" if _lapsed(before, ledger) else None


def _cause(before: Run, after: Run, ledger: Ledger) -> str | None:
    """Return why a job ran again after a run, or None."""
    if before.how == "raised":
        return "retry of a failure"
    if before.how == "lost":  # of the death of a child only its worker knows
        return "its child process died" if before.pid != before.worker else None
    death = ledger.death_of(before)
    if death is not None and death.hard and before.start <= death.at <= after.start:
        return "its worker was killed"
    if _suspended(before, ledger, until=after.start):
        return "its worker was suspended"
    if before.how == "killed":
        return "abandoned at a stop" if before.stop <= after.start else None
    if before.how == "cancelled" and death is not None:
        return "interrupted by a stop"
    return _fault(before, after, ledger) or (STARVED if before.lost_lease else None)


def _fault(before: Run, after: Run, ledger: Ledger) -> str | None:
    """Return the last fault that had touched the job when it ran again; what SQS gave twice comes first."""
    faults = [fault for fault in ledger.faults.get(before.job, ()) if fault.at <= after.start]
    for kind, cause in (("duplicate", "delivered twice by SQS"), ("resurrect", "came back after its delete")):
        if any(fault.kind == kind for fault in faults):
            return cause
    return next((_CAUSES[fault.operation] for fault in reversed(faults) if fault.operation in _CAUSES), None)


def _excuse(before: Run, ledger: Ledger, *, stored: bool) -> str | None:
    """Return why a job may run beside another run of itself, or None: its lease was over, or there is no job store."""
    if _suspended(before, ledger, until=before.stop):
        return "the first one's worker was suspended"
    if before.lost_lease:
        return "the first one had lost its lease, and was being cancelled"
    if stored:
        excused = before.task not in _ON_THE_LOOP and _lapsed(before, ledger)
        return "the first one's lease was lost, and its thread cannot be stopped" if excused else None
    struck = any(fault.at <= before.stop for fault in ledger.faults.get(before.job, ()))
    return "delivered twice, and there is no job store" if struck else None


def _lapsed(run: Run, ledger: Ledger) -> bool:
    """Whether a run's lease may have been lost by a fault: it was received late, or a heartbeat was lost."""
    faults = ledger.faults.get(run.job, ())
    of_leases = ("ReceiveMessage", "ChangeMessageVisibilityBatch")
    return any(fault.operation in of_leases and fault.at <= run.stop for fault in faults)


def _suspended(run: Run, ledger: Ledger, *, until: float) -> bool:
    """Whether the run's worker, or the child it ran in, was suspended meanwhile."""
    spans = [*ledger.suspensions.get(run.worker, ()), *ledger.suspensions.get(run.pid, ())]
    return any(run.start <= span.end and span.begin <= until for span in spans)


def _records(ledger: Ledger, records: Mapping[str, JobRecord], letters: list[Letter]) -> Iterator[str]:
    """I2: one completion is recorded for each job, by a run that ended; nothing ran after it."""
    dead = {letter.job for letter in letters}
    for job, runs in ledger.runs.items():
        record = records.get(job)
        if record is None:
            yield f"I2: job {job} ran and has no record"
            continue
        by_epoch = {run.epoch: run for run in runs}
        if record.status is JobStatus.SUCCEEDED and by_epoch.get(record.epoch, runs[0]).how != "end":
            yield f"I2: the recorded completion of job {job} is of a run that did not end (epoch {record.epoch})"
        if max(by_epoch) > record.epoch:
            yield f"I2: job {job} ran at epoch {max(by_epoch)} and its record is of epoch {record.epoch}"
        if len(by_epoch) != len(runs):
            yield f"I2: two runs of job {job} had one epoch"
        if not record.status.ended or (record.status is JobStatus.FAILED) != (job in dead):
            yield f"I1: job {job} is recorded as {record.status}, and is {'a' if job in dead else 'no'} dead letter"


def _pair(before: Run, after: Run) -> str:
    return (
        f"({before.how} in {before.pid} of {before.worker} from {before.start:.3f} to {before.stop:.3f}; "
        f"again in {after.pid} from {after.start:.3f})"
    )
