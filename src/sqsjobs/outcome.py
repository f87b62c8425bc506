"""What became of a run, as a union of frozen values; `disposition.decide` says what follows from each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import msgspec

from sqsjobs.job import JobStatus

__all__ = [
    "AlreadyEnded",
    "AlreadyRunning",
    "BlobsDown",
    "Cancelled",
    "CrashLimitReached",
    "Crashed",
    "Discarded",
    "Failed",
    "Failure",
    "Interrupted",
    "KeysDown",
    "LostLease",
    "NotDue",
    "Outcome",
    "Overdelivered",
    "Poison",
    "Rejected",
    "RetryRequested",
    "Snoozed",
    "StoreDown",
    "Succeeded",
    "TimedOut",
    "Unknown",
    "Unstarted",
    "word_of",
]


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as text; it is never turned back into an exception class.

    Attributes:
        type: the exception's qualified name, such as ``"builtins.ValueError"``.
        message: its text.
        traceback: the frames as text, without local variables.
        fingerprint: 12 hexadecimal digits, equal for failures of the same type raised at the same place.
    """

    type: str
    message: str
    traceback: str = ""
    fingerprint: str = ""


# What became of a run -------------------------------------------------------------------------------


class Succeeded(msgspec.Struct, frozen=True, gc=False):
    """The function returned; `result` is its value as JSON, or None where no record keeps it."""

    result: bytes | None = None

    def __repr__(self) -> str:  # a result belongs into no log
        return "<Succeeded>" if self.result is None else f"<Succeeded, {len(self.result):,} bytes>"


class Failed(msgspec.Struct, frozen=True):
    """The function raised; `permanent` if the task's retry policy gives up on such an error."""

    failure: Failure
    permanent: bool = False


class TimedOut(msgspec.Struct, frozen=True):
    """The attempt took longer than the task's timeout of `after` seconds."""

    after: float


class Crashed(msgspec.Struct, frozen=True):
    """The child process that ran the function died; `crashes` counts the job's crashes, this one included."""

    failure: Failure
    crashes: int


class RetryRequested(msgspec.Struct, frozen=True):
    """The function raised `RetryAfter`."""

    delay: float
    reason: str


class Snoozed(msgspec.Struct, frozen=True):
    """The function raised `Snooze`."""

    delay: float


class Discarded(msgspec.Struct, frozen=True):
    """The function raised `Discard`."""

    reason: str


class Rejected(msgspec.Struct, frozen=True):
    """The function raised `Reject`."""

    reason: str


class Interrupted(msgspec.Struct, frozen=True):
    """The worker stopped before the function had ended; not a failure.

    `linger` is the delay in seconds before another worker may see the message: 1 s where the function
    was cancelled, more where a thread may still be running.
    """

    linger: float = 1.0


class Cancelled(msgspec.Struct, frozen=True):
    """The job's cancellation was asked for while the function ran, and it ended without a result."""


class LostLease(msgspec.Struct, frozen=True):
    """The lease ended while the function ran; the message is not touched again."""

    reason: str


# Why a delivery did not become a run ----------------------------------------------------------------


class Unstarted(msgspec.Struct, frozen=True):
    """The worker took the message and gives it back unrun: it is stopping, or kept it waiting too long."""


class Poison(msgspec.Struct, frozen=True):
    """The message can never become a run. `code` is that of an `InvalidEnvelope`, or ``"invalid-arguments"``."""

    code: str
    problem: str


class Unknown(msgspec.Struct, frozen=True):
    """This worker does not know the task, or not this version of the envelope; another may."""

    code: str
    problem: str


class AlreadyRunning(msgspec.Struct, frozen=True):
    """Another delivery of the job runs under a lease that lasts `for_seconds` longer."""

    for_seconds: float


class AlreadyEnded(msgspec.Struct, frozen=True):
    """The job has ended before; this is one delivery too many."""

    status: JobStatus


class NotDue(msgspec.Struct, frozen=True):
    """The job may not start for another `for_seconds`."""

    for_seconds: float


class CrashLimitReached(msgspec.Struct, frozen=True):
    """The job has taken its worker down `crashes` times."""

    crashes: int


class Overdelivered(msgspec.Struct, frozen=True):
    """The attempts were used up by crashes or deliveries, so the function is not started again."""

    deliveries: int


class StoreDown(msgspec.Struct, frozen=True):
    """The job store did not answer, so nothing may start."""

    problem: str


class KeysDown(msgspec.Struct, frozen=True):
    """The key service did not answer, so the message cannot be read yet."""

    problem: str


class BlobsDown(msgspec.Struct, frozen=True):
    """The arguments, which are kept beside the queue, cannot be read now."""

    problem: str


Outcome: TypeAlias = (
    Succeeded
    | Failed
    | TimedOut
    | Crashed
    | RetryRequested
    | Snoozed
    | Discarded
    | Rejected
    | Interrupted
    | Cancelled
    | LostLease
    | Unstarted
    | Poison
    | Unknown
    | AlreadyRunning
    | AlreadyEnded
    | NotDue
    | CrashLimitReached
    | Overdelivered
    | StoreDown
    | KeysDown
    | BlobsDown
)
"""What became of a delivery: of the run it led to, or why it led to none."""


def word_of(outcome: Outcome) -> str:
    """Return what became of a delivery in a word, such as ``"succeeded"`` or ``"timed-out"``."""
    return _word_of_class(type(outcome).__name__)


@cache
def _word_of_class(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
