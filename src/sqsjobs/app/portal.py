"""A thread with an event loop of its own, through which code without one can enqueue, and wait for results."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from sqsjobs.app.session import Session
from sqsjobs.errors import ConfigurationError

__all__ = ["Portal"]

T = TypeVar("T")

_CLOSING_TIMEOUT: Final = 15.0
"""Seconds to wait at the end for what is still being sent."""


class Portal:
    """Runs coroutines in a session on a thread of its own, for callers in any other thread.

    The thread is started at first use, and anew after a fork, through which threads do not live. It ends with
    `close`, or with the process.

    Args:
        name: of the thread.
        open_session: makes the session; called on the thread's loop.
    """

    def __init__(self, name: str, open_session: Callable[[], Session]) -> None:
        self._name = name
        self._open_session = open_session
        self._thread: _LoopThread | None = None

    def run(self, step: Callable[[Session], Coroutine[Any, Any, T]], wanted: str) -> T:
        """Run a coroutine made of the session, and return what it returns; blocks the calling thread.

        A caller that is interrupted (Ctrl-C) cancels the coroutine. `wanted` is the method's name, for errors.

        Raises:
            ConfigurationError: inside a running event loop, which it would block.
            SqsJobsError: if the session cannot be opened.
        """
        if _loop_is_running():
            raise ConfigurationError(
                f"{wanted} would block the event loop that is running here: "
                f"await its namesake without _sync, as in `await task.enqueue(...)`"
            )
        return self._living_thread().run(step)

    def close(self) -> None:
        """Finish what is under way, close the session and end the thread; the next use starts another."""
        with _starting:
            thread, self._thread = self._thread, None
        if thread and thread.lives_here:
            thread.end()
        atexit.unregister(self.close)

    def _living_thread(self) -> _LoopThread:
        with _starting:
            if self._thread is None or not self._thread.lives_here:
                self._thread = _LoopThread(self._name, self._open_session)
                # The thread is a daemon, so that nobody need close it: atexit comes before daemons are stopped.
                atexit.register(self.close)
            return self._thread


_starting = threading.Lock()


def _renew_lock() -> None:
    """Give a forked child a lock that nobody holds."""
    global _starting  # noqa: PLW0603 - a child has no other way
    _starting = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)


def _loop_is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class _LoopThread:
    """A daemon thread whose loop has a session open; making one waits until it is."""

    def __init__(self, name: str, open_session: Callable[[], Session]) -> None:
        self._pid = os.getpid()
        self._opened: Future[tuple[asyncio.AbstractEventLoop, Session]] = Future()
        self._ending = asyncio.Event()
        self._thread = threading.Thread(target=self._main, args=[open_session], name=name, daemon=True)
        self._thread.start()
        self._loop, self._session = self._opened.result()

    @property
    def lives_here(self) -> bool:
        return self._pid == os.getpid() and self._thread.is_alive()

    def run(self, step: Callable[[Session], Coroutine[Any, Any, T]]) -> T:
        running = asyncio.run_coroutine_threadsafe(self._run(step), self._loop)
        try:
            return running.result()
        except BaseException:
            running.cancel()
            raise

    async def _run(self, step: Callable[[Session], Coroutine[Any, Any, T]]) -> T:
        return await step(self._session)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(_CLOSING_TIMEOUT)

    def _main(self, open_session: Callable[[], Session]) -> None:
        asyncio.run(self._stay_open(open_session))

    async def _stay_open(self, open_session: Callable[[], Session]) -> None:
        try:
            async with open_session() as session:
                self._opened.set_result((asyncio.get_running_loop(), session))
                await self._ending.wait()
        except BaseException as error:
            if self._opened.done():
                raise
            self._opened.set_exception(error)
