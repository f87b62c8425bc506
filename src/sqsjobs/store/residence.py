"""Where an open store lives: one event loop of one process."""

from __future__ import annotations

import asyncio
import os

from sqsjobs.errors import ConfigurationError

__all__ = ["Residence"]


class Residence:
    """The loop and the process in which a store was opened; a store asks here before every operation."""

    __slots__ = ("_loop", "_pid")

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0

    def settle(self) -> asyncio.AbstractEventLoop:
        """Take the running loop of this process as the store's own, and return it.

        Raises:
            ConfigurationError: if the store is open already.
        """
        if self._loop is not None:
            raise ConfigurationError(
                "this job store is open already: each `async with` takes its own, use store.clone()"
            )
        self._loop, self._pid = asyncio.get_running_loop(), os.getpid()
        return self._loop

    def leave(self) -> None:
        """Belong to no loop again."""
        self._loop = None

    def check(self) -> None:
        """Return if the caller is at home.

        Raises:
            ConfigurationError: if the store is not open, or was opened by another event loop or before a fork.
        """
        if self._loop is None:
            raise ConfigurationError("this job store is not open: use it inside `async with store:`")
        if self._pid != os.getpid():
            raise ConfigurationError("this job store was opened before a fork: open store.clone() in the child process")
        if self._loop is not asyncio.get_running_loop():
            raise ConfigurationError("this job store was opened on another event loop: open store.clone() on this one")
