"""Who polls and who starts: slots shared by queues according to their weights. Plain and synchronous.

A slot is the permission to run one job. A busy queue's poll is made for slots that are free; an idle queue's one
open poll holds none, and what it brings beyond the free slots waits here, under heartbeats, and starts first.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from sqsjobs.transport.base import MAX_BATCH_ENTRIES, is_fifo
from sqsjobs.worker.held import Held
from sqsjobs.worker.options import WatchedQueue, WorkerOptions
from sqsjobs.worker.pace import Pace

__all__ = ["Intake", "Poll", "QueueIntake"]

_MOST_POLLS: Final = 96
"""Receives under way at once for one queue; a transport to SQS has connections for more (`Pools.poll`)."""


@dataclass(slots=True, eq=False)
class QueueIntake:
    """What is going on with one queue.

    Attributes:
        name, weight: as watched.
        fifo: whether one message of a group is in hand at a time.
        per_receive: messages that one receive asks for at most.
        waiting: what came and has not started, oldest first.
        open_polls: receives under way.
        window: receives that may be under way at once; grows while they come back full.
        idle: whether the last receive brought nothing.
        paused_until: no receive is sent before this.
        served: jobs started, divided by the weight: the lowest is served first.
        busy_groups: the FIFO groups of which a message has started and is not settled, each with that message.
        last_empty: when the newest receive that came back empty had been sent; for `--burst`.
    """

    name: str
    weight: int
    fifo: bool
    per_receive: int
    waiting: deque[Held] = field(default_factory=deque)
    open_polls: int = 0
    window: int = 1
    idle: bool = True
    paused_until: float = 0.0
    served: float = 0.0
    busy_groups: dict[str, Held] = field(default_factory=dict)
    last_empty: float = -math.inf

    @property
    def ready(self) -> int:
        """How many of the waiting messages could start now, had they slots: of a FIFO group that is free, one."""
        if not self.fifo:
            return len(self.waiting)
        return len({held.delivery.group for held in self.waiting} - self.busy_groups.keys())

    def startable(self) -> Held | None:
        """Return the oldest waiting message whose group is free, without taking it."""
        for held in self.waiting:
            if not self.fifo or held.delivery.group not in self.busy_groups:
                return held
        return None


@dataclass(frozen=True, slots=True)
class Poll:
    """A receive to be made: for at most `limit` messages, `reserved` slots kept for them."""

    queue: QueueIntake
    limit: int
    reserved: int


class Intake:
    """Slots, and the queues that share them."""

    def __init__(self, queues: Iterable[WatchedQueue], options: WorkerOptions) -> None:
        self._slots = options.concurrency
        self._prefetch = options.prefetch == "auto"
        self.queues = [
            QueueIntake(
                name=watched.name,
                weight=watched.weight,
                fifo=is_fifo(watched.name),
                per_receive=options.fifo_receive if is_fifo(watched.name) else MAX_BATCH_ENTRIES,
            )
            for watched in queues
        ]
        self._by_name = {queue.name: queue for queue in self.queues}
        self.running = 0
        """Slots in use."""
        self._reserved = 0
        self._waiting = 0
        self._pace = Pace()
        self._freed_at: float | None = None
        self._burst = options.burst
        self._polls_wait = options.poll_wait > 0
        self.last_activity = 0.0
        """When something last came, ended or was settled."""

    def __getitem__(self, name: str) -> QueueIntake:
        return self._by_name[name]

    @property
    def waiting(self) -> int:
        """Messages that came and have not started."""
        return self._waiting

    @property
    def open_polls(self) -> int:
        """Receives under way."""
        return sum(queue.open_polls for queue in self.queues)

    @property
    def saturated(self) -> bool:
        """Whether every slot is in use."""
        return self.running >= self._slots

    @property
    def drained(self) -> bool:
        """Whether every queue's newest poll came back empty and was sent after anything last happened."""
        return all(queue.last_empty >= self.last_activity and not queue.open_polls for queue in self.queues)

    # Receives

    def idle_polls(self, now: float) -> Iterator[Poll]:
        """Yield a receive for each idle queue that has none open, as long as a slot is free to hope for."""
        if self.saturated:
            return
        for queue in self.queues:
            if queue.idle and not queue.open_polls and not queue.ready and now >= queue.paused_until:
                if self._burst and queue.last_empty >= self.last_activity and not (self.running and self._polls_wait):
                    continue
                yield self._opened(Poll(queue, min(queue.per_receive, self._slots), 0))

    def busy_polls(self, now: float) -> Iterator[Poll]:
        """Yield receives for busy queues, for what is free; the one that was served least comes first."""
        for queue in sorted(self.queues, key=_least_served):
            if queue.idle or now < queue.paused_until:
                continue
            while queue.open_polls < queue.window:
                room = self._room()
                if room <= 0 or not self._gathered(room, queue.per_receive, now):
                    return
                limit = min(room, queue.per_receive)
                yield self._opened(Poll(queue, limit, limit))

    def look_again_in(self, now: float) -> float | None:
        """Return in how many seconds another poll may be opened, where nothing but time is missing."""
        moments = [queue.paused_until for queue in self.queues if queue.paused_until > now and not queue.open_polls]
        if self._freed_at is not None and self._may_gather(now):
            moments.append(self._freed_at + self._pace.gather_time)
        return max(0.0, min(moments) - now) if moments else None

    def polled(self, poll: Poll, messages: int, *, reserved: int, seconds: float, sent_at: float) -> None:
        """Enter that a receive came back with `messages`, still holding `reserved` slots."""
        queue = poll.queue
        queue.open_polls -= 1
        self._reserved -= reserved
        if queue.idle and messages:  # a queue that was silent has no claim to what it did not use
            queue.served = max(queue.served, self._least_busy())
        queue.idle = messages == 0
        if messages == 0:
            queue.window = 1
            queue.last_empty = max(queue.last_empty, sent_at)
            return
        if messages >= poll.limit and reserved:
            self._pace.received(seconds)
            queue.window = min(queue.window * 2, self._most_polls(queue))
        elif messages < poll.limit:
            queue.window = max(1, queue.window - 1)

    def poll_failed(self, poll: Poll, *, reserved: int, paused_until: float) -> None:
        """Enter that a receive failed."""
        poll.queue.open_polls -= 1
        poll.queue.window = 1
        poll.queue.paused_until = max(poll.queue.paused_until, paused_until)
        self._reserved -= reserved

    def withdraw(self, reserved: int) -> None:
        """Give back the slots of a receive that keeps others waiting; it goes on as an idle queue's."""
        self._reserved -= reserved

    def pause(self, until: float) -> None:
        """Send no receive before `until`."""
        for queue in self.queues:
            queue.paused_until = max(queue.paused_until, until)

    # Starts

    def add(self, held: Held) -> None:
        """Let a message wait for its start."""
        queue = self._by_name[held.delivery.queue]
        queue.waiting.append(held)
        self._waiting += 1

    def start_next(self) -> Held | None:
        """Take the message that is to start now, if a slot is free: of the queue that was served least."""
        if self.saturated or not self._waiting:
            return None
        for queue in sorted(self.queues, key=_least_served) if len(self.queues) > 1 else self.queues:
            held = queue.startable()
            if held is not None:
                self._start(queue, held)
                return held
        return None

    def ended(self, now: float, seconds: float) -> None:
        """Enter that a job has left its slot after `seconds`."""
        self.running -= 1
        self._pace.ended(now, seconds, idle=not (self.running or self._waiting))
        if self._freed_at is None:
            self._freed_at = now

    def settled(self, held: Held) -> None:
        """Enter that a message is no longer in hand, so that the next of its group may start."""
        queue = self._by_name[held.delivery.queue]
        group = held.delivery.group
        if group is not None and queue.busy_groups.get(group) is held:
            del queue.busy_groups[group]

    def take_waiting(self, *, before: float | None = None) -> list[Held]:
        """Take out what has waited since `before` or longer (all, without it): it is to be given back."""
        taken: list[Held] = []
        for queue in self.queues:
            taken += self._take(queue, lambda held: before is None or held.lease.granted <= before)
        return taken

    def take_group(self, name: str, group: str | None) -> list[Held]:
        """Take out the waiting messages of a FIFO group whose head did not succeed; a standard queue has no heads."""
        queue = self._by_name[name]
        return self._take(queue, lambda held: held.delivery.group == group) if queue.fifo else []

    # Decisions

    def _start(self, queue: QueueIntake, held: Held) -> None:
        if queue.waiting[0] is held:
            queue.waiting.popleft()
        else:
            queue.waiting.remove(held)
        self._waiting -= 1
        self.running += 1
        queue.served += 1 / queue.weight
        if queue.fifo and held.delivery.group is not None:
            queue.busy_groups[held.delivery.group] = held

    def _take(self, queue: QueueIntake, wanted: Callable[[Held], bool]) -> list[Held]:
        taken = [held for held in queue.waiting if wanted(held)]
        if taken:
            gone = set(map(id, taken))
            queue.waiting = deque(held for held in queue.waiting if id(held) not in gone)
            self._waiting -= len(taken)
        return taken

    def _opened(self, poll: Poll) -> Poll:
        poll.queue.open_polls += 1
        self._reserved += poll.reserved
        self._freed_at = None
        return poll

    def _room(self) -> int:
        """Return for how many more messages there would be slots."""
        return self._slots + self._ahead() - self.running - self._reserved - sum(queue.ready for queue in self.queues)

    def _ahead(self) -> int:
        return self._pace.ahead(self._slots) if self._prefetch else 0

    def _gathered(self, room: int, per_receive: int, now: float) -> bool:
        """Whether enough slots are free for a receive that is worth its price, or have been free for long enough."""
        if room >= min(per_receive, self._slots) or not self.running:
            return True
        if self._starved_of_slots:
            return False
        if self._freed_at is None:
            self._freed_at = now
        return now >= self._freed_at + self._pace.gather_time

    def _may_gather(self, now: float) -> bool:
        """Whether a receive is put off only until more slots are free."""
        wanted = any(
            not queue.idle and queue.open_polls < queue.window and now >= queue.paused_until for queue in self.queues
        )
        return wanted and self._room() > 0 and not self._starved_of_slots

    @property
    def _starved_of_slots(self) -> bool:
        """Whether messages wait for slots, so that none is needed before a receive of ten is possible."""
        return self._waiting > 0 and self.saturated

    def _most_polls(self, queue: QueueIntake) -> int:
        return min(_MOST_POLLS, max(1, math.ceil((self._slots + self._ahead()) / queue.per_receive)))

    def _least_busy(self) -> float:
        busy = [queue.served for queue in self.queues if queue.waiting or not queue.idle]
        return min(busy, default=0.0)


def _least_served(queue: QueueIntake) -> float:
    return queue.served
