"""What a drain did, read from the events that the worker told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sqsjobs.events import DeadLettered, Event, JobSettled, JobStarted
from sqsjobs.outcome import (
    AlreadyEnded,
    AlreadyRunning,
    Cancelled,
    Discarded,
    Interrupted,
    NotDue,
    Outcome,
    RetryRequested,
    Snoozed,
    Succeeded,
    Unstarted,
)
from sqsjobs.testing.enqueued import EnqueuedJob
from sqsjobs.testing.telling import told_call, told_outcome

__all__ = ["DrainReport", "DrainedJob", "JobsFailed", "drain_report"]

State: TypeAlias = Literal["succeeded", "failed", "discarded", "cancelled", "waiting"]
"""Where a drain left a job; "waiting" is for a retry, or for the end of a snooze."""


@dataclass(frozen=True, slots=True)
class DrainedJob:
    """What a drain did with one job, or with a message that is none.

    Attributes:
        id: the job's id, or the message's.
        task: the task's name; empty where the message names none.
        arguments: by name.
        state: where the drain left it.
        attempts: which attempt was the last; 0 if none began.
        outcome: what became of it, or why none began.
        dead_letter: the reason why it is in the dead-letter queue, such as "exhausted"; empty if it is not there.
    """

    id: str
    task: str
    arguments: Mapping[str, Any]
    state: State
    attempts: int
    outcome: Outcome
    dead_letter: str = ""

    def __str__(self) -> str:
        call = told_call(self.task, self.arguments) if self.task else f"message {self.id}"
        attempt = f" after {self.attempts} attempt{'s' * (self.attempts > 1)}" if self.attempts else ""
        place = f", dead-lettered ({self.dead_letter})" if self.dead_letter else ""
        return f"{call}: {self.state}{attempt}{place}"

    @property
    def disappoints(self) -> bool:
        """Whether it failed: for good, or so that it waits for a retry that it did not ask for itself."""
        wished = isinstance(self.outcome, Snoozed | RetryRequested | NotDue | Interrupted)
        return self.state == "failed" or (self.state == "waiting" and not wished)


@dataclass(frozen=True, slots=True)
class DrainReport:
    """The jobs that a drain worked on, in the order in which it was done with them.

    Attributes:
        jobs: each once, as it was left.
        not_due: messages that are still in the queues: delayed, or waiting for a retry.
    """

    jobs: tuple[DrainedJob, ...]
    not_due: int

    def __str__(self) -> str:
        return "\n".join(
            [f"{len(self.jobs)} jobs; {self.not_due} messages not due", *(f"  {job}" for job in self.jobs)]
        )

    @property
    def succeeded(self) -> tuple[DrainedJob, ...]:
        """The jobs that succeeded."""
        return self._left("succeeded")

    @property
    def failed(self) -> tuple[DrainedJob, ...]:
        """The jobs that failed for good, most of them now dead-lettered."""
        return self._left("failed")

    @property
    def discarded(self) -> tuple[DrainedJob, ...]:
        """The jobs that discarded themselves."""
        return self._left("discarded")

    @property
    def waiting(self) -> tuple[DrainedJob, ...]:
        """The jobs that wait for a retry, or for the end of a snooze."""
        return self._left("waiting")

    def raise_for_failures(self) -> None:
        """Raise `JobsFailed` if a job failed, or waits for a retry because it did."""
        if any(job.disappoints for job in self.jobs):
            raise JobsFailed(self)

    def _left(self, state: State) -> tuple[DrainedJob, ...]:
        return tuple(job for job in self.jobs if job.state == state)


class JobsFailed(AssertionError):
    """Raised by a drain in which a job failed. `report` says all that was done."""

    def __init__(self, report: DrainReport) -> None:
        super().__init__("\n".join(_told_failures(report)))
        self.report = report


def _told_failures(report: DrainReport) -> Iterator[str]:
    failures = [job for job in report.jobs if job.disappoints]
    yield f"{len(failures)} of {len(report.jobs)} jobs failed (drain with allow_failures=True if that is what you test)"
    for job in failures:
        hint = "; its retry is not due: drain with skip_delays=True to run it" if job.state == "waiting" else ""
        yield f"\n{job}{hint}\n{told_outcome(job.outcome)}"


def drain_report(events: Iterable[Event], enqueued: Iterable[EnqueuedJob], *, not_due: int) -> DrainReport:
    """Return the report on what `events` tell."""
    arguments: dict[str, Mapping[str, Any]] = {job.id: job.arguments for job in enqueued}
    settled: dict[str, JobSettled] = {}
    attempts: dict[str, int] = {}
    reasons: dict[str, str] = {}
    for event in events:
        match event:
            case JobStarted(job=job, attempt=attempt):
                attempts[job.id] = attempt
            case DeadLettered(reason=reason):
                reasons[event.job_id or event.message_id] = reason
            case JobSettled() if _tells(event.outcome):
                key = event.job_id or event.message_id
                settled.pop(key, None)
                settled[key] = event
    jobs = (
        DrainedJob(
            id=key,
            task=event.task or "",
            arguments=arguments.get(key, {}),
            state=_state(event),
            attempts=attempts.get(key, 0),
            outcome=event.outcome,
            dead_letter=reasons.get(key, ""),
        )
        for key, event in settled.items()
    )
    return DrainReport(tuple(jobs), not_due)


def _tells(outcome: Outcome) -> bool:
    """Whether it says something about the job, and not about one delivery too many."""
    return not isinstance(outcome, Unstarted | AlreadyRunning | AlreadyEnded)


def _state(event: JobSettled) -> State:
    if event.disposition in ("hide", "resend", "leave"):
        return "waiting"
    match event.outcome:
        case Succeeded():
            return "succeeded"
        case Discarded():
            return "discarded"
        case Cancelled():
            return "cancelled"
        case _:
            return "failed"
