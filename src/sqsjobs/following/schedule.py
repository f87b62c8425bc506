"""When whose record is read next: plain, synchronous, and so that any number of waiters costs a bounded number of reads.

A job that nobody tells about is read after 50 ms, then later and later, every second at last; where so many are
waited for that this would be more than 500 records a second, less often. Whoever is due soon is read with those
who are due now. A job whose changes the store pushes is read when it has changed, and now and then to make sure.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

from sqsjobs.job import JobId

__all__ = ["MOST_RECORDS", "Schedule"]

MOST_RECORDS: Final = 500.0
"""Records read a second, at most, of jobs that nobody tells about; those that are new are read at once all the same."""

_FIRST: Final = 0.05
_LAST: Final = 1.0
_GROWTH: Final = 1.4
_MAKE_SURE: Final = 30.0
_COMPANY: Final = 0.25
"""Share of its pause by which a record may be read early, so that reads carry many."""


@dataclass(slots=True)
class _Turn:
    due: float
    pause: float = _FIRST
    told: bool = False


class Schedule:
    """The turns of all jobs that are followed; times are seconds on any clock that only goes forward."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._turns: dict[JobId, _Turn] = {}

    def __len__(self) -> int:
        return len(self._turns)

    def add(self, job_id: JobId, now: float) -> None:
        """Follow a job: it is due at once."""
        self._turns[job_id] = _Turn(now)

    def discard(self, job_id: JobId) -> None:
        """Follow it no more."""
        self._turns.pop(job_id, None)

    def told_of(self, job_id: JobId, *, told: bool) -> None:
        """Say whether the changes of a job are told from now on."""
        if turn := self._turns.get(job_id):
            turn.told = told

    def told_of_none(self) -> None:
        """Say that nobody tells of any change any more."""
        for turn in self._turns.values():
            turn.told = False

    def wake(self, job_id: JobId | None, now: float) -> None:
        """Say that a record has changed, or (None) that any may have."""
        woken = self._turns if job_id is None else (job_id,)
        for each in woken:
            if turn := self._turns.get(each):
                turn.due = min(turn.due, now)

    def again(self, job_id: JobId, now: float) -> None:
        """Say that the read of a record has failed, so that nothing is known of it, whoever tells of its changes."""
        if turn := self._turns.get(job_id):
            turn.due = min(turn.due, now + turn.pause * self._random.uniform(1.0, 1.0 + _COMPANY))

    @property
    def next_due(self) -> float | None:
        """When somebody is due, or None."""
        return min((turn.due for turn in self._turns.values()), default=None)

    def take_due(self, now: float) -> list[JobId]:
        """Return whose records to read now, and give each its next turn; empty if nobody is due."""
        if (first := self.next_due) is None or first > now:
            return []
        due = [job_id for job_id, turn in self._turns.items() if turn.due <= now + self._early(turn)]
        for job_id in due:
            self._set_next(self._turns[job_id], now)
        return due

    def _early(self, turn: _Turn) -> float:
        return _COMPANY * (_MAKE_SURE if turn.told else turn.pause)

    def _set_next(self, turn: _Turn, now: float) -> None:
        pause = _MAKE_SURE if turn.told else turn.pause
        turn.due = now + pause * self._random.uniform(1.0, 1.0 + _COMPANY)
        bound = len(self._turns) / MOST_RECORDS / (1.0 - _COMPANY)  # since company makes turns come early
        turn.pause = max(min(_LAST, turn.pause * _GROWTH), bound)
