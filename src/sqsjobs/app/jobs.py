"""What an app says of jobs by their records: handles, lists, and waiting for several."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime, timedelta
from typing import Any, TypeVar  # Any: results of every type

import msgspec

from sqsjobs.app.opening import Opening
from sqsjobs.app.session import Session
from sqsjobs.errors import ConfigurationError, NoJobStore, UnknownJob
from sqsjobs.following import JobRecords
from sqsjobs.handle import JobHandle, wait_for_ends
from sqsjobs.job import JobStatus, checked_job_id
from sqsjobs.registry import Registry
from sqsjobs.sending import seconds_of
from sqsjobs.store.base import JobRecord
from sqsjobs.store.listing import JobQuery, Page
from sqsjobs.task import Task

__all__ = ["Jobs"]

T = TypeVar("T")
R = TypeVar("R")


class Jobs(Opening):
    """The side of the app that handles ask, and those who look for jobs."""

    registry: Registry

    # For users ---------------------------------------------------------------------------------------

    def job(self, job_id: str) -> JobHandle[Any]:
        """Return the handle of a job by its id; nothing is read yet.

        Raises:
            UnknownJob: if `job_id` cannot be the id of a job.
        """
        try:
            return JobHandle(checked_job_id(job_id), self)
        except ValueError:
            raise UnknownJob(f"{job_id[:80]!r}") from None

    async def jobs(
        self,
        *,
        status: JobStatus | str | None = None,
        task: Task[..., Any] | str | None = None,
        since: datetime | float | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[JobRecord]:
        """List jobs, those enqueued last first, a page at a time.

        The records in `items` are without results, histories and envelopes: `app.job(record.id).record()` has them.

        Args:
            status: where they are in their lives.
            task: of which task they are, or its name.
            since: only those enqueued then or later; a date with its time zone, or seconds since 1970.
            limit: jobs a page, up to 1000.
            cursor: of the page before; its `cursor` is None where there are no more.

        Raises:
            NoJobStore: if the app keeps no records.
            ConfigurationError: if one of them cannot be.
            StoreError: if the job store could not be asked.
        """
        return await self.records("jobs()").page(_query(status, task, since, limit, cursor))

    def jobs_sync(
        self,
        *,
        status: JobStatus | str | None = None,
        task: Task[..., Any] | str | None = None,
        since: datetime | float | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[JobRecord]:
        """Do what `jobs` does, from code without an event loop."""
        query = _query(status, task, since, limit, cursor)
        return self.records_sync("jobs_sync()", lambda records: records.page(query))

    async def wait(
        self,
        jobs: Iterable[JobHandle[R]],
        *,
        first: int | None = None,
        timeout: timedelta | float | None = None,
    ) -> tuple[list[JobHandle[R]], list[JobHandle[R]]]:
        """Wait until all of `jobs` have ended, or the `first` so many, or the time is over.

        Returns those that have ended, in the order of their ends, and those that have not. Their results are then
        at hand: ``await job.result()``, which raises where a job failed.

        Args:
            jobs: any number; they are waited for by one reader together.
            first: how many are enough; None for all.
            timeout: seconds, or a `timedelta`; None waits for ever.

        Raises:
            NoJobStore, UnknownJob, StoreError: as `JobHandle.result` does.
        """
        bounds = _count(first), _seconds(timeout)
        return await wait_for_ends(jobs, self.records("wait()"), *bounds)

    def wait_sync(
        self,
        jobs: Iterable[JobHandle[R]],
        *,
        first: int | None = None,
        timeout: timedelta | float | None = None,
    ) -> tuple[list[JobHandle[R]], list[JobHandle[R]]]:
        """Do what `wait` does, from code without an event loop; blocks the calling thread."""
        handles, bounds = list(jobs), (_count(first), _seconds(timeout))
        return self.records_sync("wait_sync()", lambda records: wait_for_ends(handles, records, *bounds))

    # For handles -------------------------------------------------------------------------------------

    @property
    def begin_at_enqueue(self) -> bool:
        """Whether a job has a record from the moment it is enqueued."""
        return self.tracking == "full"

    def records(self, wanted: str) -> JobRecords:
        """Return the records of the open session; `NoJobStore` says what was `wanted`."""
        return _of(self._opened(), wanted)

    def records_sync(self, wanted: str, step: Callable[[JobRecords], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine made of the records in the thread of `enqueue_sync`, and return what it returns."""
        return self._portal.run(lambda session: step(_of(session, wanted)), wanted)

    def decode_result(self, record: JobRecord) -> Any:
        """Return the result in a record: of its task's type where the task is known here, else plain JSON."""
        task = self.registry.get(record.task)
        raw = record.result or b"null"
        return task.codec.decode_result(raw) if task else msgspec.json.decode(raw)


def _of(session: Session, wanted: str) -> JobRecords:
    if session.records is None:
        raise NoJobStore(wanted)
    return session.records


def _query(
    status: JobStatus | str | None,
    task: Task[..., Any] | str | None,
    since: datetime | float | None,
    limit: int,
    cursor: str | None,
) -> JobQuery:
    return JobQuery(
        status=None if status is None else _status(status),
        task=task.name if isinstance(task, Task) else task,
        since=None if since is None else _date(since),
        limit=limit,
        cursor=cursor,
    )


def _status(word: str) -> JobStatus:
    try:
        return JobStatus(word)
    except ValueError:
        raise ConfigurationError(f"status is one of {', '.join(JobStatus)}; not {word!r}") from None


def _date(since: datetime | float) -> float:
    if not isinstance(since, datetime):
        return since
    if since.tzinfo is None:
        raise ConfigurationError(f"since has no time zone: say {since!r}.astimezone(), or .replace(tzinfo=UTC)")
    return since.timestamp()


def _count(first: int | None) -> int | None:
    if first is not None and first < 0:
        raise ConfigurationError(f"first is how many jobs are to end, not {first!r}")
    return first


def _seconds(timeout: timedelta | float | None) -> float | None:
    return None if timeout is None else seconds_of(timeout, "timeout")
