"""What happens, as frozen values. Logs, metrics, traces and tests are readers of these; no logic is.

An observer is any callable that takes an event. It must not block and must not raise; one that raises is
reported once on standard error and its event is dropped.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable, Set
from typing import TypeAlias

import msgspec

from sqsjobs.job import Job
from sqsjobs.outcome import Outcome
from sqsjobs.transport.base import ClockCorrected, SqsCalled, WireChosen

__all__ = [
    "ClockCorrected",
    "DeadLettered",
    "Event",
    "HeartbeatFailed",
    "HeartbeatSent",
    "JobDelivered",
    "JobEnded",
    "JobEnqueued",
    "JobNotEnqueued",
    "JobOverran",
    "JobSettled",
    "JobStarted",
    "LeaseEnded",
    "LoopBlocked",
    "Observer",
    "PollCompleted",
    "PollFailed",
    "PollPaused",
    "RedriveTooLow",
    "SettleFailed",
    "SqsCalled",
    "StoreFailed",
    "WireChosen",
    "WorkerReady",
    "WorkerStarted",
    "WorkerStopped",
    "WorkerStopping",
    "fan_out",
]


# The producer's side --------------------------------------------------------------------------------


class JobEnqueued(msgspec.Struct, frozen=True, gc=False):
    """SQS has accepted a job."""

    job_id: str
    task: str
    queue: str


class JobNotEnqueued(msgspec.Struct, frozen=True):
    """A job was rejected (`uncertain` False), or no answer came (True)."""

    job_id: str
    task: str
    queue: str
    problem: str
    uncertain: bool


# Polling --------------------------------------------------------------------------------------------


class PollCompleted(msgspec.Struct, frozen=True, gc=False):
    """A receive came back with `messages` messages."""

    queue: str
    messages: int
    seconds: float


class PollFailed(msgspec.Struct, frozen=True):
    """A receive failed, for the `failures`th time in a row; the next is made after `retry_in` seconds."""

    queue: str
    problem: str
    failures: int
    retry_in: float


class PollPaused(msgspec.Struct, frozen=True):
    """Polling of a queue pauses for `seconds`: the job store is away, or messages come faster than they can be judged."""

    queue: str
    reason: str
    seconds: float


# The life of a job in a worker ----------------------------------------------------------------------


class JobDelivered(msgspec.Struct, frozen=True, gc=False):
    """A message became a job."""

    job: Job
    receive_count: int


class JobStarted(msgspec.Struct, frozen=True, gc=False):
    """An attempt starts, `waited` seconds after the job was enqueued."""

    job: Job
    attempt: int
    receive_count: int
    waited: float


class JobEnded(msgspec.Struct, frozen=True, gc=False):
    """An attempt ended."""

    job: Job
    attempt: int
    outcome: Outcome
    seconds: float


class JobOverran(msgspec.Struct, frozen=True):
    """A job in a thread goes on past its timeout: it keeps its lease and its slot until the thread ends."""

    job: Job
    timeout: float


class JobSettled(msgspec.Struct, frozen=True, gc=False):
    """A message's disposition was carried out. `job_id` and `task` are None where it never became a job."""

    queue: str
    message_id: str
    job_id: str | None
    task: str | None
    outcome: Outcome
    disposition: str
    delay: float = 0.0


class DeadLettered(msgspec.Struct, frozen=True):
    """An annotated copy of a message is in the dead-letter queue."""

    queue: str
    message_id: str
    job_id: str | None
    task: str | None
    reason: str
    detail: str


class SettleFailed(msgspec.Struct, frozen=True):
    """A disposition could not be carried out; the message comes back by itself when its lease ends."""

    queue: str
    message_id: str
    job_id: str | None
    disposition: str
    problem: str


class StoreFailed(msgspec.Struct, frozen=True):
    """A call to the job store failed."""

    operation: str
    problem: str


# Leases ---------------------------------------------------------------------------------------------


