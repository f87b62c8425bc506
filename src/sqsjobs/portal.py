"""A thread with an event loop of its own, through which code without one can enqueue.

One per app and process: a forked child makes its own, because threads do not live through a fork.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from sqsjobs.session import Session

__all__ = ["Portal"]

T = TypeVar("T")

_CLOSING_TIMEOUT = 15.0
"""Seconds to wait at the end for what is still being sent."""


class Portal:
    """Runs coroutines in a session on its own thread, for callers in any other.

    Args:
        open_session: makes the session; called on the portal's loop.
        name: of the thread.

    Raises:
        SqsJobsError: if the session cannot be opened.
    """

    def __init__(self, open_session: Callable[[], Session], name: str) -> None:
        self._open_session = open_session
        self._pid = os.getpid()
        self._opened: Future[tuple[asyncio.AbstractEventLoop, Session]] = Future()
        self._ending = asyncio.Event()
        # A daemon, because nobody need close it: at exit, `close` is called before daemons end.
        self._thread = threading.Thread(target=lambda: asyncio.run(self._stay_open()), name=name, daemon=True)
        self._thread.start()
        self._loop, self._session = self._opened.result()

    @property
    def is_usable(self) -> bool:
        """Whether its thread lives in this process."""
        return self._pid == os.getpid() and self._thread.is_alive()

    def run(self, step: Callable[[Session], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine made of the session, and return what it returns; blocks the calling thread."""
        return asyncio.run_coroutine_threadsafe(step(self._session), self._loop).result()

    def close(self) -> None:
        """Finish what is under way, close the session and end the thread."""
        if self.is_usable and threading.current_thread() is not self._thread:
            self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join(_CLOSING_TIMEOUT)

    async def _stay_open(self) -> None:
        try:
            async with self._open_session() as session:
                self._opened.set_result((asyncio.get_running_loop(), session))
                await self._ending.wait()
        except BaseException as error:
            if self._opened.done():
                raise
            self._opened.set_exception(error)
