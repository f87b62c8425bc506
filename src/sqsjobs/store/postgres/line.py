"""The line on which PostgreSQL tells of changes: one connection that listens to the schema's channel."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, Final  # Any: asyncpg has no types

import asyncpg

from sqsjobs.errors import StoreUnavailable
from sqsjobs.job import JobId

__all__ = ["PostgresLine"]

_QUIET: Final = 30.0
"""Seconds of silence after which the server is asked whether it is still there."""


class PostgresLine:
    """A `Line` on which every change of every job is told, so that nothing has to be followed.

    Args:
        connection: asyncpg's, of this line alone.
        channel: to listen to.
        wait: seconds for which an answer is waited for.
    """

    def __init__(self, connection: Any, channel: str, wait: float) -> None:
        self._connection = connection
        self._channel = channel
        self._wait = wait
        self._told: asyncio.Queue[JobId | None] = asyncio.Queue()  # None: the connection is gone

    async def open(self) -> None:
        """Begin to listen."""
        self._connection.add_termination_listener(lambda _: self._told.put_nowait(None))
        await self._connection.add_listener(self._channel, self._tell)

    async def follow(self, job_ids: Collection[JobId]) -> None:  # noqa: ARG002 - all are told
        if self._connection.is_closed():
            raise StoreUnavailable("the line to the job store in PostgreSQL broke")

    async def unfollow(self, job_ids: Collection[JobId]) -> None:  # noqa: ARG002 - the same
        return

    async def heard(self) -> JobId:
        while True:
            try:
                async with asyncio.timeout(_QUIET):
                    job_id = await self._told.get()
            except TimeoutError:
                await self._ask()
                continue
            if job_id is None:
                raise StoreUnavailable("the line to the job store in PostgreSQL broke")
            return job_id

    async def _ask(self) -> None:
        try:
            await self._connection.execute("SELECT 1", timeout=self._wait)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise StoreUnavailable("the job store in PostgreSQL has fallen silent") from error

    def _tell(self, connection: Any, pid: int, channel: str, payload: str) -> None:  # noqa: ARG002 - asyncpg's
        self._told.put_nowait(JobId(payload))
