"""The handle of a job: its id, and through the job store its record, status and result, its end and its next life."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from datetime import timedelta
from typing import Any, Generic, Protocol, TypeVar  # Any: the result, whose type the handle's maker vouches for

from sqsjobs.errors import JobCancelled, JobFailed, ResultExpired, ResultTimeout, UnknownJob
from sqsjobs.following import JobRecords, JobUpdates
from sqsjobs.job import JobId, JobStatus
from sqsjobs.sending import seconds_of
from sqsjobs.store.base import JobRecord

__all__ = ["JobHandle", "Records", "wait_for_ends"]

T = TypeVar("T")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Records(Protocol):
    """Where handles ask: the app."""

    @property
    def begin_at_enqueue(self) -> bool:
        """Whether a job has a record from the moment it is enqueued (tracking "full")."""
        ...

    def records(self, wanted: str) -> JobRecords:
        """Return the records on the running event loop; `wanted` says in the error what they are for.

        Raises:
            NoJobStore: if none are kept.
        """
        ...

    def records_sync(self, wanted: str, step: Callable[[JobRecords], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine made of the records for a caller without an event loop, and return what it returns."""
        ...

    def decode_result(self, record: JobRecord) -> Any:
        """Return the result in a record, of the type that its task returns where the task is known."""
        ...


