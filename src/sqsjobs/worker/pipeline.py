"""The stages of one worker, joined: what polls bring goes to the intake, what may start to the dispatcher.

Here is when to poll, when to start and how to stop; what those are is in the stages themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextvars import copy_context
from typing import Final

from anyio import create_task_group, move_on_after

from sqsjobs.events import WorkerReady, WorkerStopping
from sqsjobs.outcome import KeysDown, Outcome, StoreDown, Succeeded
from sqsjobs.transport.base import Delivery, QueueDescription
from sqsjobs.worker.cancellations import Cancellations
from sqsjobs.worker.health import Health, Signs
from sqsjobs.worker.held import Held
from sqsjobs.worker.intake import Intake
from sqsjobs.worker.poller import Poller
from sqsjobs.worker.quota import Quota
from sqsjobs.worker.stages import (
    Surroundings,
    claims_in,
    dispatcher_in,
    executor_in,
    heart_in,
    lease_book_in,
    settler_in,
)
from sqsjobs.worker.stopping import Stop

__all__ = ["Pipeline"]

_INTERRUPTED: Final = 1.0
"""Seconds for which the message of a job that was interrupted stays hidden, so that two runs do not meet."""
_CLEAN_UP: Final = 2.0
"""Seconds that an interrupted job has to clean up."""
_ABANDONED: Final = 3.0
"""The same for a thread that could not be stopped: its process has to end first …"""
_RELEASE_ABANDONED: Final = 1.5
"""… so this is how many seconds its release may take."""
_RELEASE: Final = 5.0
"""Seconds that what is being settled may take, where nothing runs any more."""
_RELEASE_UNSETTLED: Final = 0.5
"""Seconds to let others have what took longer: a copy to dead letters, say, that nobody answers."""
_STORE_PAUSE: Final = 5.0
_IN_HAND_SPARE: Final = 2000


class Pipeline:
    """Poller, intake, dispatcher, executor, settler and heart of one worker.

    Made on the worker's event loop.
    """

    def __init__(self, around: Surroundings, queues: Mapping[str, QueueDescription], stop: Stop) -> None:
        self._around = around
        self._options = around.options
        self._stop = stop
        book = lease_book_in(around)
        self.heart = heart_in(around, book, _notifier())
        self.settler = settler_in(around, book)
        self._claims = claims_in(around)
        self.executor = executor_in(around, keeps_results=self._claims.keeps_results)
        self.intake = Intake(around.queues, around.options)
        self.poller = Poller(
            self.intake,
            around.transport,
            around.options,
            self._received,
            observer=around.observer,
            clock=around.clock,
            random=around.random,
        )
        self._quota = Quota(around.transport)
        self.dispatcher = dispatcher_in(
            around,
            queues,
            book,
            claims=self._claims,
            executor=self.executor,
            settler=self.settler,
            in_flight_share=self._quota.shares,
            ended=self._job_ended,
            settled=self._message_settled,
        )
        self._over = False
        self._loop = asyncio.get_running_loop()
        self._home = copy_context()
        self._empty = asyncio.Event()
        self._grace_end: asyncio.TimerHandle | None = None
        self._advance_soon = False

    def signs(self, *, stopping: str) -> Signs:
        """Return the signs of life."""
        now = self._around.clock.now()
        return Signs(
            started=True,
            stopping=stopping,
            last_poll=now - self.poller.last_ended,
            saturated=self.intake.saturated,
            last_beat=now - self.heart.last_success,
            failing_queues=tuple(self.poller.failing),
            store_problem=self._claims.failing,
            keys_problem=self._around.sealing.problem,
        )

    # Working

    async def poll_until_stopped(self, heart_ended: asyncio.Future[None]) -> None:
        """Poll and start jobs until a stop is asked for, and return when every poll has ended.

        At a stop at once polls are left to themselves; what they bring comes back after its visibility timeout.
        """
        self._advance()
        async with create_task_group() as chores:
            chores.start_soon(self._look_around)
            chores.start_soon(self._quota.watch)
            if (store := self._around.store) and self._claims.counts_attempts:
                chores.start_soon(Cancellations(store, self.dispatcher, observer=self._around.observer).hear)
            await _first(self._stop.wait, lambda: asyncio.wait([heart_ended]))
            chores.cancel_scope.cancel()
        if heart_ended.done():
            self._stop.ask(f"the heartbeats have ended: {heart_ended.exception()!r}")
            self._stop.ask("at once")
        grace = self._options.grace
        self._around.observer(WorkerStopping(self._around.worker, self._stop.reason, self.intake.running, grace))
        self.poller.stop()
        self._grace_end = self._loop.call_later(grace, self.dispatcher.interrupt, _INTERRUPTED)
        await _first(self.poller.ended, self._stop.wait_at_once)

    def _received(self, deliveries: list[Delivery], asked_at: float) -> None:
        if self._over:  # a poll that a stop at once did not wait for: what it brings comes back by itself
            return
        for delivery in deliveries:
            held = self.dispatcher.hold(delivery, asked_at)
            if held is not None:
                self.intake.add(held)
        if deliveries:
            self.intake.last_activity = self._around.clock.now()
            self._empty.clear()
        self._advance()

    def _advance(self) -> None:
        """Let the queues poll and the messages start for which there are slots."""
        self._advance_soon = False
        if self._stop.asked:
            return
        room = len(self.dispatcher) < 3 * self._options.concurrency + _IN_HAND_SPARE
        if room:
            self.poller.poll_idle()
        started = False
        while (held := self.intake.start_next()) is not None:
            self.dispatcher.start(held)
            started = True
        if room and started:  # jobs begin first: somebody waits for them
            self._loop.call_soon(self.poller.poll_busy, context=self._home)
        elif room:
            self.poller.poll_busy()
        if self._options.burst and not len(self.dispatcher) and self.intake.drained:
            self._stop.ask("the queues are empty")

    def _advance_in_this_turn(self) -> None:
        """Advance once for all that ends in one turn of the loop, so that receives come in tens."""
        if not self._advance_soon:
            self._advance_soon = True
            self._loop.call_soon(self._advance, context=self._home)

    def _job_ended(self, seconds: float) -> None:
        self.intake.ended(self._around.clock.now(), seconds)
        self._advance_in_this_turn()

    def _message_settled(self, held: Held, outcome: Outcome) -> None:
        self.intake.last_activity = self._around.clock.now()
        succeeded, queue = isinstance(outcome, Succeeded), held.delivery.queue
        if not succeeded:
            self._quota.count_hidden(queue)
        if (group := held.delivery.fifo_group) is not None:
            if not (succeeded and held.deleted and not held.lease.over):
                for follower in self.intake.take_group(queue, group):
                    self.dispatcher.give_back(follower)
            self.intake.settled(held)
        if isinstance(outcome, StoreDown | KeysDown):
            away = "job store" if isinstance(outcome, StoreDown) else "key service"
            self.poller.pause(f"the {away} does not answer", _STORE_PAUSE)
        if not len(self.dispatcher):
            self._empty.set()
        self._advance_in_this_turn()

    # Chores

    async def _look_around(self) -> None:
        """Give back what waits too long, end a worker that is stuck, and say when it becomes (un)able to do its work."""
        around, was, stuck_for, period = self._around, "", 0.0, min(1.0, self._options.visibility / 6)
        health = Health(
            lambda: self.signs(stopping=""), wait=self._options.poll_wait, beat_every=self._options.beat_every
        )
        while True:
            await asyncio.sleep(period)
            overdue = around.clock.now() - self._options.visibility / 2
            for held in self.intake.take_waiting(before=overdue):
                self.dispatcher.give_back(held)
            stuck_for = stuck_for + period if self.executor.stuck else 0.0
            if stuck_for > self._options.visibility:
                self._stop.ask("most threads go on past their timeouts")
            if (problem := health.ready()) != was:
                was = problem
                around.observer(WorkerReady(around.worker, problem))

    # Stopping

    async def drain(self) -> bool:
        """Give back what was not begun, let jobs end within the grace, interrupt the rest.

        Returns whether all have ended; the message of one that has not is released all the same.
        """
        # A poll that is still open would swallow at once what is shown now.
        linger = self._options.poll_wait + 1.0 if self.intake.open_polls else 0.0
        for held in self.intake.take_waiting():
            self.dispatcher.give_back(held, linger=linger)
        if len(self.dispatcher):
            await _first(self._empty.wait, self.dispatcher.interrupted.wait, self._stop.wait_at_once)
            self.dispatcher.interrupt(max(_INTERRUPTED, linger))
            with move_on_after(_CLEAN_UP):
                await self._empty.wait()
        if self._grace_end is not None:
            self._grace_end.cancel()
        left = self.dispatcher.in_hand
        if left:
            patience = _RELEASE if all(held.settled for held in left) else _RELEASE_ABANDONED
            abandoned = [self.dispatcher.abandon(held, max(_ABANDONED, linger)) for held in left]
            with move_on_after(patience):
                await asyncio.gather(*abandoned, self._empty.wait())
            unsettled = [self.dispatcher.release(held, max(_INTERRUPTED, linger)) for held in self.dispatcher.in_hand]
            with move_on_after(_RELEASE_UNSETTLED):
                await asyncio.gather(*unsettled)
        self._over = True
        return not left


def _notifier() -> Callable[[Callable[[], None]], None]:
    loop = asyncio.get_running_loop()

    def notify(callback: Callable[[], None]) -> None:
        loop.call_soon_threadsafe(callback)

    return notify


async def _first(*waits: Callable[[], Awaitable[object]]) -> None:
    """Wait until the first of `waits` is over, and drop the others."""

    async def end_with(wait: Callable[[], Awaitable[object]]) -> None:
        await wait()
        group.cancel_scope.cancel()

    async with create_task_group() as group:
        for wait in waits:
            group.start_soon(end_with, wait)
