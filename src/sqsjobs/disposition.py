"""What is to become of a message: one pure decision from an outcome and its situation.

`decide` never looks at a clock, a queue or a store; whoever calls it brings what it needs to know.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, assert_never

from sqsjobs.job import JobStatus
from sqsjobs.outcome import (
    AlreadyEnded,
    AlreadyRunning,
    BlobsDown,
    Cancelled,
    Crashed,
    CrashLimitReached,
    Discarded,
    Failed,
    Failure,
    Interrupted,
    KeysDown,
    LostLease,
    NotDue,
    Outcome,
    Overdelivered,
    Poison,
    Rejected,
    RetryRequested,
    Snoozed,
    StoreDown,
    Succeeded,
    TimedOut,
    Unknown,
    Unstarted,
)
from sqsjobs.retry import Retry
from sqsjobs.transport.base import MAX_VISIBILITY

__all__ = [
    "DeadLetter",
    "Delete",
    "Disposition",
    "Hide",
    "Leave",
    "Resend",
    "Situation",
    "Verdict",
    "decide",
    "decide_at_once",
]

_VISIBILITY_MARGIN: Final = 60.0
"""Seconds of SQS's 12 hours that are never asked for."""
_HIDE_CEILING: Final = 3600.0
"""Seconds above which a standard queue's message is sent anew: a hidden message counts against the in-flight quota."""
_IN_FLIGHT_SHARE: Final = 0.5
"""Share of the in-flight quota above which a standard queue's retries are sent anew."""
_RETENTION_SHARE: Final = 0.8
"""Share of the retention above which a standard queue's message is sent anew, which starts its retention again."""
_PARK_FIRST: Final = 30.0
_PARK_LONGEST: Final = 900.0
_STORE_PAUSE: Final = 5.0


# What may become of a message -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Delete:
    """The message is done with."""


@dataclass(frozen=True, slots=True)
class Hide:
    """The message is to be seen again after `delay` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class Resend:
    """The message is to be sent anew, due after `delay` seconds, and this one deleted."""

    delay: float


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An annotated copy goes to the dead-letter queue, then the message is deleted."""

    reason: str
    detail: str
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Leave:
    """The message is not touched again: it may be somebody else's by now."""


Disposition: TypeAlias = Delete | Hide | Resend | DeadLetter | Leave
"""What is to become of a message."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A disposition, and how the record changes: to `status` (None: it does not), the attempt given back or not."""

    disposition: Disposition
    status: JobStatus | None = None
    attempt_back: bool = False


# What the decision needs to know --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Situation:
    """Where the message stands; times in seconds.

    Attributes:
        attempt: which attempt this was, from 1; 0 where none was begun.
        receive_count: how often SQS has given the message out.
        retry: the task's policy; the default one where the task is unknown.
        on_exhausted: what the task wants when no attempts are left.
        fifo: whether the queue is FIFO: its messages are never sent anew, which would lose their place.
        sends_anew: whether this worker can send at all: one that only verifies signatures cannot.
        hidden_for: since the receipt; SQS hides a message for 12 h at most.
        age: since SQS got the message.
        retention: how long the queue keeps a message.
        since_first_receive: since the message was first given out.
        park_for: how long a message nobody knows is parked in all.
        in_flight_share: the queue's share of its in-flight quota.
        dead_letter_queue: whether the queue has one.
        random: a number from 0 to 1, for the jitter.
    """

    attempt: int = 0
    receive_count: int = 1
    retry: Retry = Retry()  # noqa: RUF009 - frozen
    on_exhausted: Literal["dead-letter", "discard"] = "dead-letter"
    fifo: bool = False
    sends_anew: bool = True
    hidden_for: float = 0.0
    age: float = 0.0
    retention: float = 345_600.0
    since_first_receive: float = 0.0
    park_for: float = 3600.0
    in_flight_share: float = 0.0
    dead_letter_queue: bool = True
    random: float = 0.5


_SUCCEEDED: Final = Verdict(Delete(), JobStatus.SUCCEEDED)


def decide_at_once(outcome: Outcome) -> Verdict | None:
    """Return the verdict on what most jobs come to, which is the same in every situation; None for all else."""
    return _SUCCEEDED if isinstance(outcome, Succeeded) else None


