"""Notices when a job blocks the event loop, and names it with its stack."""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from typing import Final

from sqsjobs.clock import Clock
from sqsjobs.events import LoopBlocked, Observer

__all__ = ["Watchdog"]

_LOOK_EVERY: Final = 0.1
"""Seconds between two looks while jobs are in hand."""
_FRAMES: Final = 12


class Watchdog:
    """Measures from another thread for how long the jobs' event loop has not turned.

    Made on that loop's thread. `look` posts a call to the loop and times it; a call that is not answered within
    `warn_after` seconds while a job is running is told as `LoopBlocked`, and once more at `alarm_after`.
    """

    def __init__(self, *, warn_after: float, alarm_after: float, observer: Observer, clock: Clock) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._warn_after = warn_after
        self._alarm_after = max(alarm_after, warn_after)
        self._tell = observer
        self._clock = clock
        self._asked_at: float | None = None
        self._told = 0.0

    def period(self, default: float, *, busy: bool) -> float:
        """Return how long to wait between two looks: short while jobs are in hand."""
        return min(default, max(_LOOK_EVERY, self._warn_after / 2)) if busy else default

    def look(self) -> float:
        """Return for how many seconds the loop has not turned; called from the heartbeats' thread."""
        asked_at = self._asked_at
        now = self._clock.now()
        if asked_at is None:
            self._asked_at = now
            self._post()
            return 0.0
        lag = now - asked_at
        if lag >= self._warn_after and (self._told == 0.0 or self._told < self._alarm_after <= lag):
            self._name_the_blocker(lag)
        return lag

    def _post(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        self._asked_at = None
        self._told = 0.0

    def _name_the_blocker(self, lag: float) -> None:
        task = asyncio.current_task(self._loop)
        name = task.get_name() if task else ""
        if not name.startswith("job ") and lag < self._alarm_after:
            return
        self._told = lag
        frame = sys._current_frames().get(self._thread)  # noqa: SLF001 - the documented way to see another thread
        stack = "".join(traceback.format_stack(frame)[-_FRAMES:]) if frame else ""
        self._tell(LoopBlocked(name.removeprefix("job ") or "the event loop", lag, stack))
