"""Receives messages: opens the polls that the intake allows, never cancels one, and hands over what they bring."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from math import inf
from random import Random
from typing import Final
from uuid import uuid4

from sqsjobs.clock import Clock
from sqsjobs.errors import Throttled, TransportUnavailable
from sqsjobs.events import Observer, PollCompleted, PollFailed, PollPaused
from sqsjobs.transport.base import Delivery, Transport
from sqsjobs.worker.intake import Intake, Poll
from sqsjobs.worker.options import WorkerOptions

__all__ = ["Poller"]

_PATIENCE: Final = 0.1
"""Seconds after which an unanswered poll gives its slots back: the queue has nothing, and others may."""
_PAUSE_FIRST: Final = 0.5
_PAUSE_LONGEST: Final = 30.0

Received = Callable[[list[Delivery], float], None]
"""Takes what a receive brought, and when the receive was sent."""


class Poller:
    """Polls queues.

    A poll is not cancelled, for a cancelled receive still takes messages and hides them for a whole
    visibility timeout; so it is a task of its own, and no deadline but the transport's own ends it.
    """

    def __init__(
        self,
        intake: Intake,
        transport: Transport,
        options: WorkerOptions,
        received: Received,
        *,
        observer: Observer,
        clock: Clock,
        random: Random,
    ) -> None:
        self._intake = intake
        self._transport = transport
        self._wait = options.poll_wait
        self._visibility = options.visibility
        self._received = received
        self._tell = observer
        self._clock = clock
        self._random = random
        self._polls: set[asyncio.Task[None]] = set()
        self._failures: dict[str, int] = {queue.name: 0 for queue in intake.queues}
        self._failed_at: dict[str, float] = {queue.name: -inf for queue in intake.queues}
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False
        self.last_ended = clock.now()
        """When a poll last ended, with messages, without, or with an error."""

    def stop(self) -> None:
        """Open no further poll."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    async def ended(self) -> None:
        """Return when every poll has ended by itself."""
        while self._polls:
            await asyncio.wait(self._polls)

    @property
    def failing(self) -> dict[str, int]:
        """The queues whose last polls failed, and how many in a row."""
        return {queue: failures for queue, failures in self._failures.items() if failures}

    def pause(self, reason: str, seconds: float) -> None:
        """Open no poll for `seconds`."""
        self._intake.pause(self._clock.now() + seconds)
        self._tell(PollPaused("*", reason, seconds))

    def poll_idle(self) -> None:
        """Open a poll for every idle queue that has none."""
        if not self._stopped:
            self._open(self._intake.idle_polls(self._clock.now()))

    def poll_busy(self) -> None:
        """Open polls for the slots that are free."""
        if self._stopped:
            return
        now = self._clock.now()
        self._open(self._intake.busy_polls(now))
        again = self._intake.look_again_in(now)
        if again is not None:
            self._look_again_in(again)

    def _open(self, polls: Iterable[Poll]) -> None:
        for poll in polls:
            task = asyncio.create_task(self._poll(poll), name=f"poll {poll.queue.name}")
            self._polls.add(task)
            task.add_done_callback(self._polls.discard)

    def _look_again_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds + 0.0005, self._look_again)

    def _look_again(self) -> None:
        self._timer = None
        self.poll_idle()
        self.poll_busy()

    async def _poll(self, poll: Poll) -> None:
        reservation = _Reservation(poll.reserved, self._withdraw)
        asked_at = self._clock.now()
        try:
            deliveries, asked_at = await self._receive(poll)
        except Exception as problem:  # noqa: BLE001 - whatever went wrong, the queue must be polled again
            self._failed(poll, reservation.close(), problem, asked_at)
            return
        ended = self.last_ended = self._clock.now()
        self._failures[poll.queue.name] = 0
        self._intake.polled(
            poll, len(deliveries), reserved=reservation.close(), seconds=ended - asked_at, sent_at=asked_at
        )
        self._tell(PollCompleted(poll.queue.name, len(deliveries), ended - asked_at))
        self._received(deliveries, asked_at)

    async def _receive(self, poll: Poll) -> tuple[list[Delivery], float]:
        """Receive once; return what came, and when the request that was answered had been sent.

        On FIFO a lost answer is asked for again under the same attempt id, as SQS offers: it gives the same
        messages, and their visibility begins anew. After throttling the id is dead ("Using the
        ReceiveRequestAttemptId", SQS developer guide).
        """
        queue = poll.queue.name
        attempt_id = str(uuid4()) if poll.queue.fifo else None
        receive = partial(
            self._transport.receive, queue, limit=poll.limit, visibility=self._visibility, attempt_id=attempt_id
        )
        asked_at = self._clock.now()
        try:
            return await receive(wait=self._wait), asked_at
        except TransportUnavailable as problem:
            if attempt_id is None or not problem.sent or isinstance(problem, Throttled):
                raise
            asked_at = self._clock.now()
            return await receive(wait=0), asked_at

    def _withdraw(self, reserved: int) -> None:
        self._intake.withdraw(reserved)
        self.poll_busy()

    def _failed(self, poll: Poll, reserved: int, problem: Exception, asked_at: float) -> None:
        queue, now = poll.queue.name, self._clock.now()
        if asked_at >= self._failed_at[queue]:  # polls that were open together fail together: that is one failure
            self._failures[queue] += 1
            self._failed_at[queue] = now
        self.last_ended = now
        ceiling = min(_PAUSE_LONGEST, _PAUSE_FIRST * 2 ** min(self._failures[queue], 10))
        pause = ceiling * (0.5 + 0.5 * self._random.random())
        self._intake.poll_failed(poll, reserved=reserved, paused_until=now + pause)
        self._tell(PollFailed(queue, str(problem), self._failures[queue], pause))
        self.poll_busy()


class _Reservation:
    """Slots that are kept for a poll's messages, but not for long."""

    __slots__ = ("_give_back", "_reserved", "_timer")

    def __init__(self, reserved: int, give_back: Callable[[int], None]) -> None:
        self._reserved = reserved
        self._give_back = give_back
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE, self._expire) if reserved else None

    def _expire(self) -> None:
        reserved, self._reserved = self._reserved, 0
        self._give_back(reserved)

    def close(self) -> int:
        """Return how many slots are still kept; the poll has ended."""
        if self._timer is not None:
            self._timer.cancel()
        return self._reserved
