"""The port of stores that compare before they set: entries of records under versions, read and committed.

A database behind a network cannot hold a lock while Python decides. So a store reads entries, has
`rows` decide over them (see `window`), and commits what came of it on condition that every entry
still has the version that was read.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, Self, TypeAlias

from sqsjobs.job import JobId, JobStatus
from sqsjobs.store.base import ClaimRequest, JobRecord
from sqsjobs.store.listing import JobQuery, Place

__all__ = [
    "KEPT",
    "UNTOUCHED",
    "Entry",
    "Key",
    "Ledger",
    "Listed",
    "Move",
    "Verdict",
    "View",
    "new_version",
    "untouched",
]

Key: TypeAlias = tuple[str, str]
"""A task, and a `unique` key of one of its unfinished jobs."""

UNTOUCHED = "0"
"""The version of a record that is as `untouched` has it: nobody has written it since a producer inserted it."""


KEPT = "(kept)"
"""Stands for the envelope of a record that has one: it is large, and no decision looks into it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A record, and the version under which the ledger has it.

    Attributes:
        record: as it is, but its envelope `KEPT`; where it is `guessed`, as far as a claim looks at it.
        version: another one after every write.
        guessed: whether nobody has read it; then only what a move changes in it may be written.
    """

    record: JobRecord
    version: str
    guessed: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """One entry's way from what it is to what it is to be.

    Attributes:
        id: of the record.
        before: what has to be there for it; None for nothing.
        after: the record that is to be there; None to delete it.
        version: the new entry's.
    """

    id: JobId
    before: Entry | None
    after: JobRecord | None
    version: str

    @property
    def is_quiet(self) -> bool:
        """Whether it only extends a lease, of which nobody has to hear."""
        if self.before is None or self.after is None:
            return False
        return replace(self.after, lease_until=None) == replace(self.before.record, lease_until=None)

    @property
    def written(self) -> Entry | None:
        """What is there once it is carried out, as far as is known here."""
        if self.after is None:
            return None
        return Entry(self.after if self.after.envelope is None else replace(self.after, envelope=KEPT), self.version)


@dataclass(slots=True)
class View:
    """What is known of a ledger: of some ids their entries, of some keys their holders; None for what is absent."""

    entries: dict[JobId, Entry | None] = field(default_factory=dict)
    holders: dict[Key, JobId | None] = field(default_factory=dict)

    def __or__(self, other: View) -> View:
        """Return what both know; where both know something, what `other` does."""
        return View(self.entries | other.entries, self.holders | other.holders)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a commit: all of it, or nothing.

    Attributes:
        done: whether it was carried out.
        view: where it was, the entries as they are now; otherwise what stood against it, as far as that is known.
    """

    done: bool
    view: View = field(default_factory=View)


@dataclass(frozen=True, slots=True)
class Listed:
    """Part of a list.

    Attributes:
        records: in the order of the list.
        rest: the place after which the list goes on; None if it does not.
    """

    records: list[JobRecord]
    rest: Place | None = None

    @classmethod
    def of(cls, records: list[JobRecord], limit: int) -> Self:
        """Return the first `limit` of the records, which go on if there is one more."""
        if len(records) <= limit:
            return cls(records)
        last = records[limit - 1]
        return cls(records[:limit], Place(last.enqueued_at, last.id))


class Ledger(Protocol):
    """Entries by id, and the ids of unfinished jobs by their unique keys. Every method raises `StoreUnavailable`."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc_info: object) -> None: ...

    async def read(self, ids: Sequence[JobId], keys: Sequence[Key] = ()) -> View:
        """Read the entries of `ids`, and the holders of `keys` with their entries, as they were last written."""
        ...

    async def whole(self, job_id: JobId) -> JobRecord | None:
        """Read one record with its envelope."""
        ...

    async def newest(self, query: JobQuery, after: Place | None, now: float) -> Listed:
        """List what `query` asks for, after the place `after`; envelope, result and history may be left out."""
        ...

    async def commit(self, moves: Sequence[Move], now: float) -> Verdict:
        """Carry out all of `moves`, or none if an entry is not as it was, or a key is taken; `now` is the date."""
        ...

    async def purge(self, now: float) -> int:
        """Drop what has expired; return how many records were dropped."""
        ...


def untouched(request: ClaimRequest) -> Entry:
    """Return the entry of a job as a producer leaves it, as far as its message tells; what a first claim finds."""
    record = _queued(request.job_id, request.task, request.queue, request.enqueued_at)
    return Entry(record, UNTOUCHED, guessed=True)


def new_version(record: JobRecord) -> str:
    """Return a version for `record` that none of its entries had, or `UNTOUCHED` where a claim can guess its fields."""
    seen = replace(record, envelope=KEPT, unique=None, group=None, expires_at=None)
    if seen == _queued(record.id, record.task, record.queue, record.enqueued_at):
        return UNTOUCHED
    return secrets.token_urlsafe(9)


def _queued(job_id: JobId, task: str, queue: str, enqueued_at: float) -> JobRecord:
    return JobRecord(job_id, task, queue, JobStatus.QUEUED, enqueued_at=enqueued_at, envelope=KEPT)
