"""What a job can ask about itself while it runs: `current_job()`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from enum import StrEnum
from math import isfinite
from typing import Final, Protocol, TypeAlias

import msgspec

from sqsjobs.errors import JobCancelled
from sqsjobs.job import JobId

__all__ = [
    "NO_LINE",
    "CallNext",
    "JobContext",
    "JobLine",
    "LeaseState",
    "LeaseView",
    "Middleware",
    "current_job",
    "running_job",
]

_NOTE_LENGTH: Final = 500
"""Characters of a progress note that are kept."""


class LeaseState(StrEnum):
    """Whether the right to work on the job still stands."""

    HELD = "held"
    LOST = "lost"
    """Another worker may run the job by now: stop, and write nothing that is not fenced."""


class LeaseView(Protocol):
    """The lease as a job may see it."""

    @property
    def state(self) -> LeaseState:
        """Whether the lease still stands; by the local clock, so safe to believe when it says lost."""
        ...


class JobLine(Protocol):
    """The line between a running job and its worker; any thread may use it."""

    @property
    def cancelled(self) -> bool:
        """Whether the job's cancellation was asked for."""
        ...

    def report(self, done: float, total: float | None, note: str) -> None:
        """Take progress along to where it is recorded; does not wait, and raises nothing."""
        ...


class _NoLine:
    """Nobody records what a job says, and nobody can cancel it."""

    cancelled = False

    def report(self, done: float, total: float | None, note: str) -> None:
        """Drop it."""


NO_LINE: Final[JobLine] = _NoLine()
"""The line of a job of which no record is kept."""


class JobContext(msgspec.Struct, frozen=True):
    """The job that is running, as it sees itself.

    Attributes:
        id: the job's id: the key to pass on where a side effect must not happen twice.
        task: the task's name.
        queue: the queue it came from.
        attempt: which attempt this is, from 1.
        headers: what travelled beside the arguments.
        group: the message group, or None.
        enqueued_at: by the producer's clock, seconds since 1970 (UTC).
        deadline: when the attempt times out, on the worker's clock (seconds), or None for no timeout.
        fencing_token: rises with every claim of the job; 0 without a job store. A resource that refuses
            writes with a lower token than it has seen is safe from workers that lost their lease.
        lease: whether the right to work on the job still stands.
        line: to the worker; `progress` and `cancelled` go over it.
    """

    id: JobId
    task: str
    queue: str
    attempt: int
    headers: Mapping[str, str]
    group: str | None
    enqueued_at: float
    deadline: float | None
    fencing_token: int
    lease: LeaseView
    line: JobLine = NO_LINE

    def __repr__(self) -> str:  # jobs log what they are given, and headers belong into no log
        return f"<JobContext {self.id} of task {self.task!r}, attempt {self.attempt}>"

    def progress(self, done: float, total: float | None = None, note: str = "") -> None:
        """Say how far the job has come, for whoever reads its record or watches it.

        Call it as often as is convenient, from a coroutine, a thread or a child process: it does not wait, at most
        one call a second is written, and the last one always. Without a job store it does nothing.

        Args:
            done: how much is done, in whatever the job counts.
            total: how much there is to do, if that is known.
            note: what it is at; 500 characters are kept.

        Raises:
            ValueError: if `done` or `total` is no finite number.
        """
        if not isfinite(done) or (total is not None and not isfinite(total)):
            raise ValueError(f"progress is a finite number of a finite number, not {done!r} of {total!r}")
        self.line.report(done, total, note[:_NOTE_LENGTH])

    @property
    def cancelled(self) -> bool:
        """Whether the job's cancellation was asked for: a thread, which nobody can stop, ends itself then.

        A coroutine is cancelled, and a child process killed, without asking here.
        """
        return self.line.cancelled

    def raise_if_cancelled(self) -> None:
        """Raise `JobCancelled` if `cancelled`: for loops of functions that run in threads."""
        if self.line.cancelled:
            raise JobCancelled(self.id)


running_job: ContextVar[JobContext | None] = ContextVar("sqsjobs_running_job", default=None)
"""Set by the executor around every attempt; read it with `current_job`."""

CallNext: TypeAlias = Callable[[], Awaitable[object]]
"""Runs the rest: the next middleware, at last the function. Returns what the function returned."""

Middleware: TypeAlias = Callable[[JobContext, CallNext], Awaitable[object]]
"""A wrapper around every attempt in a worker: ``async def (job, call_next)``; what it returns is the result."""


def current_job() -> JobContext:
    """Return the job that is running here: in its coroutine, its thread, and whatever they call.

    Raises:
        LookupError: outside a job.
    """
    job = running_job.get()
    if job is None:
        raise LookupError("current_job() is called outside a job; call it in a task that a worker runs")
    return job
