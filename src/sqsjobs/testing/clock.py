"""A clock that tests can move ahead, so that nobody waits for a delay or a backoff."""

from __future__ import annotations

from datetime import timedelta

from sqsjobs.clock import SystemClock
from sqsjobs.sending import seconds_of

__all__ = ["MovableClock"]


class MovableClock:
    """The machine's clock, plus whatever it was moved ahead by."""

    def __init__(self) -> None:
        self._machine = SystemClock()
        self._ahead = 0.0

    def __repr__(self) -> str:
        return f"<MovableClock, {self._ahead:g} s ahead>"

    def now(self) -> float:
        return self._machine.now() + self._ahead

    def wall(self) -> float:
        return self._machine.wall() + self._ahead

    def advance(self, duration: timedelta | float) -> None:
        """Move ahead by a `timedelta`, or by seconds.

        Raises:
            ConfigurationError: if it is negative: this clock only goes forward.
        """
        self._ahead += seconds_of(duration, "duration")
