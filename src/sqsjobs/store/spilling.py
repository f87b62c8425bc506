"""A job store whose large results are kept as blobs; the record has a note of each in place of it.

Nothing here deletes one: records go by the store's own means (DynamoDB's time to live, a sweep by whoever writes), of
which nobody hears, and workers have no right to it. A lifecycle rule does, whose age `docs/stores.md` tells.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final, Self

from sqsjobs.blobs.base import Blobs, read_checked
from sqsjobs.errors import (
    BlobsUnavailable,
    InvalidEnvelope,
    PayloadMissing,
    ResultsUnread,
    StoreError,
    StoreUnavailable,
)
from sqsjobs.job import Blob, JobId, Progress
from sqsjobs.store.base import ClaimRequest, ClaimResult, JobRecord, JobStore, RecordChange
from sqsjobs.store.listing import JobQuery, Page

__all__ = ["SpillingStore", "unspilled"]

_NOTE: Final = re.compile(rb"\x00blob ([0-9a-f]{64}) ([0-9]{1,10})")
"""No JSON, which every result is, begins with NUL."""


class SpillingStore:
    """A `JobStore` over another one; what else that one can do, it does.

    Args:
        store: keeps the records, unopened.
        blobs: keep the results, unopened.
    """

    def __init__(self, store: JobStore, blobs: Blobs) -> None:
        self._store = store
        self._blobs = blobs

    def __repr__(self) -> str:
        return f"{self._store!r} with {self._blobs!r}"

    def __getattr__(self, name: str) -> Any:
        """Find what only some stores can do: `Pushing`, `Provisioned`."""
        if name not in {"listening", "provision"}:
            raise AttributeError(name)
        return getattr(self._store, name)

    async def __aenter__(self) -> Self:
        await self._blobs.__aenter__()
        try:
            await self._store.__aenter__()
        except BaseException:
            await self._blobs.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        try:
            await self._store.__aexit__(*exc_info)
        finally:
            await self._blobs.__aexit__(*exc_info)

    async def insert(self, record: JobRecord) -> JobRecord | None:
        kept = replace(record, result=await self._spilled(record.id, record.result))
        return _bare(await self._store.insert(kept))  # who inserts wants no result, and may have no right to read it

    async def get(self, job_id: JobId) -> JobRecord | None:
        return await self._shown(await self._store.get(job_id))

    async def get_bare(self, job_id: JobId) -> JobRecord | None:
        """Read one record as `get` does, but without a result that is kept as a blob: nothing is read but the record."""
        return _bare(await self._store.get(job_id))

    async def records(self, job_ids: Collection[JobId]) -> Mapping[JobId, JobRecord]:
        found = await self._store.records(job_ids)
        shown = dict(zip(found, await asyncio.gather(*map(self._shown_or_why_not, found.values())), strict=True))
        records = {job_id: it for job_id, it in shown.items() if isinstance(it, JobRecord)}
        problems = {job_id: it for job_id, it in shown.items() if isinstance(it, StoreError)}
        if problems:
            raise ResultsUnread(records, problems)
        return records

    async def page(self, query: JobQuery) -> Page[JobRecord]:
        return await self._store.page(query)

    async def claim(self, request: ClaimRequest) -> ClaimResult:
        return await self._store.claim(request)

    async def change(self, job_id: JobId, epoch: int, change: RecordChange) -> bool:
        # Before the end is recorded: at worst a superseded worker's result lies there, of which no note speaks.
        result = await self._spilled(job_id, change.result)
        return await self._store.change(job_id, epoch, replace(change, result=result))

    async def extend(self, job_id: JobId, epoch: int, lease_until: float) -> bool:
        return await self._store.extend(job_id, epoch, lease_until)

    async def report(self, job_id: JobId, epoch: int, progress: Progress) -> bool:
        return await self._store.report(job_id, epoch, progress)

    async def cancel(self, job_id: JobId, now: float) -> JobRecord | None:
        return await self._shown(await self._store.cancel(job_id, now))

    async def reopen(self, job_id: JobId, now: float, epoch: int | None = None) -> int | None:
        return await self._store.reopen(job_id, now, epoch)

    async def put_back(self, before: JobRecord) -> bool:
        return await self._store.put_back(before)  # a job without success, which has no result

    async def remove(self, job_id: JobId) -> None:
        await self._store.remove(job_id)

    async def purge(self, now: float) -> int:
        return await self._store.purge(now)

    def clone(self) -> SpillingStore:
        return SpillingStore(self._store.clone(), self._blobs.clone())

    async def _spilled(self, job_id: JobId, result: bytes | None) -> bytes | None:
        """Return `result`, or the note of it once it is kept."""
        if result is None or len(result) <= self._blobs.over:
            return result
        try:
            blob = await self._blobs.put("results", job_id, result)
        except BlobsUnavailable as away:
            raise StoreUnavailable(str(away)) from away
        return f"\0blob {blob.sha256} {blob.size}".encode()

    async def _shown_or_why_not(self, record: JobRecord) -> JobRecord | StoreError | None:
        try:
            return await self._shown(record)
        except StoreError as problem:
            return problem

    async def _shown(self, record: JobRecord | None) -> JobRecord | None:
        """Return `record` with its result in place of the note; without one, where it is gone."""
        note = _note_of(record)
        if record is None or note is None:
            return record
        blob = Blob(note[1].decode(), int(note[2]))
        try:
            return replace(record, result=await read_checked(self._blobs, "results", record.id, blob))
        except PayloadMissing:
            return replace(record, result=None)
        except InvalidEnvelope as mismatch:
            raise StoreError(f"the result of job {record.id} is not what was recorded: {mismatch}") from mismatch
        except BlobsUnavailable as away:
            raise StoreUnavailable(str(away)) from away


async def unspilled(store: JobStore, job_id: JobId) -> JobRecord | None:
    """Read one record of `store`, all but a result that is kept as a blob, which workers have no right to read.

    Raises:
        StoreUnavailable: if the store does not answer.
    """
    return await (store.get_bare(job_id) if isinstance(store, SpillingStore) else store.get(job_id))


def _bare(record: JobRecord | None) -> JobRecord | None:
    return replace(record, result=None) if record and _note_of(record) else record


def _note_of(record: JobRecord | None) -> re.Match[bytes] | None:
    return _NOTE.fullmatch(record.result) if record and record.result else None
