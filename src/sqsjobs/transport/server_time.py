"""What the dates of SQS's answers say of this machine's clock.

Dates are compared between machines: when a job sent anew is due, until when a claim holds, whether a seal has
expired. So all are counted by one clock, which is that of SQS.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from math import inf
from typing import Final

from sqsjobs.clock import Clock, SystemClock

__all__ = ["ServerTime", "dated"]

_EVERY: Final = 1.0
"""Seconds between two answers that are listened to; all others cost one look at the clock."""
_RESOLUTION: Final = 1.0
"""Seconds that an answer may be younger than its date, which says no fractions (RFC 9110, section 5.6.7)."""
_TOLD: Final = 5.0
"""Seconds by which a clock is wrong before anybody is told, and by which it must have moved to be told again."""


class ServerTime:
    """By how much this machine's dates have to be moved to agree with the server's.

    An answer was made between its request and its arrival, in the second of its date: that bounds how far the
    server's clock is from the one here that never jumps, and every further answer bounds it more closely. A machine
    whose dates are within the bounds is left alone, so that a good clock is never made worse; else its dates are
    moved to the nearer bound, at most a second and a round trip from the truth. Bounds that contradict the last
    ones, because clocks drift, take their place.

    It may be listened to and asked in any thread.

    Args:
        clock: this machine's.
        tell: is told by how many seconds this machine's dates are moved, when it is many.
    """

    def __init__(self, clock: Clock | None = None, tell: Callable[[float], None] | None = None) -> None:
        self._clock = clock or SystemClock()
        self._tell = tell
        self._next = -inf
        self._told = 0.0
        self._bounds = (-inf, inf)  # of the server's date, less `clock.now()`

    def __repr__(self) -> str:
        return f"<ServerTime, {self.correction():+.1f} s>"

    def asked(self) -> float | None:
        """Return the moment at which a request is made whose answer is to be heard; None if it need not be."""
        now = self._clock.now()
        return now if now >= self._next else None

    def heard(self, date: str | None, asked_at: float | None) -> None:
        """Learn from an answer that has come just now.

        Args:
            date: its Date header, if it has one.
            asked_at: what `asked` returned before the request.
        """
        if asked_at is None or date is None or (moment := dated(date)) is None:
            return
        now = self._clock.now()
        self._next = now + _EVERY
        earliest, latest = moment - now, moment + _RESOLUTION - asked_at
        narrowed = max(earliest, self._bounds[0]), min(latest, self._bounds[1])
        self._bounds = narrowed if narrowed[0] <= narrowed[1] else (earliest, latest)
        self._tell_if_new(self.correction())

    def correction(self) -> float:
        """Return the seconds to add to this machine's dates; 0 while nothing has been heard."""
        earliest, latest = self._bounds
        ahead = self._clock.wall() - self._clock.now()
        if earliest <= ahead <= latest:
            return 0.0
        return (earliest if ahead < earliest else latest) - ahead

    def _tell_if_new(self, correction: float) -> None:
        if self._tell is not None and abs(correction - self._told) >= _TOLD:
            self._told = correction
            self._tell(correction)


def dated(text: str) -> float | None:
    """Return the moment of a Date header, seconds since 1970; None if it is no date."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date.replace(tzinfo=date.tzinfo or UTC).timestamp()