class HeartbeatSent(msgspec.Struct, frozen=True):
    """Leases were extended by one request."""

    queue: str
    leases: int


class HeartbeatFailed(msgspec.Struct, frozen=True):
    """A request to extend leases failed; it is tried again until the leases' deadlines."""

    queue: str
    leases: int
    problem: str


class LeaseEnded(msgspec.Struct, frozen=True):
    """A lease was lost while its message was in hand."""

    queue: str
    message_id: str
    reason: str


class LoopBlocked(msgspec.Struct, frozen=True):
    """The event loop has not run for `seconds`; `task` names what blocks it, `stack` shows where."""

    task: str
    seconds: float
    stack: str


# The worker -----------------------------------------------------------------------------------------


class WorkerStarted(msgspec.Struct, frozen=True):
    """A worker has begun."""

    worker: str
    queues: tuple[str, ...]
    concurrency: int


class WorkerReady(msgspec.Struct, frozen=True):
    """Whether the worker can do its work has changed; `problem` is empty when it can."""

    worker: str
    problem: str


class RedriveTooLow(msgspec.Struct, frozen=True):
    """A queue's maxReceiveCount is so low that SQS may dead-letter jobs that have attempts left."""

    queue: str
    max_receive_count: int
    needed: int


class WorkerStopping(msgspec.Struct, frozen=True):
    """A stop was asked for; `in_hand` jobs run on for at most `grace` seconds."""

    worker: str
    reason: str
    in_hand: int
    grace: float


class WorkerStopped(msgspec.Struct, frozen=True):
    """The worker has ended; `clean` if nothing was left running."""

    worker: str
    clean: bool


Event: TypeAlias = (
    JobEnqueued
    | JobNotEnqueued
    | WireChosen
    | ClockCorrected
    | SqsCalled
    | PollCompleted
    | PollFailed
    | PollPaused
    | JobDelivered
    | JobStarted
    | JobEnded
    | JobOverran
    | JobSettled
    | DeadLettered
    | SettleFailed
    | StoreFailed
    | HeartbeatSent
    | HeartbeatFailed
    | LeaseEnded
    | LoopBlocked
    | WorkerStarted
    | WorkerReady
    | RedriveTooLow
    | WorkerStopping
    | WorkerStopped
)
"""Everything that is told."""

Observer: TypeAlias = Callable[[Event], None]
"""A reader of events. It may be called from the heartbeat thread as well as from the event loop's. One with an attribute
`kinds = (JobEnded, ...)` is told of events of exactly those classes."""


def fan_out(observers: Iterable[Observer]) -> Observer:
    """Return an observer that tells all of `observers`; one that raises does not disturb the others.

    An observer with an attribute `kinds`, a set, tuple or list of classes of events, is told of exactly those.
    """
    readers = [(observer, _kinds_of(observer)) for observer in observers]
    by_kind: dict[type, tuple[Observer, ...]] = {}
    reported: set[Observer] = set()

    def readers_of(kind: type) -> tuple[Observer, ...]:
        by_kind[kind] = tuple(reader for reader, kinds in readers if kinds is None or kind in kinds)
        return by_kind[kind]

    def tell(event: Event) -> None:
        kind = type(event)
        for reader in by_kind[kind] if kind in by_kind else readers_of(kind):
            try:
                reader(event)
            except Exception:  # noqa: BLE001 - an observer must not take the worker down
                if reader not in reported:
                    reported.add(reader)
                    sys.stderr.write(
                        f"sqsjobs: an observer failed and is not reported again:\n{traceback.format_exc()}"
                    )

    return tell


def _kinds_of(observer: Observer) -> frozenset[type] | None:
    """Return the kinds that an observer names, or None; a mock has every attribute, and names none."""
    kinds = getattr(observer, "kinds", None)
    return frozenset(kinds) if isinstance(kinds, Set | tuple | list) else None
