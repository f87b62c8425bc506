"""The records of jobs as an open session has them: read, followed, listed, cancelled, and sent again."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

import msgspec

from sqsjobs.clock import Clock
from sqsjobs.errors import CannotRetry, EnqueueUncertain, NoJobStore, SqsJobsError, StoreError, UnknownJob
from sqsjobs.following.reader import Reader, View
from sqsjobs.job import Job, JobId, JobStatus
from sqsjobs.store.base import JobRecord, JobStore
from sqsjobs.store.listing import JobQuery, Page
from sqsjobs.store.tracking import Tracking, follows

__all__ = ["JobRecords", "Resender"]

T = TypeVar("T")


class Resender(Protocol):
    """Sends jobs that were sent before: the producer."""

    async def job_of(self, record: JobRecord) -> Job | None:
        """Return the job in a record's envelope; None where the envelope is not kept."""
        ...

    async def send_again(self, job: Job) -> SqsJobsError | None:
        """Send a job that has an id already; return why it was not accepted, or None."""
        ...

    async def uncancelled(self, sending: Coroutine[Any, Any, T]) -> T:
        """Await `sending`, which goes on to its end though the caller is cancelled."""
        ...


class JobRecords:
    """What handles ask for, in one session.

    Args:
        store: open.
        reader: of that store, open.
        tracking: how much of a job is recorded.
        resender: the session's producer.
        clock: dates what is done.
    """

    def __init__(self, store: JobStore, reader: Reader, tracking: Tracking, resender: Resender, clock: Clock) -> None:
        self._store = store
        self._reader = reader
        self._tracking = tracking
        self._resender = resender
        self._clock = clock

    async def read(self, job_id: JobId) -> JobRecord | None:
        """Read one record."""
        return await self._store.get(job_id)

    async def sent(self, record: JobRecord) -> Job | None:
        """Return the job as it was sent; None where its envelope is not kept, as after a success.

        Raises:
            SqsJobsError: if the envelope cannot be opened here.
        """
        return await self._resender.job_of(record)

    def view(self, job_id: JobId) -> View:
        """Return a view of one record, through the reader that all share."""
        return self._reader.view(job_id)

    async def page(self, query: JobQuery) -> Page[JobRecord]:
        """List records."""
        return await self._store.page(query)

    async def cancel(self, job_id: JobId) -> JobRecord:
        """Cancel a job, and return its record as it is then.

        Raises:
            NoJobStore: where a record is not written before the job has ended, so that no worker would hear of it.
            UnknownJob: if there is no record.
        """
        if not follows(self._tracking):
            raise NoJobStore('cancel() (with tracking "full" or "worker")')
        record = await self._store.cancel(job_id, self._clock.wall())
        if record is None:
            raise UnknownJob(job_id)
        return record

    async def retry(self, job_id: JobId) -> None:
        """Send a job that ended without success again: the same id, a new epoch, its attempts at none.

        A caller who is cancelled does not take it back: it is sent, and its record is true.

        Raises:
            CannotRetry: if it has not ended, has succeeded, or its envelope is not kept.
            UnknownJob: if there is no record.
            StoreError: if the job store did not answer; a job that is ``queued`` after that may have no message, and
                is to be cancelled before it is sent again.
            SqsJobsError: what `Task.enqueue` raises; unless it is `EnqueueUncertain`, the record is as it was.
        """
        await self._resender.uncancelled(self._retry(job_id))

    async def _retry(self, job_id: JobId) -> None:
        before = await self._store.get(job_id)
        if before is None:
            raise UnknownJob(job_id)
        job = await self._sent_before(before)
        now = self._clock.wall()
        epoch = await self._store.reopen(job_id, now, before.epoch)
        if epoch is None:
            raise CannotRetry(job_id, "somebody has sent it again already")
        again = msgspec.structs.replace(job, epoch=epoch, attempts=0, not_before=None, enqueued_at=now)
        problem = await self._resender.send_again(again)
        if problem is None:
            return
        if not isinstance(problem, EnqueueUncertain):
            await self._put_back(before, problem)
        raise problem

    async def _sent_before(self, record: JobRecord) -> Job:
        if record.status is JobStatus.SUCCEEDED:
            raise CannotRetry(record.id, "it has succeeded; enqueue a new job")
        if not record.status.ended:
            raise CannotRetry(
                record.id, f"it has not ended: it is {record.status}; if its message is lost, cancel() it before"
            )
        job = await self._resender.job_of(record)
        if job is None:
            raise CannotRetry(
                record.id,
                "its envelope was not kept (it is too large, tracking is not 'full', or keep_envelopes is off); "
                "enqueue a new job, or send its dead letter back with `sqsjobs dlq redrive`",
            )
        return job

    async def _put_back(self, before: JobRecord, problem: SqsJobsError) -> None:
        """SQS certainly does not have it: the record is as it was, and its dead letter, if there is one, can come back."""
        try:
            await self._store.put_back(before)
        except StoreError as away:
            raise away from problem
