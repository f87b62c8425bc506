"""Time as the workers see it: one clock for durations, one for dates."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

__all__ = ["Clock", "CorrectedClock", "SystemClock"]


class Clock(Protocol):
    """Where durations and dates come from; simulations bring their own."""

    def now(self) -> float:
        """Return seconds on a clock that only goes forward and keeps running while the machine is suspended."""
        ...

    def wall(self) -> float:
        """Return seconds since 1970 (UTC); it may jump, so it is for dates alone."""
        ...


class SystemClock:
    """The machine's clocks: CLOCK_BOOTTIME where there is one (Linux), so that a suspend counts against leases."""

    __slots__ = ()

    if hasattr(time, "CLOCK_BOOTTIME"):
        now = staticmethod(partial(time.clock_gettime, time.CLOCK_BOOTTIME))
    else:  # pragma: no cover - macOS: its monotonic clock stops in sleep, which design accepts for development
        now = staticmethod(time.monotonic)

    def wall(self) -> float:
        return time.time()


class CorrectedClock:
    """A machine's clock whose dates follow somebody else's, so that machines agree on them.

    Args:
        machine: the clock of this machine.
        correction: returns the seconds to add to its dates.
    """

    def __init__(self, machine: Clock, correction: Callable[[], float]) -> None:
        self._machine = machine
        self._correction = correction
        self.now: Callable[[], float] = machine.now

    def wall(self) -> float:
        return self._machine.wall() + self._correction()
