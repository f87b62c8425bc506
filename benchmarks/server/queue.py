"""One standard queue: what waits, what is hidden, and who waits for it."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Given", "Message", "Queue", "Waiter"]

_HANDLE: Final = "AQEB" + "benchmark/+" * 30
"""Receipt handles of SQS are some 350 characters long; so are these, for what they cost a client to carry."""
_SWEEP: Final = 0.25
"""Seconds between two looks for messages whose visibility has run out."""


@dataclass(slots=True, eq=False)
class Message:
    """A message; times in seconds since the epoch, as SQS tells them, but the deadline by the loop's clock."""

    body: str
    attributes: dict[str, object] | None
    group: str | None = None
    message_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    digest: str = ""
    sent: float = field(default_factory=time.time)
    received: int = 0
    first_received: float = 0.0
    hidden_until: float = 0.0

    def __post_init__(self) -> None:
        self.digest = self.digest or hashlib.md5(self.body.encode(), usedforsecurity=False).hexdigest()

    def again(self) -> Message:
        """Return a message that is sent now and says the same."""
        return Message(self.body, self.attributes, self.group, digest=self.digest)


Given = list[tuple[str, Message]]
"""Messages with their receipt handles."""


@dataclass(slots=True, eq=False)
class Waiter:
    """An open long poll."""

    limit: int
    visibility: float
    give: Callable[[Given], None]
    timer: asyncio.TimerHandle | None = None


@dataclass(slots=True, eq=False)
class Queue:
    """A queue, and what was counted on it.

    Attributes:
        deleted: messages that were deleted since the last `restart`.
        drained: set once `expected` messages are deleted.
    """

    name: str
    attributes: dict[str, str]
    ready: deque[Message] = field(default_factory=deque)
    hidden: dict[str, Message] = field(default_factory=dict)
    waiters: deque[Waiter] = field(default_factory=deque)
    delayed: int = 0
    kept: list[Message] = field(default_factory=list)
    deleted: int = 0
    expected: int = 0
    first_received: float = 0.0
    last_deleted: float = 0.0
    drained: asyncio.Event = field(default_factory=asyncio.Event)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _sweeper: asyncio.TimerHandle | None = None

    def send(self, message: Message, delay: float) -> None:
        if not delay:
            self.ready.append(message)
            self.serve()
            return
        self.delayed += 1
        asyncio.get_running_loop().call_later(delay, self._arrive, message)

    def _arrive(self, message: Message) -> None:
        self.delayed -= 1
        self.send(message, 0)

    def receive(self, limit: int, visibility: float) -> Given:
        """Hide up to `limit` messages and return them."""
        given: Given = []
        ready, hidden = self.ready, self.hidden
        if not ready:
            return given
        now, until = time.time(), asyncio.get_running_loop().time() + visibility
        self.first_received = self.first_received or time.monotonic()
        while ready and len(given) < limit:
            message = ready.popleft()
            message.received += 1
            message.first_received = message.first_received or now
            message.hidden_until = until
            handle = f"{_HANDLE}{next(self._numbers)}"
            hidden[handle] = message
            given.append((handle, message))
        self._sweep_later()
        return given

    def wait(self, waiter: Waiter, seconds: float) -> None:
        """Give the waiter what comes within `seconds`, or nothing then."""
        self.waiters.append(waiter)
        waiter.timer = asyncio.get_running_loop().call_later(seconds, self._time_is_up, waiter)

    def _time_is_up(self, waiter: Waiter) -> None:
        self.waiters.remove(waiter)
        waiter.give([])

    def leave(self, waiter: Waiter) -> None:
        """Forget a waiter whose connection is gone."""
        if waiter in self.waiters:
            self.waiters.remove(waiter)
        if waiter.timer is not None:
            waiter.timer.cancel()

    def serve(self) -> None:
        """Give what is ready to those who wait, the longest waiting first."""
        while self.waiters and self.ready:
            waiter = self.waiters.popleft()
            if waiter.timer is not None:
                waiter.timer.cancel()
            waiter.give(self.receive(waiter.limit, waiter.visibility))

    def delete(self, handle: str) -> bool:
        """Return whether the handle was that of a hidden message."""
        if self.hidden.pop(handle, None) is None:
            return False
        self.deleted += 1
        self.last_deleted = time.monotonic()
        if self.deleted >= self.expected:
            self.drained.set()
        return True

    def hide(self, handle: str, seconds: float) -> bool:
        """Return whether the handle was that of a hidden message, which is hidden for `seconds` from now."""
        message = self.hidden.get(handle)
        if message is None:
            return False
        message.hidden_until = asyncio.get_running_loop().time() + seconds
        if not seconds:
            self._show(handle)
        return True

    def _show(self, handle: str) -> None:
        self.ready.append(self.hidden.pop(handle))
        self.serve()

    def _sweep_later(self) -> None:
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(_SWEEP, self._sweep)

    def _sweep(self) -> None:
        self._sweeper = None
        now = asyncio.get_running_loop().time()
        for handle in [it for it, message in self.hidden.items() if message.hidden_until <= now]:
            self._show(handle)
        if self.hidden:
            self._sweep_later()

    # For the conductor

    def keep(self) -> int:
        """Remember what is ready, to be put back again and again; return how much it is."""
        self.kept = list(self.ready)
        self.ready.clear()
        return len(self.kept)

    def restart(self, count: int) -> float:
        """Put back `count` of the kept messages, and nothing else; return when those who wait may have them."""
        self.ready.clear()
        self.hidden.clear()
        self.deleted, self.expected = 0, count
        self.first_received = self.last_deleted = 0.0
        self.drained.clear()
        kept = itertools.islice(itertools.cycle(self.kept), count) if self.kept else ()
        self.ready.extend(message.again() for message in kept)
        began = time.monotonic()
        self.serve()
        return began
