"""A job store in the memory of one process: for tests, and for a worker and its producer in one program."""

from __future__ import annotations

import threading
from typing import Self

from sqsjobs.clock import Clock, SystemClock
from sqsjobs.job import JobId
from sqsjobs.store import rows, rules
from sqsjobs.store.base import ClaimRequest, ClaimResult, JobRecord, RecordChange
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

    async def claim(self, request: ClaimRequest) -> ClaimResult:
        with self._open_shelf() as shelf:
            return rows.claim(shelf, request)

    async def change(self, job_id: JobId, epoch: int, change: RecordChange) -> bool:
        with self._open_shelf() as shelf:
            return rows.change(shelf, job_id, epoch, change)

    async def extend(self, job_id: JobId, epoch: int, lease_until: float) -> bool:
        with self._open_shelf() as shelf:
            return rows.extend(shelf, job_id, epoch, lease_until)

    async def reopen(self, job_id: JobId, now: float) -> int | None:
        with self._open_shelf() as shelf:
            return rows.reopen(shelf, job_id, now)

    async def remove(self, job_id: JobId) -> None:
        with self._open_shelf() as shelf:
            rows.remove(shelf, job_id)

    async def purge(self, now: float) -> int:
        with self._open_shelf() as shelf:
            return shelf.drop_expired(now)

    def clone(self) -> MemoryStore:
        clone = MemoryStore(clock=self._clock)
        clone._shelf = self._shelf
        return clone

    def _open_shelf(self) -> _Shelf:
        self._residence.check()
        return self._shelf


class _Shelf:
    """The dict and its lock, as `rows.Rows`; used only inside `with shelf:`."""

    def __init__(self) -> None:
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

    def holder(self, task: str, unique: str) -> JobRecord | None:
        job_id = self._keys.get((task, unique))
        return None if job_id is None else self.records[job_id]

    def write(self, record: JobRecord) -> None:
        self.delete(record.id)
        self.records[record.id] = record
        if record.unique is not None and not record.status.ended:
            self._keys[record.task, record.unique] = record.id

    def delete(self, job_id: JobId) -> None:
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
