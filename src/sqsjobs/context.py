"""What a job can ask about itself while it runs: `current_job()`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from enum import StrEnum
from typing import Protocol, TypeAlias

import msgspec

from sqsjobs.job import JobId

__all__ = ["CallNext", "JobContext", "LeaseState", "LeaseView", "Middleware", "current_job", "running_job"]


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
