"""One attempt under way, and the one way to end it from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager

from sqsjobs.outcome import LostLease, Outcome, TimedOut

__all__ = ["Run"]


class Run:
    """An attempt under way. `end` asks for its end with an outcome; the executor says whether that came true.

    A coroutine is cancelled once, so that it may clean up; a child process is killed; a thread cannot be
    stopped, so its verdict waits until it ends by itself.
    """

    __slots__ = ("_timer", "stop", "verdict")

    def __init__(self) -> None:
        self.verdict: Outcome | None = None
        """What the attempt is to end as, if it does not end by itself first."""
        self.stop: Callable[[], object] | None = None
        """What stops it now; set by `stopped_by`."""
        self._timer: asyncio.TimerHandle | None = None

    def end(self, verdict: Outcome) -> None:
        """Ask the attempt to end as `verdict`; the first verdict counts, but a lost lease overrides it."""
        first = self.verdict is None
        if first or isinstance(verdict, LostLease):
            self.verdict = verdict
        if first and self.stop is not None:
            self.stop()

    def limit(self, timeout: float | None) -> None:
        """End it as timed out in `timeout` seconds from now; None: let it take its time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if timeout is not None:
            self._timer = asyncio.get_running_loop().call_later(timeout, self.end, TimedOut(timeout))

    def stopped_by(self, stop: Callable[[], object]) -> AbstractContextManager[None]:
        """Let `stop` be what stops the attempt within the block.

        Raises:
            CancelledError: on entering, if its end was asked for before.
        """
        return _Stoppable(self, stop)

    def cancelled(self) -> bool:
        """Whether a cancellation that arrived in the current task was ours; if so it is taken back."""
        if self.verdict is None:
            return False
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        return True


class _Stoppable(AbstractContextManager[None]):
    """The block of `Run.stopped_by`; there is one in every attempt, and a generator would cost thrice as much."""

    __slots__ = ("_before", "_run", "_stop")

    def __init__(self, run: Run, stop: Callable[[], object]) -> None:
        self._run = run
        self._stop = stop

    def __enter__(self) -> None:
        if self._run.verdict is not None:
            raise asyncio.CancelledError
        self._before, self._run.stop = self._run.stop, self._stop

    def __exit__(self, *exc_info: object) -> None:
        self._run.stop = self._before
