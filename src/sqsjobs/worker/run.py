"""One attempt under way, and the one way to end it from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sqsjobs.outcome import LostLease, Outcome

__all__ = ["Run"]


class Run:
    """An attempt under way. `end` asks for its end with an outcome; the executor says whether that came true.

    A coroutine is cancelled once, so that it may clean up; a child process is killed; a thread cannot be
    stopped, so its verdict waits until it ends by itself.
    """

    __slots__ = ("_stop", "verdict")

    def __init__(self) -> None:
        self.verdict: Outcome | None = None
        """What the attempt is to end as, if it does not end by itself first."""
        self._stop: Callable[[], object] | None = None

    def end(self, verdict: Outcome) -> None:
        """Ask the attempt to end as `verdict`; the first verdict counts, but a lost lease overrides it."""
        if self.verdict is None or isinstance(verdict, LostLease):
            first = self.verdict is None
            self.verdict = verdict
            if first and self._stop is not None:
                self._stop()

    def stoppable_by(self, stop: Callable[[], object] | None) -> None:
        """Say what stops the attempt from now on; at once if its end was asked for already."""
        self._stop = stop
        if stop is not None and self.verdict is not None:
            stop()

    def cancelled(self) -> bool:
        """Whether a cancellation that arrived in the current task was ours; if so it is taken back."""
        if self.verdict is None:
            return False
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        return True
