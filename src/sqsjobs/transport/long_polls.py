"""Long polls held open on a model of SQS: who waits, who is served first, and who watches the time.

The polls may wait in different event loops, in different threads; everything here happens under the
lock of whoever holds the model, and reaches a loop by `call_soon_threadsafe` alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from math import ceil

from sqsjobs.transport.model import Fault, Receipt, ReceiveRequest, Refusal, SqsModel

__all__ = ["LongPoll", "LongPolls"]


class LongPoll:
    """One receive that waits. It goes on when its caller has gone: what it finds is then hidden, and nobody has it.

    Attributes:
        answer: resolves in the caller's event loop: with what was received, or with a `Refusal`.
        deadline: when it ends with nothing, on the model's clock.
        watches: when its event loop will look at the queue again, on the model's clock.
    """

    def __init__(self, queue: str, request: ReceiveRequest, *, deadline: float, fault: Fault) -> None:
        self.queue = queue
        self.request = request
        self.deadline = deadline
        self.fault = fault
        self.loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[list[Receipt]] = self.loop.create_future()
        self.watches = float("inf")
        self._alarm: asyncio.TimerHandle | None = None

    def is_watching(self, when: float) -> bool:
        """Whether its event loop will look at the queue at `when` or before."""
        return self.watches <= when and not self.loop.is_closed()

    def end(self, received: list[Receipt] | Refusal) -> None:
        """Give the caller its answer, if there still is a caller."""
        self._tell_loop(self._resolve, received)

    def watch(self, when: float, *, now: float, ring: Callable[[LongPoll], None]) -> bool:
        """Have this poll's event loop call `ring` at `when`; False if that loop is closed."""
        self.watches = when if self._tell_loop(self._set_alarm, when - now, ring) else float("inf")
        return self.watches == when

    def _tell_loop(self, callback: Callable[..., None], *arguments: object) -> bool:
        try:
            self.loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:  # the loop is closed, its callers are gone
            return False
        return True

    def _resolve(self, received: list[Receipt] | Refusal) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        if self.answer.done():
            return
        if isinstance(received, Refusal):
            self.answer.set_exception(received)
        else:
            self.answer.set_result(received)

    def _set_alarm(self, delay: float, ring: Callable[[LongPoll], None]) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        if not self.answer.done() or self.answer.cancelled():
            self._alarm = self.loop.call_later(max(delay, 0.0), ring, self)


class LongPolls:
    """The open polls of a model's queues, served in the order of their coming.

    What becomes available is shared out: with three polls waiting, ten messages go 4, 3 and 3. Each poll
    watches for its own deadline; the first of a queue watches also for the queue's next change in time.

    Args:
        model: whose queues they wait for.
        ring: what an event loop calls when a poll's time has come; it passes it on to `rang`, under the lock.
    """

    def __init__(self, model: SqsModel, ring: Callable[[LongPoll], None]) -> None:
        self._model = model
        self._ring = ring
        self._open: dict[str, deque[LongPoll]] = {}

    def open(self, queue: str, request: ReceiveRequest, *, wait: float, fault: Fault) -> LongPoll:
        """Open a poll, in the running event loop, for a queue that has nothing to give."""
        now = self._model.account.clock.now()
        poll = LongPoll(queue, request, deadline=now + wait, fault=fault)
        self._open.setdefault(queue, deque()).append(poll)
        poll.watch(poll.deadline, now=now, ring=self._ring)
        self._keep_time(queue)
        return poll

    def settle(self) -> None:
        """Serve the polls of all queues in which something may have become available."""
        while woken := self._model.account.take_woken():
            for queue in sorted(woken):
                self.look_at(queue)

    def look_at(self, queue: str) -> None:
        """Serve the polls of one queue as far as it goes, and end those that are over."""
        if queue not in self._open:
            return
        try:
            self._serve(queue)
            self._keep_time(queue)
        except Refusal as refusal:  # the queue has been deleted
            for poll in self._open.pop(queue):
                poll.end(refusal)

    def rang(self, poll: LongPoll) -> None:
        """The time has come that this poll watched for: look at its queue, and watch on if it stays open."""
        poll.watches = float("inf")
        self.look_at(poll.queue)
        self.settle()
        if poll in self._open.get(poll.queue, ()) and poll.watches > poll.deadline:
            poll.watch(poll.deadline, now=self._model.account.clock.now(), ring=self._ring)

    def look_at_all(self) -> None:
        """Serve the polls of all queues: the clock has been moved."""
        for queue in tuple(self._open):
            self.look_at(queue)
        self.settle()

    def end_all(self) -> None:
        """End all polls with nothing."""
        for polls in self._open.values():
            for poll in polls:
                poll.end([])
        self._open.clear()

    def _serve(self, queue: str) -> None:
        self._end_overdue(queue)
        while (polls := self._open.get(queue)) and (received := self._receive(polls[0], len(polls))):
            polls.popleft().end(received)
            self._forget_if_empty(queue)

    def _receive(self, poll: LongPoll, polls: int) -> list[Receipt] | Refusal:
        visible = self._model.account.queue(poll.queue).visible
        if not visible:
            return []
        try:
            return self._model.receiving.receive(
                poll.queue, poll.request, share=ceil(visible / polls), fault=poll.fault
            )
        except Refusal as refusal:
            return refusal

    def _end_overdue(self, queue: str) -> None:
        now, polls = self._model.account.clock.now(), self._open[queue]
        if all(poll.deadline > now for poll in polls):
            return
        for poll in [poll for poll in polls if poll.deadline <= now]:
            polls.remove(poll)
            poll.end([])
        self._forget_if_empty(queue)

    def _keep_time(self, queue: str) -> None:
        polls = self._open.get(queue)
        if not polls:
            return
        now, change = self._model.account.clock.now(), self._model.account.queue(queue).next_change()
        for poll in polls:
            when = poll.deadline if change is None else min(poll.deadline, change)
            if poll.is_watching(when) or poll.watch(when, now=now, ring=self._ring):
                return

    def _forget_if_empty(self, queue: str) -> None:
        if not self._open[queue]:
            del self._open[queue]
