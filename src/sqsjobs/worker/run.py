"""One attempt under way, and the one way to end it from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqsjobs.outcome import LostLease, Outcome, TimedOut
from sqsjobs.worker.lease import Lease

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
        """What stops it now; set by `begin`."""
        self._timer: asyncio.TimerHandle | None = None

    def end(self, verdict: Outcome) -> None:
        """Ask the attempt to end as `verdict`; the first verdict counts, but a lost lease overrides it."""
        first = self.verdict is None
        if first or isinstance(verdict, LostLease):
            self.verdict = verdict
        if first and self.stop is not None:
            self.stop()

    def depend_on(self, lease: Lease) -> None:
        """End it when its lease is lost, or can be held no longer."""
        lease.on_lost, lease.on_cap = self._lost, self._capped
        if lease.lost:
            self._lost(lease)

    def _lost(self, lease: Lease) -> None:
        self.end(LostLease(lease.lost))

    def _capped(self, lease: Lease) -> None:
        self.end(TimedOut(lease.clock.now() - lease.granted))

    def begin(self, stop: Callable[[], object]) -> None:
        """Let `stop` be what stops it, until it is `over`.

        Raises:
            CancelledError: if its end was asked for before.
        """
        if self.verdict is not None:
            raise asyncio.CancelledError
        self.stop = stop

    def over(self) -> None:
        """Neither stop it nor time it any more: it has ended."""
        self.stop = None
        self.limit(None)

    def limit(self, timeout: float | None) -> None:
        """End it as timed out in `timeout` seconds from now; None: let it take its time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if timeout is not None:
            self._timer = asyncio.get_running_loop().call_later(timeout, self.end, TimedOut(timeout))

    @contextmanager
    def stopped_by(self, stop: Callable[[], object]) -> Iterator[None]:
        """Let `stop` be what stops the attempt within the block, in place of what was.

        Raises:
            CancelledError: on entering, if its end was asked for before.
        """
        before = self.stop
        self.begin(stop)
        try:
            yield
        finally:
            self.stop = before

    def cancelled(self) -> bool:
        """Whether a cancellation that arrived in the current task was ours; if so it is taken back."""
        if self.verdict is None:
            return False
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        return True
