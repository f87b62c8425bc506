"""A job store in an SQLite file: for one machine, with any number of processes writing at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from sqsjobs.clock import Clock, SystemClock
from sqsjobs.errors import ConfigurationError
from sqsjobs.job import JobId, Progress
from sqsjobs.store import rows
from sqsjobs.store.base import ClaimRequest, ClaimResult, JobRecord, RecordChange
from sqsjobs.store.listing import JobQuery, Page
from sqsjobs.store.residence import Residence
from sqsjobs.store.retention import BITE, Retention
from sqsjobs.store.sqlite_lane import Lane
from sqsjobs.store.sqlite_table import Table

__all__ = ["SqliteStore"]

T = TypeVar("T")


class SqliteStore:
    """Records in a file on a local disk, shared by every process that opens it.

    Args:
        path: the file, made when the store is opened; its directory must exist.
        wait: seconds after which a call that got no answer (another process holds the lock, the disk is
            stalled) raises `StoreUnavailable`.
        clock: whose dates say what has expired.

    Raises:
        ConfigurationError: at once if `path` names no file; when the store is opened, if the file cannot be used.
    """

    def __init__(self, path: str | os.PathLike[str], *, wait: float = 5.0, clock: Clock | None = None) -> None:
        if os.fspath(path) in {"", ":memory:"}:
            raise ConfigurationError(
                "an SQLite job store needs the name of a file; for records in memory use memory://"
            )
        self._path = Path(path).absolute()
        self._wait = wait
        self._clock: Clock = clock or SystemClock()
        self._residence = Residence()
        self._closing = AsyncExitStack()

    def __repr__(self) -> str:
        return f"<SqliteStore {self._path}>"

    async def __aenter__(self) -> Self:
        self._residence.settle()
        try:
            async with AsyncExitStack() as opening:
                # Reads have their own lane: they need no lock, so they do not wait for the writers of other processes.
                self._writer = await opening.enter_async_context(self._lane(writes=True))
                self._reader = await opening.enter_async_context(self._lane(writes=False))
                self._retention = await opening.enter_async_context(Retention(self._drop_expired))
                self._closing = opening.pop_all()
        except BaseException:
            self._residence.leave()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._residence.leave()
        await self._closing.aclose()

    async def insert(self, record: JobRecord) -> JobRecord | None:
        now = self._clock.wall()
        return await self._write(lambda table: rows.insert(table, record, now))

    async def get(self, job_id: JobId) -> JobRecord | None:
        now = self._clock.wall()
        return await self._read(lambda table: rows.get(table, job_id, now))

    async def records(self, job_ids: Collection[JobId]) -> dict[JobId, JobRecord]:
        now = self._clock.wall()
        return await self._read(lambda table: rows.records(table, job_ids, now))

    async def page(self, query: JobQuery) -> Page[JobRecord]:
        now = self._clock.wall()
        return await self._read(lambda table: rows.page(table, query, now))

    async def claim(self, request: ClaimRequest) -> ClaimResult:
        return await self._write(lambda table: rows.claim(table, request))

    async def change(self, job_id: JobId, epoch: int, change: RecordChange) -> bool:
        return await self._write(lambda table: rows.change(table, job_id, epoch, change))

    async def extend(self, job_id: JobId, epoch: int, lease_until: float) -> bool:
        return await self._write(lambda table: rows.extend(table, job_id, epoch, lease_until))

    async def report(self, job_id: JobId, epoch: int, progress: Progress) -> bool:
        return await self._write(lambda table: rows.report(table, job_id, epoch, progress))

    async def cancel(self, job_id: JobId, now: float) -> JobRecord | None:
        return await self._write(lambda table: rows.cancel(table, job_id, now))

    async def reopen(self, job_id: JobId, now: float, epoch: int | None = None) -> int | None:
        return await self._write(lambda table: rows.reopen(table, job_id, now, epoch))

    async def put_back(self, before: JobRecord) -> bool:
        return await self._write(lambda table: rows.put_back(table, before))

    async def remove(self, job_id: JobId) -> None:
        await self._write(lambda table: rows.remove(table, job_id))

    async def purge(self, now: float) -> int:
        self._residence.check()
        return await self._retention.drop_all(now)

    def clone(self) -> SqliteStore:
        return SqliteStore(self._path, wait=self._wait, clock=self._clock)

    async def _read(self, operation: Callable[[Table], T]) -> T:
        self._residence.check()
        return await self._reader.run(operation)

    async def _write(self, operation: Callable[[Table], T]) -> T:
        self._residence.check()
        self._retention.look(self._clock.wall())
        return await self._writer.run(operation)

    async def _drop_expired(self, now: float) -> tuple[int, int]:
        return await self._writer.run(lambda table: table.drop_expired(now, BITE))

    def _lane(self, *, writes: bool) -> Lane:
        table = partial(Table, self._path, wait=self._wait, writes=writes)
        return Lane(f"sqsjobs-store-{'writer' if writes else 'reader'}", table, wait=self._wait)
