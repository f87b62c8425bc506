"""A limit on how often the same thing is said, and a count of what was left unsaid."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

__all__ = ["Floodgate", "Suppressed"]

_MOST_KEYS: Final = 200
"""Keys told apart; the rest share one gate, so that names from messages cannot fill the memory."""
_REST: Final = ("other",)


@dataclass(frozen=True, slots=True)
class Suppressed:
    """How many lines of one key were left out in the last window."""

    key: tuple[str, ...]
    count: int
    seconds: float


@dataclass(slots=True)
class _Window:
    ends: float
    admitted: int = 0
    suppressed: int = 0


class Floodgate:
    """Lets `limit` things of a key through in every window of `seconds`, and counts the others.

    May be used by several threads.
    """

    def __init__(self, limit: int = 10, seconds: float = 60.0, now: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._seconds = seconds
        self._now = now
        self._windows: dict[tuple[str, ...], _Window] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        closed = sum(window.suppressed > 0 for window in self._windows.values())
        return f"<Floodgate {self._limit} in {self._seconds:g} s, {len(self._windows)} keys, {closed} suppressed>"

    def admits(self, *key: str) -> bool:
        """Whether one more thing of `key` may be said in this window; otherwise it is counted."""
        with self._lock:
            window = self._window(key)
            if window.admitted < self._limit:
                window.admitted += 1
                return True
            window.suppressed += 1
            return False

    def _window(self, key: tuple[str, ...]) -> _Window:
        if key not in self._windows and len(self._windows) >= _MOST_KEYS:
            key = _REST
        window = self._windows.get(key)
        if window is None or (window.ends <= self._now() and not window.suppressed):
            window = self._windows[key] = _Window(ends=self._now() + self._seconds)
        return window

    def over(self, *, all_windows: bool = False) -> list[Suppressed]:
        """Return what was suppressed in the windows that are over (or in all of them) and open new ones."""
        if not self._windows:
            return []
        with self._lock:
            now = self._now()
            done = [(key, window) for key, window in self._windows.items() if all_windows or window.ends <= now]
            for key, _ in done:
                del self._windows[key]
        return [Suppressed(key, window.suppressed, self._seconds) for key, window in done if window.suppressed]
