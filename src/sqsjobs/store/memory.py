"""A job store in the memory of one process: for tests, and for a worker and its producer in one program."""

from __future__ import annotations

import asyncio
import heapq
import threading
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from typing import Self

from sqsjobs.clock import Clock, SystemClock
from sqsjobs.job import JobId, Progress
from sqsjobs.store import rows, rules
from sqsjobs.store.base import ClaimRequest, ClaimResult, JobRecord, RecordChange
from sqsjobs.store.listing import JobQuery, Page, Place
from sqsjobs.store.push import Wake
from sqsjobs.store.residence import Residence

__all__ = ["MemoryStore"]


class MemoryStore:
    """Records in one dict, shared by a store and its clones, gone with the process.

    Args:
        clock: whose dates say what has expired.
    """

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock: Clock = clock or SystemClock()
        self._shelf = _Shelf()
        self._residence = Residence()

    def __repr__(self) -> str:
        return f"<MemoryStore of {len(self._shelf.records)} records>"

    async def __aenter__(self) -> Self:
        self._residence.settle()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._residence.leave()

    async def insert(self, record: JobRecord) -> JobRecord | None:
        with self._open_shelf() as shelf:
            return rows.insert(shelf, record, self._clock.wall())

    async def get(self, job_id: JobId) -> JobRecord | None:
        with self._open_shelf() as shelf:
            return rows.get(shelf, job_id, self._clock.wall())

    async def records(self, job_ids: Collection[JobId]) -> dict[JobId, JobRecord]:
        with self._open_shelf() as shelf:
            return rows.records(shelf, job_ids, self._clock.wall())

    async def page(self, query: JobQuery) -> Page[JobRecord]:
        with self._open_shelf() as shelf:
            return rows.page(shelf, query, self._clock.wall())

    async def claim(self, request: ClaimRequest) -> ClaimResult:
        with self._open_shelf() as shelf:
            return rows.claim(shelf, request)

    async def change(self, job_id: JobId, epoch: int, change: RecordChange) -> bool:
        with self._open_shelf() as shelf:
            return rows.change(shelf, job_id, epoch, change)

    async def extend(self, job_id: JobId, epoch: int, lease_until: float) -> bool:
        with self._open_shelf() as shelf:
            return rows.extend(shelf, job_id, epoch, lease_until)

    async def report(self, job_id: JobId, epoch: int, progress: Progress) -> bool:
        with self._open_shelf() as shelf:
            return rows.report(shelf, job_id, epoch, progress)

    async def cancel(self, job_id: JobId, now: float) -> JobRecord | None:
        with self._open_shelf() as shelf:
            return rows.cancel(shelf, job_id, now)

    async def reopen(self, job_id: JobId, now: float, epoch: int | None = None) -> int | None:
        with self._open_shelf() as shelf:
            return rows.reopen(shelf, job_id, now, epoch)

    async def put_back(self, before: JobRecord) -> bool:
        with self._open_shelf() as shelf:
            return rows.put_back(shelf, before)

    async def remove(self, job_id: JobId) -> None:
        with self._open_shelf() as shelf:
            rows.remove(shelf, job_id)

    async def purge(self, now: float) -> int:
        with self._open_shelf() as shelf:
            return shelf.drop_expired(now)

    @asynccontextmanager
    async def listening(self, wake: Wake) -> AsyncIterator[_Ear]:
        """Do `Pushing.listening`: every clone hears what any of them writes."""
        with self._open_shelf() as shelf:
            ear = _Ear(wake)
            shelf.ears += (ear,)
        try:
            yield ear
        finally:
            with shelf:
                shelf.ears = tuple(other for other in shelf.ears if other is not ear)

    def clone(self) -> MemoryStore:
        clone = MemoryStore(clock=self._clock)
        clone._shelf = self._shelf
        return clone

    def _open_shelf(self) -> _Shelf:
        self._residence.check()
        return self._shelf


class _Ear:
    """Listens for some jobs, on the loop that opened it; written to from the threads of all the others."""

    def __init__(self, wake: Wake) -> None:
        self._loop = asyncio.get_running_loop()
        self._wake = wake
        self._jobs: set[JobId] = set()

    async def add(self, job_ids: Collection[JobId]) -> None:
        self._jobs.update(job_ids)

    async def discard(self, job_ids: Collection[JobId]) -> None:
        self._jobs.difference_update(job_ids)

    def tell(self, job_id: JobId) -> None:
        if job_id in self._jobs:
            with suppress(RuntimeError):  # its loop is closed
                self._loop.call_soon_threadsafe(self._wake, job_id)


class _Shelf:
    """The dict and its lock, as `rows.Rows`; used only inside `with shelf:`."""

    def __init__(self) -> None:
        self.ears: tuple[_Ear, ...] = ()
        self.records: dict[JobId, JobRecord] = {}
        self._keys: dict[tuple[str, str], JobId] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._lock.acquire()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._lock.release()

    def read(self, job_id: JobId) -> JobRecord | None:
        return self.records.get(job_id)

    def read_many(self, job_ids: Collection[JobId]) -> list[JobRecord]:
        return [self.records[job_id] for job_id in job_ids if job_id in self.records]

    def newest(self, query: JobQuery, after: Place | None, now: float) -> list[JobRecord]:
        listed = (record for record in self.records.values() if _is_listed(record, query, after, now))
        return heapq.nlargest(query.limit + 1, listed, key=_place)

    def holder(self, task: str, unique: str) -> JobRecord | None:
        job_id = self._keys.get((task, unique))
        return None if job_id is None else self.records[job_id]

    def write(self, record: JobRecord) -> None:
        self._take_out(record.id)
        self.records[record.id] = record
        self._tell(record.id)
        if record.unique is not None and not record.status.ended:
            self._keys[record.task, record.unique] = record.id

    def delete(self, job_id: JobId) -> None:
        self._take_out(job_id)
        self._tell(job_id)

    def _tell(self, job_id: JobId) -> None:
        for ear in self.ears:
            ear.tell(job_id)

    def _take_out(self, job_id: JobId) -> None:
        record = self.records.pop(job_id, None)
        if record is not None and record.unique is not None and not record.status.ended:
            del self._keys[record.task, record.unique]

    def drop_expired(self, now: float) -> int:
        """Drop expired records, and the results that have expired of the others; return how many records went."""
        before = list(self.records.values())
        for record in before:
            left = rules.current(record, now)
            if left is None:
                self.delete(record.id)
            elif left is not record:
                self.write(left)
        return len(before) - len(self.records)


def _place(record: JobRecord) -> Place:
    return Place(record.enqueued_at, record.id)


def _is_listed(record: JobRecord, query: JobQuery, after: Place | None, now: float) -> bool:
    return (
        query.status in (None, record.status)
        and query.task in (None, record.task)
        and (query.since is None or record.enqueued_at >= query.since)
        and (after is None or _place(record) < after)
        and rules.current(record, now) is not None
    )
