"""The line between a running job and its worker: its progress goes out, that it is to end comes in.

Any thread may use a line; what it says is written by the worker's event loop, at most once a second for each job,
and the last word goes with the record of the attempt's end, so that it costs nothing and is never lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from sqsjobs.clock import Clock
from sqsjobs.errors import StoreError
from sqsjobs.events import Observer, StoreFailed
from sqsjobs.job import JobId, Progress
from sqsjobs.outcome import Cancelled
from sqsjobs.store.base import JobStore
from sqsjobs.worker.run import Run

__all__ = ["Line", "Switchboard"]

_PAUSE: Final = 1.0
"""Seconds between two writes of one job's progress, at least."""


class Switchboard:
    """Opens lines, and writes what comes over them.

    Args:
        store: open, on the running loop; None where progress is not written while a job runs.
    """

    def __init__(self, store: JobStore | None, *, observer: Observer, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self._tell = observer
        self._loop = asyncio.get_running_loop()
        self._writing: set[asyncio.Task[None]] = set()

    def line(self, job_id: JobId, epoch: int, run: Run) -> Line:
        """Return the line of an attempt that runs under the claim of `epoch`."""
        return Line(self, self._loop, job_id, epoch, run)

    def begin(self, write: Coroutine[Any, Any, None]) -> None:
        """Let a write go its way; what it raises of the store is told."""
        task = self._loop.create_task(self._told(write))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _told(self, write: Coroutine[Any, Any, None]) -> None:
        try:
            await write
        except StoreError as problem:
            self._tell(StoreFailed("report", str(problem)))


class Line:
    """The line of one attempt, as `context.JobLine`."""

    __slots__ = ("_board", "_closed", "_epoch", "_job_id", "_latest", "_loop", "_next", "_planned", "_run", "_written")

    def __init__(
        self, board: Switchboard, loop: asyncio.AbstractEventLoop, job_id: JobId, epoch: int, run: Run
    ) -> None:
        self._board = board
        self._loop = loop
        self._job_id = job_id
        self._epoch = epoch
        self._run = run
        self._latest: Progress | None = None
        self._written: Progress | None = None
        self._planned = False
        self._closed = False
        self._next = 0.0

    @property
    def cancelled(self) -> bool:
        return isinstance(self._run.verdict, Cancelled)

    def report(self, done: float, total: float | None, note: str) -> None:
        self._latest = Progress(done, total, note, self._board.clock.wall())
        if not self._planned and not self._closed and self._board.store is not None:
            self._planned = True
            self._loop.call_soon_threadsafe(self._plan)

    def close(self) -> Progress | None:
        """Write nothing more, and return what was said last if it is not written yet."""
        self._closed = True
        return None if self._latest is self._written else self._latest

    def _plan(self) -> None:
        self._loop.call_at(max(self._next, self._loop.time()), self._begin)

    def _begin(self) -> None:
        self._planned = False
        if not self._closed:
            self._next = self._loop.time() + _PAUSE
            self._board.begin(self._write())

    async def _write(self) -> None:
        progress, store = self._latest, self._board.store
        if progress is None or store is None or self._closed:
            return
        if await store.report(self._job_id, self._epoch, progress):
            self._written = progress
