"""Records as rows of PostgreSQL: what many coroutines want at once is one statement, and one write to the disk."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Final, Self  # Any: asyncpg has no types

import asyncpg

from sqsjobs.batching import Batcher
from sqsjobs.errors import ConfigurationError
from sqsjobs.job import JobId
from sqsjobs.store.base import JobRecord
from sqsjobs.store.ear import Line
from sqsjobs.store.ledger import Entry, Key, Listed, Move, Verdict, View
from sqsjobs.store.listing import JobQuery, Place
from sqsjobs.store.postgres.client import PostgresClient
from sqsjobs.store.postgres.rows import columns, entry, whole_record
from sqsjobs.store.postgres.schema import MIGRATIONS, Statements
from sqsjobs.store.retention import BITE, Retention
from sqsjobs.store.unique_keys import key_digest

__all__ = ["PostgresLedger"]

_REFUSED: Final = Verdict(done=False)
_IDS_AT_ONCE: Final = 1000


class PostgresLedger:
    """A `Ledger` in one schema of a PostgreSQL database.

    Reads and commits that come while others are under way share the next statement (group commit).

    Args:
        client: of the database, not opened yet.
        schema: where its tables are.
    """

    def __init__(self, client: PostgresClient, schema: str) -> None:
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,49}", schema):
            raise ConfigurationError(f"schema {schema[:80]!r} is not 1 to 50 characters of a-z 0-9 _")
        self.client = client
        self.schema = schema
        self._statements = Statements(schema)
        self._closing = AsyncExitStack()

    def __repr__(self) -> str:
        return f"{self.client.place} {self.schema}"

    def clone(self) -> PostgresLedger:
        """Return an unopened ledger of the same entries."""
        return PostgresLedger(self.client.clone(), self.schema)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opening:
            await opening.enter_async_context(self.client)
            _check_version(await self.client.rows(self._statements.version))
            self._reads = await opening.enter_async_context(
                Batcher[JobId, Entry | None](self._read_many, max_items=_IDS_AT_ONCE, concurrency=2)
            )
            self._writes = await opening.enter_async_context(
                Batcher[Move, Verdict](self._write_many, max_items=200, concurrency=2)
            )
            self._retention = await opening.enter_async_context(Retention(self._drop_expired))
            self._closing = opening.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._closing.aclose()

    async def read(self, ids: Sequence[JobId], keys: Sequence[Key] = ()) -> View:
        waiting = [self._reads.submit_nowait(job_id) for job_id in ids]
        view = await self._holders(keys) if keys else View()
        view.entries |= zip(ids, await asyncio.gather(*waiting), strict=True)
        return view

    async def whole(self, job_id: JobId) -> JobRecord | None:
        rows = await self.client.rows(self._statements.whole, job_id)
        return whole_record(rows[0]) if rows else None

    async def newest(self, query: JobQuery, after: Place | None, now: float) -> Listed:
        statement, values = self._statements.newest(query, after, now)
        rows = await self.client.rows(statement, *values)
        return Listed.of([entry(row).record for row in rows], query.limit)

    def line(self) -> AbstractAsyncContextManager[Line]:
        """Open the connection on which changes are told."""
        return self.client.line(self.schema)

    async def commit(self, moves: Sequence[Move], now: float) -> Verdict:
        self._retention.look(now)
        if any(move.before and move.before.guessed for move in moves):
            return _REFUSED  # rows are written whole, so they have to be read
        if len(moves) == 1 and moves[0].after is not None:
            return await self._writes.submit(moves[0])
        return await self._write_together(moves)

    async def purge(self, now: float) -> int:
        return await self._retention.drop_all(now)

    async def _drop_expired(self, now: float) -> tuple[int, int]:
        ((records,),) = await self.client.rows(self._statements.drop_records, now, BITE)
        ((results,),) = await self.client.rows(self._statements.drop_results, now, BITE)
        return records, results

    async def _read_many(self, ids: list[JobId]) -> list[Entry | None]:
        rows = await self.client.rows(self._statements.read, list(set(ids)))
        entries = {row["id"]: entry(row) for row in rows}
        return [entries.get(job_id) for job_id in ids]

    async def _holders(self, keys: Sequence[Key]) -> View:
        digests = [key_digest(*key) for key in keys]
        rows = await self.client.rows(self._statements.holders, [task for task, _ in keys], digests)
        found = {row["unique_key"]: JobId(row["id"]) for row in rows}
        holders = {key: found.get(digest) for key, digest in zip(keys, digests, strict=True)}
        return View({JobId(row["id"]): entry(row) for row in rows}, holders)

    async def _write_many(self, moves: list[Move]) -> list[Verdict]:
        first = {move.id: move for move in reversed(moves)}  # another one of the same entry comes too late
        try:
            done = await self.client.run(lambda connection: self._write(connection, list(first.values())))
        except _Contradiction:
            return [await self._write_together([move]) for move in moves]
        return [_done([move]) if first[move.id] is move and move.id in done else _REFUSED for move in moves]

    async def _write(self, connection: Any, moves: Sequence[Move]) -> set[JobId]:
        try:
            rows = await connection.fetch(self._statements.write, *columns(moves))
        except asyncpg.UniqueViolationError as error:
            raise _Contradiction from error
        return {row["id"] for row in rows}

    async def _write_together(self, moves: Sequence[Move]) -> Verdict:
        async def step(connection: Any) -> None:
            async with connection.transaction():
                for move in moves:
                    if not await self._write_one(connection, move):
                        raise _Contradiction

        try:
            await self.client.run(step)
        except _Contradiction:
            return _REFUSED
        return _done(moves)

    async def _write_one(self, connection: Any, move: Move) -> bool:
        if move.after is not None:
            return bool(await self._write(connection, [move]))
        await connection.fetch(self._statements.tell, move.id)
        return bool(await connection.fetch(self._statements.delete, move.id, move.before and move.before.version))


class _Contradiction(Exception):
    """Raised where a key is taken, or an entry is not as it was: nothing of the transaction is done."""


def _done(moves: Sequence[Move]) -> Verdict:
    return Verdict(done=True, view=View({move.id: move.written for move in moves}))


def _check_version(rows: Sequence[Any]) -> None:
    version, known = rows[0]["version"] if rows else 0, len(MIGRATIONS)
    if version < known:
        raise ConfigurationError(
            f"the job store's tables are of version {version}, and this sqsjobs needs {known}: run `sqsjobs store apply`"
        )
    if version > known:
        raise ConfigurationError(
            f"the job store's tables are of version {version} of a newer sqsjobs, this one knows {known}: upgrade it here"
        )
