"""The order in which the visible messages of a queue are given out: standard, and FIFO by message group."""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import Protocol

from sqsjobs.transport.model.messages import Message, Phase

__all__ = ["FifoOrder", "Order", "StandardOrder"]


class Order(Protocol):
    """Knows which messages come next; it is told of everything that happens to them. Every call is O(1)."""

    def enter(self, message: Message) -> None:
        """A message is in the queue, visible or not."""
        ...

    def changed(self, message: Message) -> None:
        """The phase of a message has changed."""
        ...

    def leave(self, message: Message) -> None:
        """A message is no longer in the queue."""
        ...

    def next(self, limit: int) -> list[Message]:
        """Return the messages that one receive of up to `limit` gets."""
        ...

    def clear(self) -> None:
        """All messages are gone."""
        ...


class StandardOrder:
    """Visible messages in the order in which they became visible: best effort, as SQS says."""

    __slots__ = ("_visible",)

    def __init__(self) -> None:
        self._visible: OrderedDict[str, Message] = OrderedDict()

    def enter(self, message: Message) -> None:
        self.changed(message)

    def changed(self, message: Message) -> None:
        if message.phase is Phase.VISIBLE:
            self._visible[message.id] = message
        else:
            self._visible.pop(message.id, None)

    def leave(self, message: Message) -> None:
        self._visible.pop(message.id, None)

    def next(self, limit: int) -> list[Message]:
        return list(islice(self._visible.values(), limit))

    def clear(self) -> None:
        self._visible.clear()


class FifoOrder:
    """Messages by group. A group's messages come in the order of sending, up to the first that is not visible.

    So a group is blocked while its first message is in flight, and a receive takes as many messages
    of one group as it can before it turns to the next. Recorded answers of AWS show exactly this: a
    message that is visible again is given out although a later one of its group is still in flight,
    and never one behind a message in flight.
    """

    __slots__ = ("_groups", "_open")

    def __init__(self) -> None:
        self._groups: dict[str, OrderedDict[str, Message]] = {}
        self._open: OrderedDict[str, OrderedDict[str, Message]] = OrderedDict()

    def enter(self, message: Message) -> None:
        group = self._groups.setdefault(_group_of(message), OrderedDict())
        group[message.id] = message
        self._look_at(_group_of(message), group)

    def changed(self, message: Message) -> None:
        self._look_at(_group_of(message), self._groups[_group_of(message)])

    def leave(self, message: Message) -> None:
        name = _group_of(message)
        group = self._groups[name]
        group.pop(message.id, None)
        self._look_at(name, group)
        if not group:
            del self._groups[name]

    def next(self, limit: int) -> list[Message]:
        found: list[Message] = []
        for group in self._open.values():
            for message in group.values():
                if len(found) == limit:
                    return found
                if message.phase is not Phase.VISIBLE:
                    break
                found.append(message)
        return found

    def clear(self) -> None:
        self._groups.clear()
        self._open.clear()

    def _look_at(self, name: str, group: OrderedDict[str, Message]) -> None:
        head = next(iter(group.values()), None)
        if head is None or head.phase is not Phase.VISIBLE:
            self._open.pop(name, None)
        elif name not in self._open:
            self._open[name] = group


def _group_of(message: Message) -> str:
    return message.group or ""
