"""What has expired is dropped by those who write, a bite now and then, so that no cron job is needed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, Self

from sqsjobs.errors import SqsJobsError

__all__ = ["BITE", "Retention"]

BITE: Final = 500
"""Records, and as many results, dropped in one transaction at most, so that other writers get in between."""

_EVERY: Final = 60.0
"""Seconds between two bites of a store that is open …"""
_WHILE_MORE: Final = 0.25
"""… and after one that left something."""


class Retention:
    """Drops what has expired while the store is open; it belongs to one event loop.

    Args:
        bite: drops up to `BITE` records and up to `BITE` results that have expired at a date, and returns how many of
            each.
    """

    def __init__(self, bite: Callable[[float], Awaitable[tuple[int, int]]]) -> None:
        self._bite = bite
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time() + _EVERY * random.uniform(0, 1)
        self._biting: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._biting is not None:
            await asyncio.wait([self._biting])

    def look(self, now: float) -> None:
        """Begin a bite if it is time for one; whoever writes looks, and does not wait for it."""
        if self._loop.time() >= self._due and (self._biting is None or self._biting.done()):
            self._biting = self._loop.create_task(self._bite_quietly(now), name="sqsjobs retention")

    async def drop_all(self, now: float) -> int:
        """Drop all that has expired, bite by bite; return how many records that were.

        Raises:
            StoreError: if the store could not be asked; what was dropped until then is gone.
        """
        dropped, most = 0, BITE
        while most == BITE:
            records, results = await self._bite(now)
            dropped, most = dropped + records, max(records, results)
        return dropped

    async def _bite_quietly(self, now: float) -> None:
        pause = _EVERY
        try:
            if BITE in await self._bite(now):
                pause = _WHILE_MORE
        except SqsJobsError:
            pass  # the next one comes
        finally:
            self._due = self._loop.time() + pause * random.uniform(0.5, 1.5)
