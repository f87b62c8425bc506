"""A store's operations over rows that stay as they are from the first read to the last write of an operation.

A lock or a transaction sees to that; what is left is to read, to ask `rules`, and to write.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Protocol

from sqsjobs.job import JobId, Progress
from sqsjobs.store import rules
from sqsjobs.store.base import ClaimRequest, ClaimResult, JobRecord, RecordChange
from sqsjobs.store.listing import JobQuery, Page, Place

__all__ = [
    "ListedRows",
    "Rows",
    "cancel",
    "change",
    "claim",
    "extend",
    "get",
    "insert",
    "page",
    "put_back",
    "records",
    "remove",
    "reopen",
    "report",
]


class Rows(Protocol):
    """Records by id, and by the unique key of those that have not ended."""

    def read(self, job_id: JobId) -> JobRecord | None:
        """Return the record of that id, expired or not."""
        ...

    def holder(self, task: str, unique: str) -> JobRecord | None:
        """Return the unfinished record of `task` that has the key `unique`, expired or not."""
        ...

    def write(self, record: JobRecord) -> None:
        """Put `record` in the place of the one with its id, if there is one."""
        ...

    def delete(self, job_id: JobId) -> None:
        """Drop the record of that id, if there is one."""
        ...


class ListedRows(Rows, Protocol):
    """Rows of which many can be read in one go."""

    def read_many(self, job_ids: Collection[JobId]) -> Iterable[JobRecord]:
        """Return the records of those ids, as far as there are any, expired or not; envelopes may be left out."""
        ...

    def newest(self, query: JobQuery, after: Place | None, now: float) -> list[JobRecord]:
        """Return what `query` lists after the place `after`, and does not expire by `now`: one more than its limit."""
        ...


def insert(rows: Rows, record: JobRecord, now: float) -> JobRecord | None:
    """Do `JobStore.insert`."""
    present = get(rows, record.id, now) or _key_holder(rows, record, now)
    if present is None:
        rows.write(rules.admitted(record, now))
    return present


def get(rows: Rows, job_id: JobId, now: float) -> JobRecord | None:
    """Do `JobStore.get`."""
    return rules.current(rows.read(job_id), now)


def records(rows: ListedRows, job_ids: Collection[JobId], now: float) -> dict[JobId, JobRecord]:
    """Do `JobStore.records`."""
    found = (rules.current(record, now) for record in rows.read_many(job_ids))
    return {record.id: rules.shared(record) for record in found if record is not None}


def page(rows: ListedRows, query: JobQuery, now: float) -> Page[JobRecord]:
    """Do `JobStore.page`."""
    found = rows.newest(query, Place.of(query.cursor) if query.cursor else None, now)
    items = tuple(map(rules.listed, found[: query.limit]))
    if len(found) <= query.limit:
        return Page(items)
    return Page(items, Place(items[-1].enqueued_at, items[-1].id).cursor())


def claim(rows: Rows, request: ClaimRequest) -> ClaimResult:
    """Do `JobStore.claim`."""
    before = get(rows, request.job_id, request.now)
    after = rules.claimed(before, request)
    if not isinstance(after, JobRecord):
        return after
    if before is not None and before.status.ended:
        after = _with_free_key(rows, after, request.now)
    _write(rows, before, after)
    return rules.grant(after)


def change(rows: Rows, job_id: JobId, epoch: int, change: RecordChange) -> bool:
    """Do `JobStore.change`."""
    before = get(rows, job_id, change.now)
    after = rules.changed(before, epoch, change)
    if after is None:
        return False
    _write(rows, before, after)
    return True


def extend(rows: Rows, job_id: JobId, epoch: int, lease_until: float) -> bool:
    """Do `JobStore.extend`."""
    before = rows.read(job_id)
    after = rules.extended(before, epoch, lease_until)
    if after is None:
        return False
    _write(rows, before, after)
    return True


def report(rows: Rows, job_id: JobId, epoch: int, progress: Progress) -> bool:
    """Do `JobStore.report`."""
    after = rules.reported(rows.read(job_id), epoch, progress)
    if after is None:
        return False
    rows.write(after)
    return True


def cancel(rows: Rows, job_id: JobId, now: float) -> JobRecord | None:
    """Do `JobStore.cancel`."""
    before = get(rows, job_id, now)
    after = rules.cancelled(before, now)
    if after is None:
        return None
    _write(rows, before, after)
    return rules.shared(after)


def reopen(rows: Rows, job_id: JobId, now: float, epoch: int | None) -> int | None:
    """Do `JobStore.reopen`."""
    before = get(rows, job_id, now)
    after = rules.reopened(before, now, epoch)
    if after is None:
        return None
    _write(rows, before, _with_free_key(rows, after, now))
    return after.epoch


def put_back(rows: Rows, before: JobRecord) -> bool:
    """Do `JobStore.put_back`."""
    reopened = rows.read(before.id)
    after = rules.put_back(reopened, before)
    if after is None:
        return False
    _write(rows, reopened, after)
    return True


def remove(rows: Rows, job_id: JobId) -> None:
    """Do `JobStore.remove`."""
    record = rows.read(job_id)
    if record is not None and record.epoch == 0:
        rows.delete(job_id)


def _write(rows: Rows, before: JobRecord | None, after: JobRecord) -> None:
    if after is not before:
        rows.write(after)


def _key_holder(rows: Rows, record: JobRecord, now: float) -> JobRecord | None:
    if record.unique is None:
        return None
    holder = rows.holder(record.task, record.unique)
    if holder is not None and rules.current(holder, now) is None:
        rows.delete(holder.id)  # a job that came to nothing: its key is free
        return None
    return holder


def _with_free_key(rows: Rows, record: JobRecord, now: float) -> JobRecord:
    # A job is opened again because somebody asked for it, so it runs; where its key is taken by now, without the key.
    return record if _key_holder(rows, record, now) is None else replace(record, unique=None)
