"""A job store in PostgreSQL: for who has one already, and likes to ask it in SQL what became of the jobs."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Self  # Any: asyncpg has no types

from sqsjobs.clock import Clock
from sqsjobs.store.ear import open_ear
from sqsjobs.store.optimistic import OptimisticStore
from sqsjobs.store.postgres.client import PostgresClient
from sqsjobs.store.postgres.ledger import PostgresLedger
from sqsjobs.store.postgres.schema import LOCK, MIGRATIONS
from sqsjobs.store.push import Listening, Wake

__all__ = ["PostgresStore"]


class PostgresStore(OptimisticStore[PostgresLedger]):
    """Records in tables of a schema of their own, made by `provision`; needs ``sqsjobs[postgres]``.

    Args:
        url: ``postgresql://[user:password@]host[:port]/database``, with asyncpg's options in a query (``?sslmode=…``).
        schema: where its tables are.
        wait: seconds after which a call that got no answer raises `StoreUnavailable`.
        clock: whose dates say what has expired.

    Raises:
        ConfigurationError: at once if the URL makes no sense; when the store is opened, if the server refuses the user,
            or the tables are not there, or not of this version.
    """

    def __init__(self, url: str, *, schema: str = "sqsjobs", wait: float = 5.0, clock: Clock | None = None) -> None:
        super().__init__(PostgresLedger(PostgresClient(url, wait), schema), clock)

    def __repr__(self) -> str:
        return f"<PostgresStore {self._ledger}>"

    def listening(self, wake: Wake) -> AbstractAsyncContextManager[Listening]:
        """Do `Pushing.listening`: by LISTEN, over a connection of its own."""
        self._residence.check()
        return open_ear(self._ledger.line, wake)

    async def provision(self, *, dry_run: bool = False) -> list[str]:
        """Do `Provisioned.provision`: the schema, and its tables brought up to this version."""
        schema = self._ledger.schema
        async with self._ledger.client.connected() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
            version = await _present_version(connection, schema)
            if not dry_run:
                await _migrate(connection, schema, version)
        return [_described(schema, number) for number in range(version + 1, len(MIGRATIONS) + 1)]

    def clone(self) -> Self:
        clone = type(self).__new__(type(self))
        OptimisticStore.__init__(clone, self._ledger.clone(), self._clock)
        return clone


async def _present_version(connection: Any, schema: str) -> int:
    if await connection.fetchval("SELECT to_regclass($1)", f"{schema}.schema_version") is None:
        return 0
    return int(await connection.fetchval(f"SELECT version FROM {schema}.schema_version"))  # noqa: S608 - checked


async def _migrate(connection: Any, schema: str, version: int) -> None:
    if version == 0:
        await connection.execute(_BEGINNING.format(schema=schema))
    for step in MIGRATIONS[version:]:
        await connection.execute(step.format(schema=schema))
    if version < len(MIGRATIONS):
        await connection.execute(f"UPDATE {schema}.schema_version SET version = $1", len(MIGRATIONS))  # noqa: S608


_BEGINNING: Final = """
    CREATE SCHEMA IF NOT EXISTS {schema};
    CREATE TABLE {schema}.schema_version (version int NOT NULL);
    INSERT INTO {schema}.schema_version VALUES (0);
"""


def _described(schema: str, version: int) -> str:
    return f"schema {schema}: tables of version {version}"
