"""What a worker still owes: callbacks of jobs that have ended, which could not be sent yet, by the messages kept for them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from sqsjobs.job import Job
from sqsjobs.outcome import AlreadyEnded

__all__ = ["Debt", "Owed"]

_MOST_BYTES: Final = 33_554_432
"""Bytes of callbacks that are remembered, about."""
_EACH: Final = 1024
"""Bytes that one takes beside its arguments, about."""


@dataclass(frozen=True, slots=True)
class Debt:
    """A callback that could not be sent.

    Attributes:
        notice: the job that is to post it.
        ended: what becomes of the message when it comes again, once that is paid.
    """

    notice: Job
    ended: AlreadyEnded

    @property
    def size(self) -> int:
        """Its bytes in memory, about."""
        return len(self.notice.arguments) + _EACH


class Owed:
    """Debts by message id; beyond `most_bytes` the oldest are forgotten."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most = most_bytes
        self._bytes = 0
        self._debts: OrderedDict[str, Debt] = OrderedDict()

    def __len__(self) -> int:
        return len(self._debts)

    def get(self, message_id: str) -> Debt | None:
        """Return what is owed for this message, or None."""
        return self._debts.get(message_id)

    def keep(self, message_id: str, debt: Debt) -> None:
        """Remember what is owed for this message."""
        self.drop(message_id)
        self._debts[message_id] = debt
        self._bytes += debt.size
        while self._bytes > self._most:
            self.drop(next(iter(self._debts)))

    def drop(self, message_id: str) -> None:
        """Owe nothing more for this message."""
        if debt := self._debts.pop(message_id, None):
            self._bytes -= debt.size