class JobHandle(Generic[R_co]):
    """A job that was enqueued, or is known by its id (`app.job`).

    Each coroutine has a twin for code without an event loop, in any thread: `record_sync`, `status_sync`,
    `result_sync`, `cancel_sync`, `retry_sync`. All but `result` raise what `record` raises.

    Attributes:
        id: the job's id; `app.job(id)` makes a handle of it anywhere.
        deduplicated: whether `unique` found an unfinished job with its key, and this is that job's handle.
    """

    __slots__ = ("_app", "deduplicated", "id")

    def __init__(self, job_id: JobId, app: Records, *, deduplicated: bool = False) -> None:
        self.id: JobId = job_id
        self.deduplicated: bool = deduplicated
        self._app = app

    def __repr__(self) -> str:
        return f"<JobHandle {self.id}{' (deduplicated)' if self.deduplicated else ''}>"

    # Reading -----------------------------------------------------------------------------------------

    async def record(self) -> JobRecord:
        """Read what the job store knows of the job.

        Raises:
            NoJobStore: if the app keeps no records.
            UnknownJob: if there is no record of it, or it has expired.
            StoreError: if the job store could not be asked.
        """
        return await self._record(self._app.records("record()"))

    def record_sync(self) -> JobRecord:
        """Do what `record` does, from code without an event loop."""
        return self._app.records_sync("record_sync()", self._record)

    async def status(self) -> JobStatus:
        """Read where the job is in its life."""
        return (await self._record(self._app.records("status()"))).status

    def status_sync(self) -> JobStatus:
        """Do what `status` does, from code without an event loop."""
        return self._app.records_sync("status_sync()", self._record).status

    # Waiting -----------------------------------------------------------------------------------------

    async def result(self, timeout: timedelta | float | None = None) -> R_co:
        """Wait for the job to end, and return what its function returned.

        Where the job store pushes, its end is heard at once; any other is asked after 50 ms, then less and less often,
        every second at last. All who wait in a process share one reader, so that a thousand cost a few reads a second.

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
            StoreError: if the job store failed for good, or was away for a minute, or when the time was over.
        """
        return self._outcome(await self._end(self._app.records("result()"), timeout))

    def result_sync(self, timeout: timedelta | float | None = None) -> R_co:
        """Do what `result` does, from code without an event loop; blocks the calling thread."""
        return self._outcome(self._app.records_sync("result_sync()", lambda records: self._end(records, timeout)))

    def watch(self) -> JobUpdates:
        """Follow the job: ``async for update in job.watch()`` takes its present state, then each change, its end last.

        ``async for`` raises `UnknownJob` and `StoreError` as `result` does.

        Raises:
            NoJobStore: if the app keeps no records.
        """
        return JobUpdates(self._app.records("watch()").view(self.id), self._known)

    # Steering ----------------------------------------------------------------------------------------

    async def cancel(self) -> JobStatus:
        """Cancel the job, and return where it is in its life now.

        ``cancelled``: it never runs, or never again; its message is deleted when a worker gets it. ``running``: its
        worker is told; a coroutine is cancelled, a child process killed, a thread sees `current_job().cancelled`; what
        returns all the same has succeeded. Any other: it had ended before, and stays as it is.

        Raises:
            NoJobStore: also with tracking "result", where no worker would hear of it.
        """
        return (await self._app.records("cancel()").cancel(self.id)).status

    def cancel_sync(self) -> JobStatus:
        """Do what `cancel` does, from code without an event loop."""
        return self._app.records_sync("cancel_sync()", lambda records: records.cancel(self.id)).status

    async def retry(self) -> None:
        """Send a job that failed, was dead-lettered, discarded or cancelled again: same id, new epoch, all attempts.

        Its arguments, headers and group are those of the envelope that its record keeps (tracking "full"). A dead
        letter of it stays where it is; sent back later, it finds the job as it is by then. A caller who is cancelled
        meanwhile does not take it back.

        Raises:
            CannotRetry: if it has not ended, has succeeded, or its envelope is not kept.
            StoreError: if the job store did not answer: a job that is ``queued`` after that may have no message, and
                is to be cancelled before it is sent again.
            SqsJobsError: what `Task.enqueue` raises; unless that is `EnqueueUncertain`, the job's record is as it was,
                and a dead letter of it can still be sent back.
        """
        await self._app.records("retry()").retry(self.id)

    def retry_sync(self) -> None:
        """Do what `retry` does, from code without an event loop."""
        self._app.records_sync("retry_sync()", lambda records: records.retry(self.id))

    # -------------------------------------------------------------------------------------------------

    async def _record(self, records: JobRecords) -> JobRecord:
        record = await records.read(self.id)
        if not record:
            raise UnknownJob(self.id)
        return record

    async def _end(self, records: JobRecords, timeout: timedelta | float | None) -> JobRecord:
        """Wait for the end, and return the record as it is then."""
        seconds = None if timeout is None else seconds_of(timeout, "timeout")
        if seconds == 0:
            return self._ended(self._known(await records.read(self.id)), 0.0)
        record = None
        with records.view(self.id) as view:
            try:
                async with asyncio.timeout(seconds):
                    while not record or not record.status.ended:
                        record = self._known(await view.next())
            except TimeoutError:
                if view.problem:
                    raise view.problem from None
        return self._ended(record, seconds or 0.0)

    def _known(self, record: JobRecord | None) -> JobRecord | None:
        """Return the record; None where it may yet begin."""
        if not record and self._app.begin_at_enqueue:
            raise UnknownJob(self.id)
        return record

    def _ended(self, record: JobRecord | None, seconds: float) -> JobRecord:
        if record and record.status.ended:
            return record
        raise ResultTimeout(self.id, record.status if record else "unrecorded", seconds)

    def _outcome(self, record: JobRecord) -> R_co:
        if record.status is JobStatus.CANCELLED:
            raise JobCancelled(self.id)
        if record.status is not JobStatus.SUCCEEDED:
            raise _failed(record)
        if record.result is None:
            raise ResultExpired(self.id)
        result: R_co = self._app.decode_result(record)
        return result


async def wait_for_ends(
    handles: Iterable[JobHandle[R]], records: JobRecords, count: int | None, seconds: float | None
) -> tuple[list[JobHandle[R]], list[JobHandle[R]]]:
    """Wait until `count` of the jobs have ended (None: all), or the time is over.

    Returns those that have ended, in the order of their ends, and the others, in their own.
    """

    async def end(handle: JobHandle[R]) -> JobHandle[R]:
        await handle._end(records, None)  # noqa: SLF001 - a function of handles
        return handle

    given = list(handles)
    ended: list[JobHandle[R]] = []
    waiting = [asyncio.ensure_future(end(handle)) for handle in given]
    try:
        async with asyncio.timeout(seconds):
            for next_end in asyncio.as_completed(waiting) if count != 0 else ():
                ended.append(await next_end)
                if len(ended) == count:
                    break
    except TimeoutError:
        pass
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    over = set(map(id, ended))
    return ended, [handle for handle in given if id(handle) not in over]


def _failed(record: JobRecord) -> JobFailed:
    failure = record.failure
    return JobFailed(
        record.id,
        error_type=failure.type if failure else record.status,
        error_message=failure.message if failure else "the record says no more",
        traceback=failure.traceback if failure else "",
        attempts=record.attempts,
    )
