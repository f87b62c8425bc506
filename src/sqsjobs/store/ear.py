"""An ear that stays open: listens on a line to the store's server, and takes another line when that one breaks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Final, Protocol

from sqsjobs.errors import StoreError, StoreUnavailable
from sqsjobs.job import JobId
from sqsjobs.store.push import Wake

__all__ = ["Ear", "Line", "open_ear"]

_LONGEST_PAUSE: Final = 2.0
"""Seconds between two attempts to get another line, at most; those who wait look for themselves meanwhile."""


class Line(Protocol):
    """One connection on which the server tells of changes. Every method raises `StoreUnavailable` once it is broken."""

    async def follow(self, job_ids: Collection[JobId]) -> None:
        """Have the server tell of these; what is committed once this has returned, is told."""
        ...

    async def unfollow(self, job_ids: Collection[JobId]) -> None:
        """Have the server tell of these no more."""
        ...

    async def heard(self) -> JobId:
        """Wait for the next change, of whichever job, and return its id."""
        ...


class Ear:
    """Does `push.Listening`; see `open_ear`."""

    def __init__(self, open_line: Callable[[], AbstractAsyncContextManager[Line]], wake: Wake) -> None:
        self._open_line = open_line
        self._wake = wake
        self._jobs: set[JobId] = set()
        self._line: Line | None = None

    async def add(self, job_ids: Collection[JobId]) -> None:
        new = set(job_ids) - self._jobs
        if self._line is None:
            raise StoreUnavailable("the connection on which the job store tells of changes is broken")
        self._jobs |= new
        try:
            await self._line.follow(new)
        except BaseException:
            self._jobs -= new
            raise

    async def discard(self, job_ids: Collection[JobId]) -> None:
        left = self._jobs & set(job_ids)
        self._jobs -= left
        if self._line is not None:
            with suppress(StoreError):
                await self._line.unfollow(left)

    async def listen(self, is_open: asyncio.Future[None]) -> None:
        """Listen until cancelled, and fulfil `is_open` when that has begun, or failed to."""
        while True:
            try:
                async with self._open_line() as line, asyncio.TaskGroup() as hearing:
                    hearing.create_task(self._hear(line))  # what is followed is confirmed on the line itself
                    await line.follow(self._jobs)
                    self._line = line
                    if is_open.done():
                        self._wake(None)  # whatever happened without a line
                    else:
                        is_open.set_result(None)
            except Exception as error:  # noqa: BLE001 - a broken line is replaced, however it broke
                if not is_open.done():
                    return is_open.set_exception(error)
            finally:
                self._line = None
            await asyncio.sleep(random.uniform(0, _LONGEST_PAUSE))

    async def _hear(self, line: Line) -> None:
        while True:
            job_id = await line.heard()
            if job_id in self._jobs:
                self._wake(job_id)


@asynccontextmanager
async def open_ear(open_line: Callable[[], AbstractAsyncContextManager[Line]], wake: Wake) -> AsyncIterator[Ear]:
    """Open an ear that calls `wake`, see `push.Pushing.listening`.

    Raises:
        StoreError: if not even the first line can be opened.
    """
    ear = Ear(open_line, wake)
    is_open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    listening = asyncio.create_task(ear.listen(is_open))
    try:
        await is_open
        yield ear
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening
