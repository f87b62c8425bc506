"""A stop that is asked for once to end gracefully, and twice to end at once."""

from __future__ import annotations

import asyncio

__all__ = ["Stop"]


class Stop:
    """Whether, and how, a worker is to stop."""

    def __init__(self) -> None:
        self.reason = ""
        """Why it stops; the first reason counts."""
        self._asked = asyncio.Event()
        self._at_once = asyncio.Event()

    def ask(self, reason: str) -> None:
        """Ask for a graceful stop; asked again, for one at once."""
        if self._asked.is_set():
            self._at_once.set()
        else:
            self.reason = reason
            self._asked.set()

    @property
    def asked(self) -> bool:
        """Whether a stop was asked for."""
        return self._asked.is_set()

    @property
    def at_once(self) -> bool:
        """Whether it was asked for again."""
        return self._at_once.is_set()

    async def wait(self) -> None:
        """Return when a stop is asked for."""
        await self._asked.wait()

    async def wait_at_once(self) -> None:
        """Return when it is asked for again."""
        await self._at_once.wait()
