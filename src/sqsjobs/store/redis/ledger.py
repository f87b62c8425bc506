"""Records as Redis hashes, read and committed by scripts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Final, Self  # Any: what Redis answers

from sqsjobs.errors import ConfigurationError
from sqsjobs.job import JobId
from sqsjobs.store import rules
from sqsjobs.store.base import JobRecord
from sqsjobs.store.ear import Line
from sqsjobs.store.ledger import Entry, Key, Listed, Move, Verdict, View
from sqsjobs.store.listing import JobQuery, Place
from sqsjobs.store.packing import LIGHT_FIELDS, SHARED_FIELDS, packed_changes, unpacked
from sqsjobs.store.redis.client import RedisClient, Word
from sqsjobs.store.redis.scripts import COMMIT, LIST, LOOK, SWEEP
from sqsjobs.store.unique_keys import key_digest

__all__ = ["RedisLedger"]

_AFTERLIFE: Final = 3600.0
"""Seconds for which Redis keeps what has expired: it is the stores' clocks that say what is over, and they differ."""
_LOOKS_AT_ONCE: Final = 200
"""Entries that one script reads."""
_PATIENCE: Final = 2000
"""Records that one page of a list looks at."""
_PURGE_BATCH: Final = 500
"""Records that one sweep looks at: some milliseconds, in which nobody else is served."""


class RedisLedger:
    """A `Ledger` in one Redis server.

    Args:
        client: of the server, not opened yet.
        namespace: what the names of all keys begin with.
        allow_eviction: whether the server may evict records.
    """

    def __init__(self, client: RedisClient, namespace: str, *, allow_eviction: bool) -> None:
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", namespace):
            raise ConfigurationError(f"namespace {namespace[:80]!r} is not 1 to 64 characters of A-Z a-z 0-9 . _ -")
        self._client = client
        self._namespace = namespace
        self._allow_eviction = allow_eviction
        self._prefix = f"{{{namespace}}}:"
        self._due = f"{self._prefix}due"
        self._closing = AsyncExitStack()

    def __repr__(self) -> str:
        return f"{self._client.place} {self._namespace}"

    def clone(self) -> RedisLedger:
        """Return an unopened ledger of the same entries."""
        return RedisLedger(self._client.clone(), self._namespace, allow_eviction=self._allow_eviction)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opening:
            await opening.enter_async_context(self._client)
            _check_memory(await self._client.info("memory"), allow_eviction=self._allow_eviction)
            self._closing = opening.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._closing.aclose()

    async def read(self, ids: Sequence[JobId], keys: Sequence[Key] = ()) -> View:
        view = View()
        for some in _some(ids, _LOOKS_AT_ONCE):
            view |= _view({}, *await self._client.run(LOOK, self._due, len(some), *some))
        if keys:
            digests = {key_digest(*key): key for key in keys}
            view |= _view(digests, *await self._client.run(LOOK, self._due, 0, *digests))
        return view

    async def whole(self, job_id: JobId) -> JobRecord | None:
        fields = await self._client.hash(f"{self._prefix}job:{job_id}")
        return unpacked(fields) if fields else None

    async def newest(self, query: JobQuery, after: Place | None, now: float) -> Listed:
        status = query.status and query.status.value
        shelf = f"status:{status}" if status else f"task:{query.task}" if query.task else "all"
        wanted = (json.dumps(status) if status else "", json.dumps(query.task) if query.task else "")
        since = "-inf" if query.since is None else query.since
        place = (after.enqueued_at, after.job_id) if after else ()
        answer = await self._client.run(LIST, self._due, shelf, *wanted, since, query.limit, _PATIENCE, *place)
        found = (unpacked(_named(LIGHT_FIELDS, values)) for _, values in answer[0])
        rest = Place(float(answer[1][0]), answer[1][1].decode()) if answer[1] else None
        return Listed([record for record in found if rules.current(record, now)], rest)

    def line(self) -> AbstractAsyncContextManager[Line]:
        """Open the connection on which changes are told."""
        return self._client.line(f"{self._prefix}wake:")

    async def commit(self, moves: Sequence[Move], now: float) -> Verdict:
        words = [word for move in moves for word in _words(move, now)]
        done, entries, holders = await self._client.run(COMMIT, self._due, now, *words)
        if not done:
            keys = [(move.after.task, move.after.unique) for move in moves if move.after and move.after.unique]
            return Verdict(done=False, view=_view({key_digest(*key): key for key in keys}, entries, holders))
        return Verdict(done=True, view=View({move.id: move.written for move in moves}) | _view({}, entries, holders))

    async def purge(self, now: float) -> int:
        dropped, seen = 0, _PURGE_BATCH
        while seen == _PURGE_BATCH:
            gone, seen = await self._client.run(SWEEP, self._due, now, _PURGE_BATCH)
            dropped += gone
        return dropped


def _some(ids: Sequence[JobId], size: int) -> Iterator[Sequence[JobId]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))


def _words(move: Move, now: float) -> list[Word]:
    before, loud = move.before.version if move.before else "", not move.is_quiet
    if move.after is None:
        return [move.id, before, "", 0, int(loud), 0, 0, 0, 0, 0]
    to_set, to_drop = packed_changes(move.before.record if move.before else None, move.after)
    if "unique" in to_set:
        to_set["key"] = key_digest(move.after.task, str(move.after.unique)).encode()
    if "unique" in to_drop:
        to_drop.append("key")
    due, end = _dates(move.after, now)
    fields: list[Word] = [word for field in to_set.items() for word in field]
    return [
        *(move.id, before, move.version, int(not move.after.status.ended), int(loud)),
        *(move.after.enqueued_at, due, int(1000 * (end - now + _AFTERLIFE))),
        *(len(to_set), *fields, len(to_drop), *to_drop),
    ]


def _dates(record: JobRecord, now: float) -> tuple[float, float]:
    """Return when the first of the record's contents expires, and when the last."""
    end = max(now, now if record.expires_at is None else record.expires_at)
    result = end if record.result is None or record.result_expires_at is None else record.result_expires_at
    return min(result, end), end


def _view(digests: Mapping[str, Key], entries: list[Any], holders: list[Any]) -> View:
    view = View()
    for job_id, (version, *values), keeps_envelope in entries:
        view.entries[JobId(job_id.decode())] = _entry(version, values, keeps_envelope) if version else None
    for digest, holder in holders:
        if key := digests.get(digest.decode()):
            view.holders[key] = JobId(holder.decode()) if holder else None
    return view


def _entry(version: bytes, values: Sequence[bytes | None], keeps_envelope: int) -> Entry:
    return Entry(unpacked(_named(SHARED_FIELDS, values), keeps_envelope=bool(keeps_envelope)), version.decode())


def _named(names: Sequence[str], values: Sequence[bytes | None]) -> dict[str, bytes]:
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}


def _check_memory(memory: Mapping[str, Any], *, allow_eviction: bool) -> None:
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and memory.get("maxmemory") and not allow_eviction:
        raise ConfigurationError(
            f"this Redis evicts records of jobs when its memory is full (maxmemory-policy {policy}): set it to "
            f"noeviction, or say allow_eviction=true if a job may then be completed twice"
        )
