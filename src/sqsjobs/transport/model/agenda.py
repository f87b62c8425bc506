"""What is to happen to messages, in the order of time."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator

from sqsjobs.transport.model.messages import Message

__all__ = ["Agenda"]


class Agenda:
    """Messages by the time at which something is due for them: O(log n) to add, O(1) to look.

    Entries are not removed when they become void (SQS changes its mind about a message with every
    heartbeat); they are skipped when their time comes, and swept out once they are the majority.
    """

    __slots__ = ("_entries", "_holds", "_serial")

    def __init__(self, holds: Callable[[float, Message], bool]) -> None:
        self._holds = holds
        self._entries: list[tuple[float, int, Message]] = []
        self._serial = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, when: float, message: Message, *, live: int) -> None:
        """Note that something is due for `message` at `when`; at most `live` of the entries still hold."""
        if len(self._entries) > 2 * live + 64:
            self._sweep()
        self._serial += 1
        heapq.heappush(self._entries, (when, self._serial, message))

    def next_time(self) -> float | None:
        """Return when the next thing is due, or None."""
        entries = self._entries
        while entries and not self._holds(entries[0][0], entries[0][2]):
            heapq.heappop(entries)
        return entries[0][0] if entries else None

    def due(self, now: float, *, lag: float = 0.0) -> Iterator[Message]:
        """Yield, and take off the agenda, the messages whose time, `lag` added, has come, in order."""
        while (when := self.next_time()) is not None and when + lag <= now:
            yield heapq.heappop(self._entries)[2]

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()

    def _sweep(self) -> None:
        self._entries = [entry for entry in self._entries if self._holds(entry[0], entry[2])]
        heapq.heapify(self._entries)
