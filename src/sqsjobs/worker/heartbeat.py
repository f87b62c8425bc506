"""The heart: extends the leases of what is in hand, from a thread of its own, so that it beats while a job blocks the loop.

`Heart.beat_until_stopped` is the logic, a plain coroutine; `beating_in_thread` is the shell that gives it a
thread with its own loop, transport and job store. A simulation runs the coroutine in its own loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from anyio import create_task_group, move_on_after

from sqsjobs.clock import Clock
from sqsjobs.errors import SqsJobsError, StoreError
from sqsjobs.events import HeartbeatFailed, HeartbeatSent, LeaseEnded, Observer, StoreFailed
from sqsjobs.job import JobId
from sqsjobs.store.base import JobStore
from sqsjobs.transport.base import Transport
from sqsjobs.worker.lease import Beat, Lease, LeaseBook
from sqsjobs.worker.watchdog import Watchdog

__all__ = ["Heart", "beating_in_thread"]


class Heart:
    """Extends leases when they are due and says which are lost.

    Args:
        book: the leases.
        notify: called with a function to run on the event loop of the jobs.
        watchdog: says for how long that loop has not turned.
        stall_limit: seconds of a loop that does not turn after which nothing is extended any more.
        observer: hears of beats and losses; from the heart's thread.
        clock: the worker's.
    """

    def __init__(
        self,
        book: LeaseBook,
        *,
        notify: Callable[[Callable[[], None]], None],
        watchdog: Watchdog,
        stall_limit: float,
        observer: Observer,
        clock: Clock,
    ) -> None:
        self._book = book
        self._notify = notify
        self._watchdog = watchdog
        self._stall_limit = stall_limit
        self._tell = observer
        self._clock = clock
        self._transport: Transport | None = None
        self._store: JobStore | None = None
        self.last_success = clock.now()
        """When a heartbeat last got through."""

    @property
    def period(self) -> float:
        """Seconds between two looks into the book."""
        return min(1.0, max(0.02, self._book.interval / 10))

    async def beat_until_stopped(self, stop: asyncio.Event, transport: Transport, store: JobStore | None) -> None:
        """Beat until `stop` is set; open `transport` and `store` belong to the running loop."""
        self._transport, self._store = transport, store
        async with create_task_group() as beats:
            while not stop.is_set():
                for beat in self._plan():
                    beats.start_soon(self._beat, beat)
                with move_on_after(self._watchdog.period(self.period, busy=len(self._book) > 0)):
                    await stop.wait()

    def _plan(self) -> list[Beat]:
        for lease in self._book.expired():
            self._announce(lease)
        for lease in self._book.capped():
            self._call(lease.on_cap, lease)
        if self._watchdog.look() > self._stall_limit:
            return []
        return self._book.due()

    async def _beat(self, beat: Beat) -> None:
        transport = self._transport
        assert transport is not None
        asked_at = self._clock.now()
        if self._book.is_late(beat, asked_at):
            self._book.failed(beat)
            return
        try:
            async with asyncio.timeout(max(0.5, self._book.visibility / 6)):
                results = await transport.change_visibility(beat.queue, beat.changes)
        except Exception as problem:  # noqa: BLE001 - whatever went wrong, the next beat must be made
            self._book.failed(beat)
            self._tell(HeartbeatFailed(beat.queue, len(beat.leases), str(problem) or "no answer in time"))
            return
        self.last_success = self._clock.now()
        for lease in self._book.beaten(beat, results, asked_at):
            self._announce(lease)
        self._tell(HeartbeatSent(beat.queue, len(beat.leases)))
        await self._extend_claims(beat)

    async def _extend_claims(self, beat: Beat) -> None:
        """Move the ends of the claims along with the leases, so that a duplicate finds the job still running."""
        store = self._store
        if store is None:
            return
        for lease in beat.leases:
            claim = lease.claim
            if claim is None or lease.retired or lease.lost:
                continue
            until = self._clock.wall() + lease.remaining
            try:
                extended = await store.extend(JobId(claim.job_id), claim.epoch, until)
            except StoreError as problem:
                self._tell(StoreFailed("extend", str(problem)))
                return
            if not extended and lease.claim == claim and self._book.lose(lease, "another worker has claimed the job"):
                self._announce(lease)

    def _announce(self, lease: Lease) -> None:
        self._tell(LeaseEnded(lease.queue, lease.message_id, lease.lost))
        self._call(lease.on_lost, lease)

    def _call(self, callback: Callable[[Lease], None] | None, lease: Lease) -> None:
        if callback is not None:
            self._notify(lambda: callback(lease))


@asynccontextmanager
async def beating_in_thread(
    heart: Heart, transport: Transport, store: JobStore | None
) -> AsyncIterator[asyncio.Future[None]]:
    """Run `heart` in a thread of its own, with clones of `transport` and `store`, until the block is left.

    Yields a future that is done when the heart has stopped; before the block is left, only by a fault of ours.
    """
    started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    shell = _Shell(heart, transport.clone(), store.clone() if store else None, started, ended)
    thread = threading.Thread(target=shell.run, name="sqsjobs-heartbeat", daemon=True)
    thread.start()
    try:
        await started
        yield ended
    finally:
        shell.stop()
        await asyncio.shield(ended)


class _Shell:
    """A thread's loop around a heart."""

    def __init__(
        self,
        heart: Heart,
        transport: Transport,
        store: JobStore | None,
        started: asyncio.Future[None],
        ended: asyncio.Future[None],
    ) -> None:
        self._heart = heart
        self._transport = transport
        self._store = store
        self._started = started
        self._ended = ended
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    def run(self) -> None:
        problem: BaseException | None = None
        try:
            asyncio.run(self._beat())
        except BaseException as error:  # noqa: BLE001 - handed to the event loop's thread below
            problem = error
        self._report(self._started, problem)
        self._report(self._ended, problem)

    def stop(self) -> None:
        if self._loop is not None and self._stop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)

    async def _beat(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with AsyncExitStack() as stack:
            transport = await stack.enter_async_context(self._transport)
            store = await stack.enter_async_context(self._store) if self._store else None
            self._report(self._started, None)
            await self._heart.beat_until_stopped(self._stop, transport, store)

    def _report(self, future: asyncio.Future[None], problem: BaseException | None) -> None:
        def set_once() -> None:
            if future.done():
                return
            if problem is None:
                future.set_result(None)
            else:
                future.set_exception(problem if isinstance(problem, SqsJobsError) else RuntimeError(repr(problem)))

        loop = future.get_loop()
        if not loop.is_closed():
            loop.call_soon_threadsafe(set_once)
