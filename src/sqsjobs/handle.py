"""The handle of a job: its id, and through the job store its record, status and result."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any, Generic, Protocol, TypeVar  # Any: the result, whose type the handle's maker vouches for

from sqsjobs.errors import JobCancelled, JobFailed, ResultExpired, ResultTimeout, UnknownJob
from sqsjobs.job import JobId, JobStatus
from sqsjobs.sending import seconds_of
from sqsjobs.store.base import JobRecord

__all__ = ["JobHandle", "Records"]

R_co = TypeVar("R_co", covariant=True)


class Records(Protocol):
    """Where handles read: the app."""

    @property
    def begin_at_enqueue(self) -> bool:
        """Whether a job has a record from the moment it is enqueued (tracking "full")."""
        ...

    async def read_record(self, job_id: JobId, wanted: str) -> JobRecord | None:
        """Read a record; `wanted` says in the error what it is for.

        Raises:
            NoJobStore: if no records are kept.
        """
        ...

    def decode_result(self, record: JobRecord) -> Any:
        """Return the result in a record, of the type that its task returns where the task is known."""
        ...


class JobHandle(Generic[R_co]):
    """A job that was enqueued, or is known by its id (`app.job`).

    Attributes:
        id: the job's id; `app.job(id)` makes a handle of it anywhere.
        deduplicated: whether `unique` found an unfinished job with its key, and this is that job's handle.
    """

    __slots__ = ("_records", "deduplicated", "id")

    def __init__(self, job_id: JobId, records: Records, *, deduplicated: bool = False) -> None:
        self.id: JobId = job_id
        self.deduplicated: bool = deduplicated
        self._records = records

    def __repr__(self) -> str:
        return f"<JobHandle {self.id}{' (deduplicated)' if self.deduplicated else ''}>"

    async def record(self) -> JobRecord:
        """Read what the job store knows of the job.

        Raises:
            NoJobStore: if the app keeps no records.
            UnknownJob: if there is no record of it, or it has expired.
        """
        return await self._read("record()")

    async def status(self) -> JobStatus:
        """Read where the job is in its life; raises what `record` raises."""
        return (await self._read("status()")).status

    async def result(self, timeout: timedelta | float | None = None) -> R_co:
        """Wait for the job to end, and return what its function returned.

        The store is asked every 50 ms at first, every second at last.

        Args:
            timeout: seconds, or a `timedelta`; None waits for ever, 0 looks once.

        Raises:
            JobFailed: if the job ended failed or discarded; it carries the worker's error and traceback as text.
            JobCancelled: if it was cancelled.
            ResultTimeout: if it has not ended in time; it goes on.
            ResultExpired: if it succeeded so long ago that its result is no longer kept.
            InvalidResult: if the result does not fit the return annotation.
            NoJobStore: if the app keeps no records.
            UnknownJob: if there is no record of it, or it has expired.
        """
        loop = asyncio.get_running_loop()
        seconds = float("inf") if timeout is None else seconds_of(timeout, "timeout")
        deadline = loop.time() + seconds
        for pause in _pauses(Random()):
            record = await self._look()
            if record and record.status.ended:
                return self._outcome(record)
            left = deadline - loop.time()
            if left <= 0:
                raise ResultTimeout(self.id, record.status if record else "unrecorded", seconds)
            await asyncio.sleep(min(pause, left))
        raise AssertionError("the pauses never end")

    async def _read(self, wanted: str) -> JobRecord:
        record = await self._records.read_record(self.id, wanted)
        if not record:
            raise UnknownJob(self.id)
        return record

    async def _look(self) -> JobRecord | None:
        """Read the record; None where it may yet begin."""
        record = await self._records.read_record(self.id, "result()")
        if not record and self._records.begin_at_enqueue:
            raise UnknownJob(self.id)
        return record

    def _outcome(self, record: JobRecord) -> R_co:
        if record.status is JobStatus.CANCELLED:
            raise JobCancelled(self.id)
        if record.status is not JobStatus.SUCCEEDED:
            raise _failed(record)
        if record.result is None:
            raise ResultExpired(self.id)
        result: R_co = self._records.decode_result(record)
        return result


def _pauses(random: Random) -> Iterator[float]:
    """Yield seconds from 50 ms growing to 1 s, spread so that a thousand waiters do not ask in step."""
    pause = 0.05
    while True:
        yield pause * random.uniform(0.75, 1.25)
        pause = min(1.0, pause * 1.4)


def _failed(record: JobRecord) -> JobFailed:
    failure = record.failure
    return JobFailed(
        record.id,
        error_type=failure.type if failure else record.status,
        error_message=failure.message if failure else "the record says no more",
        traceback=failure.traceback if failure else "",
        attempts=record.attempts,
    )
