"""The vocabulary of the ground floor: a job, its id, its status, and a call that is to become a job.

Values that are made for every job are frozen Structs, here and on the floors above: making a frozen dataclass costs ten
times as much.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Generic, NewType, TypeVar

import msgspec

__all__ = ["Blob", "Call", "Job", "JobId", "JobStatus", "Progress", "checked_job_id", "new_job_id"]

R_co = TypeVar("R_co", covariant=True)

JobId = NewType("JobId", str)
"""A job's id: 16 to 64 characters of ``A-Z a-z 0-9 _ -``; those made here are UUIDv7, so they sort by time."""

NO_HEADERS: Mapping[str, str] = MappingProxyType({})
"""The headers of a job that has none; shared, immutable."""

_JOB_ID = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)


def new_job_id() -> JobId:
    """Make an id before anything is sent: UUIDv7 (RFC 9562), 48 bits of milliseconds and 74 random bits.

    The random bits come from the operating system at every call, so ids do not repeat after a fork.
    """
    # No `UUID` is made: it checks and keeps what is known here, and costs five times as much.
    octets = (time.time_ns() // 1_000_000).to_bytes(6) + os.urandom(10)
    text, variant = octets.hex(), "89ab"[octets[8] >> 6]
    return JobId(f"{text[:8]}-{text[8:12]}-7{text[13:16]}-{variant}{text[17:20]}-{text[20:]}")


def checked_job_id(text: str) -> JobId:
    """Return `text` as a job id.

    Raises:
        ValueError: if it cannot be one; ids travel into logs, keys and URLs, so the alphabet is closed.
    """
    if not _JOB_ID.fullmatch(text):
        raise ValueError(f"{text[:80]!r} is no job id: 16 to 64 characters of A-Z a-z 0-9 _ -")
    return JobId(text)


class JobStatus(StrEnum):
    """Where a job is in its life, as its record says."""

    SCHEDULED = "scheduled"
    """Accepted, and not due yet."""
    QUEUED = "queued"
    """Waiting for a worker (or given back by one)."""
    RUNNING = "running"
    """An attempt is under way."""
    RETRYING = "retrying"
    """An attempt failed; the next is due later."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DISCARDED = "discarded"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to the job."""
        return self in _ENDED


_ENDED = frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.DISCARDED, JobStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running job has come, in its own words.

    Attributes:
        done: how much is done, in whatever the job counts.
        total: how much there is to do, or None where that is not known.
        note: what it is at.
        at: when the job said so, seconds since 1970 (UTC).
    """

    done: float
    total: float | None = None
    note: str = ""
    at: float = 0.0


class Blob(msgspec.Struct, frozen=True, gc=False):
    """What is kept beside the queue, as the envelope speaks of it; where it is kept, nothing but configuration says.

    Attributes:
        sha256: its digest, 64 hexadecimal digits.
        size: its bytes.
    """

    sha256: str
    size: int


class Job(msgspec.Struct, frozen=True, gc=False):
    """One call of a task, to be run.

    Attributes:
        id: made by the producer before sending.
        task: the name under which the registry knows the function.
        queue: the queue's name in the app (without prefix), or its URL.
        arguments: the arguments by name, as one JSON object.
        headers: what travels beside the arguments: trace context and the user's own.
        enqueued_at: seconds since 1970 (UTC), by the producer's clock.
        group: the message group (FIFO), or the tenant of a fair queue.
        epoch: how often the job was sent anew (0 the first time); part of the deduplication id.
        attempts: attempts used up before this sending; not 0 only for a job re-sent without a job store.
        not_before: seconds since 1970 before which it must not start, or None.
        blob: what the arguments are kept as, where they do not travel in the message, or None.
        callback: the URL to which its outcome is to be posted, or None; nothing says that it may be.
    """

    id: JobId
    task: str
    queue: str
    arguments: bytes
    headers: Mapping[str, str] = NO_HEADERS
    enqueued_at: float = 0.0
    group: str | None = None
    epoch: int = 0
    attempts: int = 0
    not_before: float | None = None
    blob: Blob | None = None
    callback: str | None = None

    def __repr__(self) -> str:  # observers print events, and arguments and headers belong into no log
        return f"<Job {self.id} of task {self.task!r} on queue {self.queue!r}>"


class Call(msgspec.Struct, Generic[R_co], frozen=True, gc=False):
    """A call of a task as a value, made by `Task.call`; it becomes a job when it is enqueued.

    Attributes:
        task: the task's name.
        queue: the queue it goes to.
        arguments: the arguments by name, as one JSON object; already checked.
        delay: seconds before it may start.
        group: the message group (FIFO), or the tenant of a fair queue.
        unique: a key that at most one unfinished job of this task has.
        headers: what travels beside the arguments.
        callback: the URL to which its outcome is to be posted, or None.
    """

    task: str
    queue: str
    arguments: bytes
    delay: float = 0.0
    group: str | None = None
    unique: str | None = None
    headers: Mapping[str, str] = NO_HEADERS
    callback: str | None = None

    def __repr__(self) -> str:  # as above
        return f"<Call of task {self.task!r} to queue {self.queue!r}>"
