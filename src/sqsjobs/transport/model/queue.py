"""One queue: which of its messages are delayed, visible or in flight, and since when."""

from __future__ import annotations

from sqsjobs.transport.model.agenda import Agenda
from sqsjobs.transport.model.attributes import Settings
from sqsjobs.transport.model.fifo import Attempts, Deduplication
from sqsjobs.transport.model.messages import Message, Phase
from sqsjobs.transport.model.order import FifoOrder, Order, StandardOrder

__all__ = ["Queue"]


class Queue:
    """The messages of a queue and what becomes of them in time. Every call is O(log n) at most.

    `advance` must be called with the present before anything else is asked; all other methods take
    the queue as it stands.
    """

    def __init__(self, name: str, *, arn: str, url_id: str, settings: Settings, created_wall: int) -> None:
        self.name = name
        self.arn = arn
        self.id = url_id
        self.settings = settings
        self.created_wall = created_wall
        self.modified_wall = created_wall
        self.purged_at = float("-inf")
        self.tags: dict[str, str] = {}
        self.deduplication = Deduplication()
        self.attempts = Attempts()
        self.messages: dict[str, Message] = {}
        self.delayed = 0
        self.in_flight = 0
        self._order: Order = FifoOrder() if settings.fifo else StandardOrder()
        self._changes = Agenda(self._is_pending)
        self._ages = Agenda(self._is_held)

    @property
    def visible(self) -> int:
        """Messages that are neither delayed nor in flight."""
        return len(self.messages) - self.delayed - self.in_flight

    def advance(self, now: float) -> None:
        """Carry out what time has done: delays and visibility timeouts that have ended, messages past retention."""
        for message in self._changes.due(now):
            self.show(message)
        for message in self._ages.due(now, lag=self.settings.retention):
            self.remove(message)

    def next_change(self) -> float | None:
        """Return when time will next do something to this queue, on the clock, or None."""
        change, oldest = self._changes.next_time(), self._ages.next_time()
        end = None if oldest is None else oldest + self.settings.retention
        return min((when for when in (change, end) if when is not None), default=None)

    def put(self, message: Message, *, delayed_until: float | None = None) -> None:
        """Take a message in, visible at once or from `delayed_until` on."""
        self.messages[message.id] = message
        self._ages.add(message.sent_at, message, live=len(self.messages))
        message.phase = Phase.VISIBLE
        if delayed_until is not None:
            self._hide(message, Phase.DELAYED, delayed_until)
        self._order.enter(message)

    def next(self, limit: int) -> list[Message]:
        """Return the messages that a receive of up to `limit` gets; they stay as they are."""
        return self._order.next(limit)

    def hide(self, message: Message, until: float) -> None:
        """Put a message in flight until a time, or change that time."""
        self._count(message.phase, -1)
        self._hide(message, Phase.IN_FLIGHT, until)
        self._order.changed(message)

    def show(self, message: Message) -> None:
        """Make a message visible."""
        self._count(message.phase, -1)
        message.phase = Phase.VISIBLE
        self._order.changed(message)

    def remove(self, message: Message) -> None:
        """Take a message out for good."""
        del self.messages[message.id]
        self._count(message.phase, -1)
        message.phase = Phase.GONE
        self._order.leave(message)

    def purge(self, now: float) -> None:
        """Take all messages out."""
        for message in self.messages.values():
            message.phase = Phase.GONE
        self.messages.clear()
        self.delayed = self.in_flight = 0
        self.deduplication.clear()
        self._order.clear()
        self._changes.clear()
        self._ages.clear()
        self.purged_at = now

    def _hide(self, message: Message, phase: Phase, until: float) -> None:
        message.phase, message.due = phase, until
        self._count(phase, +1)
        self._changes.add(until, message, live=self.delayed + self.in_flight)

    def _count(self, phase: Phase, step: int) -> None:
        if phase is Phase.IN_FLIGHT:
            self.in_flight += step
        elif phase is Phase.DELAYED:
            self.delayed += step

    def _is_pending(self, when: float, message: Message) -> bool:
        hidden = message.phase is Phase.IN_FLIGHT or message.phase is Phase.DELAYED
        return hidden and message.due == when and self._is_held(when, message)

    def _is_held(self, _when: float, message: Message) -> bool:
        return self.messages.get(message.id) is message
