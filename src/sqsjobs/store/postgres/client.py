"""One PostgreSQL database as the job store uses it: a small pool, bounded waits, errors that say what to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, Self, TypeVar  # Any: asyncpg has no types
from urllib.parse import urlsplit

import asyncpg

from sqsjobs.errors import ConfigurationError, StoreError, StoreUnavailable
from sqsjobs.store.postgres.line import PostgresLine

__all__ = ["PostgresClient"]

T = TypeVar("T")

_CONNECTIONS: Final = 5

_REFUSED: Final = (
    asyncpg.InvalidAuthorizationSpecificationError,  # a wrong password is one
    asyncpg.InsufficientPrivilegeError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ClientConfigurationError,
)
_NOT_MADE: Final = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.InvalidSchemaNameError)
_PASSING: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up, cancelled
    asyncpg.InsufficientResourcesError,  # too many connections, the disk is full
    asyncpg.TransactionRollbackError,  # deadlock
    asyncpg.ReadOnlySQLTransactionError,  # a standby, after a failover
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,  # TimeoutError is one
)


class PostgresClient:
    """Connections to one database.

    Args:
        url: of the database.
        wait: seconds after which a call that got no answer fails.

    Attributes:
        place: the database without its password, for errors.

    Raises:
        ConfigurationError: if the URL makes no sense.
    """

    def __init__(self, url: str, wait: float) -> None:
        self._url = url
        self._wait = wait
        self.place = _place(url)

    def clone(self) -> PostgresClient:
        """Return an unopened client of the same database."""
        return PostgresClient(self._url, self._wait)

    async def __aenter__(self) -> Self:
        async with self._answered():
            self._pool = await asyncpg.create_pool(
                self._url, min_size=1, max_size=_CONNECTIONS, timeout=self._wait, command_timeout=self._wait
            )
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        try:
            async with asyncio.timeout(self._wait):
                await self._pool.close()
        except (TimeoutError, *_PASSING):
            self._pool.terminate()

    async def run(self, step: Callable[[Any], Awaitable[T]]) -> T:
        """Do `step` with a connection and return its answer.

        Raises:
            StoreUnavailable: if no answer came in time; whether it was done is then unknown.
            ConfigurationError: if the server refuses the user, or the tables are not there.
            StoreError: if the server cannot do it.
        """
        async with self._answered(), self._pool.acquire() as connection:
            return await step(connection)

    async def rows(self, statement: str, *values: object) -> list[Any]:
        """Run one statement and return its rows; raises as `run` does."""
        return await self.run(lambda connection: connection.fetch(statement, *values))

    @asynccontextmanager
    async def line(self, channel: str) -> AsyncIterator[PostgresLine]:
        """Open a connection of its own on which the server tells what is notified on `channel`.

        Raises:
            StoreUnavailable: if there is none to be had.
        """
        async with self._answered():
            connection = await asyncpg.connect(self._url, timeout=self._wait)
        try:
            line = PostgresLine(connection, channel, self._wait)
            async with self._answered():
                await line.open()
            yield line
        finally:
            connection.terminate()

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Any]:
        """Open one connection, without a pool: for who sets the tables up; raises as `run` does."""
        async with self._answered():
            connection = await asyncpg.connect(self._url, timeout=self._wait)
            try:
                yield connection
            finally:
                connection.terminate()

    @asynccontextmanager
    async def _answered(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._wait):
                yield
        except (asyncpg.PostgresError, *_REFUSED, *_PASSING) as error:
            raise self._explained(error) from error

    def _explained(self, error: Exception) -> Exception:
        said = str(error) or type(error).__name__
        match error:
            case _ if isinstance(error, _REFUSED):
                return ConfigurationError(f"the job store at {self.place} cannot be used: {said}")
            case _ if isinstance(error, _NOT_MADE):
                return ConfigurationError(
                    f"the job store at {self.place} is not set up ({said}): run `sqsjobs store apply`"
                )
            case _ if isinstance(error, _PASSING):
                return StoreUnavailable(
                    f"the job store at {self.place} did not answer ({said}): is the server up, and can it be reached "
                    f"from here?"
                )
        return StoreError(f"the job store at {self.place} failed: {said}")


def _place(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port or 5432
    except ValueError as error:
        raise ConfigurationError(f"the URL of the job store in PostgreSQL makes no sense: {error}") from None
    return f"{parts.hostname or 'localhost'}:{port}{parts.path}"
