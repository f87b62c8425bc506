"""The line on which Redis tells of changes: one connection, subscribed to a channel for each job."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, Final  # Any: what redis-py hands out

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from sqsjobs.errors import StoreUnavailable
from sqsjobs.job import JobId

__all__ = ["RedisLine"]

_QUIET: Final = 10.0
"""Seconds of silence after which the server is asked whether it is still there, and after which it is not."""


class RedisLine:
    """A `Line` over a subscribed connection.

    Args:
        subscription: redis-py's, of a client that does not reconnect by itself: what was missed has to be known.
        channel: what the names of the jobs' channels begin with.
        wait: seconds for which a confirmation is waited for.
    """

    def __init__(self, subscription: PubSub, channel: str, wait: float) -> None:
        self._subscription = subscription
        self._channel = channel
        self._wait = wait
        self._unconfirmed: dict[str, asyncio.Future[None]] = {}

    async def open(self) -> None:
        """Connect, and subscribe to something, so that there is something to wait for."""
        await self._bounded(self._subscription.subscribe(self._channel))

    async def close(self) -> None:
        """Close the connection; raises nothing."""
        for waiting in self._unconfirmed.values():
            if not waiting.done():
                waiting.set_exception(StoreUnavailable("the line to the job store in Redis broke"))
        try:
            async with asyncio.timeout(self._wait):
                await self._subscription.aclose()  # type: ignore[no-untyped-call]
        except (RedisError, OSError):
            return

    async def follow(self, job_ids: Collection[JobId]) -> None:
        if not job_ids:
            return
        channels = [self._channel + job_id for job_id in job_ids]
        loop = asyncio.get_running_loop()
        confirmations = {channel: loop.create_future() for channel in channels}
        self._unconfirmed |= confirmations
        await self._bounded(self._subscription.subscribe(*channels))
        await self._bounded(asyncio.gather(*confirmations.values()))

    async def unfollow(self, job_ids: Collection[JobId]) -> None:
        if job_ids:
            await self._bounded(self._subscription.unsubscribe(*(self._channel + job_id for job_id in job_ids)))

    async def heard(self) -> JobId:
        asked = False
        while True:
            message = await self._bounded(self._subscription.get_message(timeout=_QUIET), _QUIET + self._wait)
            if message is None:
                if asked:
                    raise StoreUnavailable("the job store in Redis has fallen silent")
                await self._bounded(self._subscription.ping())
            elif message["type"] == "message":
                return JobId(message["channel"].decode().removeprefix(self._channel))
            asked = message is None
            self._confirm(message)

    def _confirm(self, message: Any) -> None:
        if message and message["type"] == "subscribe":
            waiting = self._unconfirmed.pop(message["channel"].decode(), None)
            if waiting and not waiting.done():
                waiting.set_result(None)

    async def _bounded(self, call: Any, wait: float | None = None) -> Any:
        try:
            async with asyncio.timeout(wait or self._wait):
                return await call
        except (RedisError, OSError) as error:
            raise StoreUnavailable(f"the line to the job store in Redis broke: {error}") from error