def decide(outcome: Outcome, situation: Situation) -> Verdict:  # noqa: C901, PLR0911, PLR0912 - one arm per outcome
    """Return what is to become of the message and of the job's record."""
    match outcome:
        case Succeeded():
            return _SUCCEEDED
        case Failed(failure, permanent):
            return _after_failure(situation, "failed", failure, permanent=permanent)
        case TimedOut(after):
            failure = Failure("builtins.TimeoutError", f"the attempt took longer than {after:g} s")
            permanent = situation.retry.gives_up_on(TimeoutError())
            return _after_failure(situation, "timed-out", failure, permanent=permanent)
        case Crashed(failure, _):
            return _after_failure(situation, "crashed", failure, permanent=False)
        case RetryRequested(delay, reason):
            failure = Failure("sqsjobs.RetryAfter", reason)
            return _after_failure(situation, "failed", failure, permanent=False, delay=delay)
        case Snoozed(delay):
            return _hidden(situation, delay, JobStatus.QUEUED, attempt_back=True)
        case Discarded():
            return Verdict(Delete(), JobStatus.DISCARDED)
        case Rejected(reason):
            return _dead_lettered(situation, "rejected", reason, Failure("sqsjobs.Reject", reason))
        case Interrupted(linger):
            return _kept(situation, linger, JobStatus.QUEUED, attempt_back=True)
        case Cancelled():
            return Verdict(Delete(), JobStatus.CANCELLED)
        case LostLease():
            return Verdict(Leave(), JobStatus.QUEUED)
        case Unstarted():
            return _kept(situation, 0.0)
        case Poison(code, problem):
            return _dead_lettered(situation, code, problem, Failure(f"sqsjobs.{code}", problem), attempt_back=True)
        case Unknown(code, problem):
            return _parked(situation, code, problem)
        case AlreadyRunning(for_seconds):
            return _kept(situation, for_seconds + 1 + 4 * situation.random)
        case AlreadyEnded(status):
            parked = status is JobStatus.FAILED and not situation.dead_letter_queue
            if parked and situation.on_exhausted != "discard":
                return _kept(situation, _PARK_LONGEST)
            return Verdict(Delete())
        case NotDue(for_seconds):
            return _hidden(situation, for_seconds, None)
        case CrashLimitReached(crashes):
            detail = f"the job took its worker down {crashes} times"
            return _dead_lettered(situation, "crash-limit", detail, Failure("sqsjobs.CrashLimit", detail))
        case Overdelivered(deliveries):
            detail = f"all {situation.retry.max_attempts} attempts were used up by delivery {deliveries}"
            return _exhausted(situation, "exhausted", detail, Failure("sqsjobs.Exhausted", detail), attempt_back=True)
        case StoreDown() | KeysDown() | BlobsDown():
            return _kept(situation, _STORE_PAUSE * (1 + 2 * situation.random))
        case _:
            assert_never(outcome)


def _after_failure(
    situation: Situation, reason: str, failure: Failure, *, permanent: bool, delay: float | None = None
) -> Verdict:
    if permanent:
        return _exhausted(situation, reason, f"{failure.type}: {failure.message}", failure)
    if situation.attempt >= situation.retry.max_attempts:
        return _exhausted(situation, "exhausted", f"{failure.type}: {failure.message}", failure)
    wait = situation.retry.delay(situation.attempt, situation.random) if delay is None else delay
    return _hidden(situation, wait, JobStatus.RETRYING)


def _exhausted(
    situation: Situation, reason: str, detail: str, failure: Failure, *, attempt_back: bool = False
) -> Verdict:
    if situation.on_exhausted == "discard":
        return Verdict(Delete(), JobStatus.FAILED, attempt_back)
    return _dead_lettered(situation, reason, detail, failure, attempt_back=attempt_back)


def _dead_lettered(
    situation: Situation, reason: str, detail: str, failure: Failure | None = None, *, attempt_back: bool = False
) -> Verdict:
    """Without a dead-letter queue the message is kept where it is, hidden, until the queue's retention ends."""
    if not situation.dead_letter_queue:
        return _kept(situation, _PARK_LONGEST, JobStatus.FAILED, attempt_back=attempt_back)
    return Verdict(DeadLetter(reason, detail, failure), JobStatus.FAILED, attempt_back)


def _parked(situation: Situation, code: str, problem: str) -> Verdict:
    """Hide what another worker may know, 30 s and then twice as long each time, for a bounded time in all."""
    if situation.since_first_receive >= situation.park_for:
        return _dead_lettered(situation, code, problem, Failure(f"sqsjobs.{code}", problem), attempt_back=True)
    doublings = min(situation.receive_count - 1, 10)
    return _kept(situation, min(_PARK_FIRST * 2**doublings, _PARK_LONGEST))


def _hidden(situation: Situation, delay: float, status: JobStatus | None, *, attempt_back: bool = False) -> Verdict:
    """Hide within SQS's limits; beyond them a standard queue's message is sent anew and a FIFO one comes early."""
    ages = situation.age + delay
    if situation.fifo or not situation.sends_anew:
        if ages >= situation.retention - _VISIBILITY_MARGIN:
            detail = f"the message would have been dropped after {situation.retention:g} s before it was due again"
            return _dead_lettered(situation, "retention", detail, Failure("sqsjobs.Retention", detail))
        return _kept(situation, delay, status, attempt_back=attempt_back)
    crowded = situation.in_flight_share >= _IN_FLIGHT_SHARE and delay >= 1
    too_long = delay > min(_longest(situation), _HIDE_CEILING)
    if too_long or crowded or ages > _RETENTION_SHARE * situation.retention:
        return Verdict(Resend(delay), status, attempt_back)
    return _kept(situation, delay, status, attempt_back=attempt_back)


def _kept(
    situation: Situation, delay: float, status: JobStatus | None = None, *, attempt_back: bool = False
) -> Verdict:
    return Verdict(Hide(max(0.0, min(delay, _longest(situation)))), status, attempt_back)


def _longest(situation: Situation) -> float:
    """Return for how many more seconds SQS can hide the message."""
    return MAX_VISIBILITY - _VISIBILITY_MARGIN - situation.hidden_for


def whole_seconds(delay: float) -> int:
    """Return `delay` as SQS takes it: whole seconds, never early."""
    return math.ceil(delay)
