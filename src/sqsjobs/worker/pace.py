"""How fast jobs run and messages come, measured, and what follows: how far ahead to fetch, how long to gather slots.

Ahead of free slots no more is fetched than would start within one round trip at one and a half times the rate at which
jobs have ended while there were any, and ten. Time without a job does not count: a queue far away that fills up would
otherwise seem to be worked on as slowly as its first messages come.
"""

from __future__ import annotations

import math
from typing import Final

from sqsjobs.transport.base import MAX_BATCH_ENTRIES

__all__ = ["MOST_AHEAD", "Pace"]

_SHORT_JOB: Final = 1.0
"""Seconds up to which jobs are short enough to fetch ahead for."""
_FIRST_TRIP: Final = 0.02
"""Seconds that a receive is taken to last before one was measured."""
_SMOOTHING: Final = 0.1
"""Weight of the newest value in the running means."""
_RATE_OVER: Final = 0.05
"""Seconds over which ends are counted for their rate, as long as something runs."""
_FEW: Final = 10
"""Jobs; where fewer have ended before nothing runs any more, their rate says little about that of many."""
_HEADROOM: Final = 1.5
"""How much faster than measured the next starts may come: what is fetched must never be what slows them down."""
MOST_AHEAD: Final = 10
"""What may be fetched ahead, in multiples of the slots."""
_GATHER_SHARE: Final = 0.02
"""Share of a job's duration for which freed slots gather, so that receives come in tens."""
_GATHER: Final = (0.005, 0.1)
"""The shortest and the longest such time, in seconds."""


class Pace:
    """Running means of how long jobs and receives take, and the rate at which jobs end while any run."""

    __slots__ = ("_count", "_mean_run", "_mean_trip", "_rate", "_since")

    def __init__(self) -> None:
        self._mean_run: float | None = None
        self._mean_trip = _FIRST_TRIP
        self._rate = 0.0
        self._count = 0
        self._since: float | None = None

    def ended(self, now: float, seconds: float, *, idle: bool) -> None:
        """Enter that a job has left its slot, after `seconds`; `idle`: nothing else runs, or waits to."""
        if self._mean_run is None:
            self._mean_run = seconds
        self._mean_run += _SMOOTHING * (seconds - self._mean_run)
        if self._since is None:
            self._since = now - seconds
        self._count += 1
        elapsed = now - self._since
        if elapsed >= _RATE_OVER or (idle and self._count >= _FEW and elapsed > 0):
            self._rate = self._count / elapsed
            self._count, self._since = 0, now
        if idle:
            self._count, self._since = 0, None

    def received(self, seconds: float) -> None:
        """Enter that a receive of all that was asked for took `seconds`: it had nothing to wait for but the way."""
        self._mean_trip += _SMOOTHING * (seconds - self._mean_trip)

    def ahead(self, slots: int) -> int:
        """Return how many messages may start within one round trip, and until ten more can be received at once.

        Jobs that wait start as fast as slots are freed; what slots allow is far too much where jobs end at once.
        """
        if self._mean_run is None or self._mean_run > _SHORT_JOB:
            return 0
        starts_per_second = min(slots / max(self._mean_run, 1e-6), _HEADROOM * self._rate)
        within_trip = math.ceil(starts_per_second * self._mean_trip)
        return min(MOST_AHEAD * slots, within_trip + MAX_BATCH_ENTRIES)

    @property
    def gather_time(self) -> float:
        """For how many seconds freed slots gather before a receive is made for fewer than ten."""
        shortest, longest = _GATHER
        return min(longest, max(shortest, _GATHER_SHARE * (self._mean_run or 0.0)))
