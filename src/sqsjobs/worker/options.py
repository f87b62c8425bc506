"""The options of a worker, checked when they are built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqsjobs.errors import ConfigurationError
from sqsjobs.transport.base import MAX_VISIBILITY, MAX_WAIT

__all__ = ["WatchedQueue", "WorkerOptions"]


@dataclass(frozen=True, slots=True)
class WatchedQueue:
    """A queue that a worker takes jobs from; of two busy ones, one with twice the weight gets twice the starts."""

    name: str
    weight: int = 1

    def __post_init__(self) -> None:
        if self.weight < 1:
            raise ConfigurationError(f"queue {self.name!r}: a weight is a whole number from 1 up, not {self.weight!r}")


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How a worker works; durations in seconds.

    Attributes:
        concurrency: jobs that run at once (slots).
        visibility: the lease: how long a message stays hidden without a heartbeat. A killed worker's
            messages are seen again within this time. 2 s at least, so that a lease outlives the shortest long poll.
        wait: the long poll; shortened to a third of the visibility.
        heartbeat: how often leases are extended; a third of the visibility by default.
        grace: after a stop was asked for, how long running jobs and open polls may take to end.
        delete_linger: how long a delete waits for company; FIFO queues: not at all.
        burst: end when the queues are empty.
        prefetch: ``"auto"`` fetches ahead what will start within one round trip; 0 fetches nothing ahead.
        crash_limit: crashes after which a job is dead-lettered unrun (needs a job store).
        park_for: how long messages of unknown tasks are kept for other workers before they are dead-lettered.
        stall_limit: how long heartbeats go on while the event loop does not turn.
        lag_warning: how long a job may block the event loop before it is named.
        result_grace: how long a result that the job store does not take is held and offered again.
        result_bytes: the largest result that is recorded.
        fifo_receive: messages per receive from a FIFO queue; with more than 1, a failure at the head costs
            its followers a delivery.
        threads: plain functions that run at once; the concurrency by default.
        processes: functions with ``executor="process"`` that run at once; the processors by default.
        child_variables: names (or beginnings with ``*``) of environment variables that the processes of functions with
            ``executor="process"`` keep, besides PATH and the like; None: all of the worker's.
        allow_no_dlq: work on queues without a dead-letter queue; poison then stays in the queue, hidden.
        annotate_errors: whether dead letters carry the first 200 characters of the error's text.
    """

    concurrency: int = 100
    visibility: float = 60.0
    wait: float = 10.0
    heartbeat: float | None = None
    grace: float = 25.0
    delete_linger: float = 0.05
    burst: bool = False
    prefetch: Literal["auto", 0] = "auto"
    crash_limit: int = 3
    park_for: float = 3600.0
    stall_limit: float = 900.0
    lag_warning: float = 0.1
    result_grace: float = 300.0
    result_bytes: int = 1_048_576
    fifo_receive: int = 1
    threads: int | None = None
    processes: int | None = None
    child_variables: tuple[str, ...] | None = None
    allow_no_dlq: bool = False
    annotate_errors: bool = True

    def __post_init__(self) -> None:
        _check(1 <= self.concurrency <= 10_000, "concurrency", "1 to 10,000", self.concurrency)
        # SQS counts whole seconds: of a lease of 1 s, the shortest long poll alone might leave nothing.
        _check(2 <= self.visibility <= MAX_VISIBILITY / 2, "visibility", "2 to 21,600 seconds", self.visibility)
        shortest = 0 if self.burst else 1  # only a burst ends when there is nothing; short polls would go on for ever
        _check(shortest <= self.wait <= MAX_WAIT, "wait", f"{shortest} to 20 seconds", self.wait)
        _check(self.grace >= 0, "grace", "0 seconds or more", self.grace)
        _check(self.delete_linger >= 0, "delete_linger", "0 seconds or more", self.delete_linger)
        _check(1 <= self.fifo_receive <= 10, "fifo_receive", "1 to 10", self.fifo_receive)
        _check(self.crash_limit >= 1, "crash_limit", "1 or more", self.crash_limit)
        _check(self.prefetch in ("auto", 0), "prefetch", '"auto" or 0', self.prefetch)
        _check(self.threads is None or self.threads >= 1, "threads", "1 or more", self.threads)
        _check(self.processes is None or self.processes >= 1, "processes", "1 or more", self.processes)
        named = self.child_variables
        _check(named is None or not isinstance(named, str), "child_variables", "a tuple of names", named)
        heartbeat = self.heartbeat
        if heartbeat is not None:
            _check(0 < heartbeat <= self.visibility / 2, "heartbeat", "at most half the visibility", heartbeat)

    @property
    def poll_wait(self) -> int:
        """Whole seconds of a long poll: never more than a third of the visibility, so that a lease outlives the wait."""
        return int(min(self.wait, max(1.0, self.visibility / 3)))

    @property
    def beat_every(self) -> float:
        """Seconds between two heartbeats of a lease."""
        return self.heartbeat or self.visibility / 3


def _check(holds: bool, option: str, allowed: str, given: object) -> None:
    if not holds:
        raise ConfigurationError(f"worker option {option} must be {allowed}, not {given!r}")
