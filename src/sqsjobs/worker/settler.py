"""Carries dispositions out: deletes and visibility changes in batches, copies to other queues, and what to do when they fail.

A message is kept hidden by heartbeats until its delete is confirmed. Before its visibility is changed the
heartbeats end, so that none arrives afterwards; after its lease is lost it is not changed at all.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from itertools import compress
from math import inf
from random import Random
from typing import Final, Generic, Self, TypeVar

import msgspec

from sqsjobs.batching import Batcher
from sqsjobs.clock import Clock
from sqsjobs.disposition import DeadLetter, Resend, whole_seconds
from sqsjobs.errors import SqsJobsError, TransportError
from sqsjobs.events import JobEnqueued, Observer, SettleFailed
from sqsjobs.job import Job
from sqsjobs.sealing import Sealing
from sqsjobs.sending import message_of
from sqsjobs.transport.base import (
    MAX_BATCH_BYTES,
    MAX_BATCH_ENTRIES,
    MAX_DELAY,
    Done,
    EntryFailed,
    EntryResult,
    OutgoingMessage,
    SendResult,
    Sent,
    Transport,
    message_size,
)
from sqsjobs.worker.deadletter import annotate, dead_letter
from sqsjobs.worker.held import Held
from sqsjobs.worker.lease import Lease, LeaseBook

__all__ = ["Settler"]

_REMEMBERED: Final = 10_000
"""Deleted messages that are remembered, so that one that comes back is deleted again without a run."""
_COPY_FOR: Final = 60.0
"""Seconds for which a copy to another queue is tried."""
_HIDE_LINGER: Final = 0.01
_TOO_LATE: Final = EntryFailed("LeaseOver", "the lease ended before the change was sent", retryable=False)
_SUPERSEDED: Final = EntryFailed("Superseded", "the message was received again on the way", retryable=True)
"""Whatever SQS answers: only the newest handle is sure to delete ("DeleteMessage", SQS API reference)."""
_REQUESTS: Final = 192
"""Requests of one kind under way at once for one queue. Twenty thousand deletes a second, ten in a request of 25 ms, need
fifty on average; jobs that end together are deleted together, so that peaks are several times as high, and what is put off
until a request comes back makes the next peak. A transport to SQS has connections for a few more (`Pools.control`)."""
_RETRY_AFTER: Final = 0.2
_RETRY_MOST: Final = 5.0

I = TypeVar("I")  # noqa: E741 - input
T = TypeVar("T")


class Settler:
    """Settles messages.

    Args:
        transport: open, on the running loop.
        book: the leases.
        delete_linger: seconds that a delete waits for company; FIFO queues: none.
        annotate_errors: whether dead letters carry the beginning of the error's text.
        worker: the worker's name, for the annotation.
        sealing: seals what is sent anew.
    """

    def __init__(
        self,
        *,
        transport: Transport,
        sealing: Sealing,
        book: LeaseBook,
        delete_linger: float,
        annotate_errors: bool,
        worker: str,
        observer: Observer,
        clock: Clock,
        random: Random,
    ) -> None:
        self._transport = transport
        self._sealing = sealing
        self._book = book
        self._annotate_errors = annotate_errors
        self._worker = worker
        self._tell = observer
        self._clock = clock
        self._random = random
        self._deletes = PerQueue[str, EntryResult](transport.delete, linger=delete_linger)
        self._changes = PerQueue[tuple[Lease, float], EntryResult](self._change, linger=_HIDE_LINGER)
        self._copies = PerQueue[OutgoingMessage, SendResult](
            transport.send, max_bytes=MAX_BATCH_BYTES, size=message_size
        )
        self._open = AsyncExitStack()
        self._done: OrderedDict[str, None] = OrderedDict()

    async def __aenter__(self) -> Self:
        for batchers in (self._deletes, self._changes, self._copies):
            self._open.push_async_callback(batchers.aclose)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._open.aclose()

    def is_done(self, message_id: str) -> bool:
        """Whether this message was deleted (or was about to be) not long ago."""
        return message_id in self._done

    async def delete(self, held: Held) -> bool:
        """Delete the message; heartbeats go on until that is confirmed. False if it could not be confirmed."""
        self._remember(held.delivery.message_id)
        held.lease.leaving = True
        queue = held.delivery.queue
        deletes = self._deletes.of(queue)
        urgent = held.delivery.fifo_group is not None

        handle = ""

        def attempt() -> Awaitable[EntryResult]:
            nonlocal handle
            handle = held.lease.handle
            return deletes.submit_nowait(handle, urgent=urgent)

        def problem_of(result: EntryResult) -> EntryFailed | None:
            return _entry_problem(result) if handle == held.lease.handle else _SUPERSEDED

        problem = await self._until(attempt, problem_of, held.lease)
        self._book.drop(held.lease)
        return not problem or self._reported(held, "delete", problem)

    async def hide(self, held: Held, delay: float) -> bool:
        """Let the message be seen again after `delay` seconds (whole ones, never early).

        Nothing is sent once the lease is over: the message comes back by itself.
        """
        beat = self._book.drop(held.lease)
        if beat is not None:
            await asyncio.wrap_future(beat)
        if held.lease.over:
            return self._reported(held, "hide", held.lease.lost or "the lease is over")
        changes = self._changes.of(held.delivery.queue)

        async def attempt() -> EntryResult:
            asked_at, seconds = self._clock.now(), whole_seconds(delay)
            try:
                return await changes.submit((held.lease, seconds))
            except TransportError as error:
                if error.in_doubt:  # it may be seen from then on, and be somebody else's
                    held.lease.deadline = min(held.lease.deadline, asked_at + seconds)
                raise

        problem = await self._until(attempt, _entry_problem, held.lease)
        return self._reported(held, "hide", problem)

    async def _change(self, queue: str, changes: Sequence[tuple[Lease, float]]) -> list[EntryResult]:
        """Change visibilities; a process that was suspended in the meantime has no right to that any more."""
        stands = [not lease.over for lease, _ in changes]
        standing = [(lease.handle, seconds) for lease, seconds in compress(changes, stands)]
        results = iter(await self._transport.change_visibility(queue, standing) if standing else ())
        return [next(results) if it_stands else _TOO_LATE for it_stands in stands]

    def let_go(self, held: Held) -> None:
        """Extend the message's lease no more."""
        self._book.drop(held.lease)

    async def copy_to_dead_letters(self, held: Held, disposition: DeadLetter, queue: str, *, attempts: int) -> bool:
        """Send an annotated copy to the dead-letter queue `queue`; False if it was not taken."""
        annotation = annotate(
            held,
            disposition,
            attempts=attempts,
            worker=self._worker,
            time=self._clock.wall(),
            with_error=self._annotate_errors,
        )
        return await self._copy(held, "dead-letter", queue, dead_letter(held.delivery, annotation, queue))

    async def send_anew(self, held: Held, disposition: Resend, *, attempts: int) -> bool:
        """Send the job once more, due later; False if it was not taken."""
        job = held.job
        assert job is not None
        due = self._clock.wall() + disposition.delay
        again = msgspec.structs.replace(job, epoch=held.epoch, attempts=attempts, not_before=due)
        try:
            body = await self._sealing.seal_inline(again)
        except SqsJobsError as problem:
            return self._reported(held, "resend", str(problem))
        message = OutgoingMessage(
            body=body,
            delay=min(MAX_DELAY, whole_seconds(disposition.delay)),
            group=job.group,
            attributes=held.delivery.attributes,
        )
        return await self._copy(held, "resend", held.delivery.queue, message)

    async def send_notice(self, held: Held, notice: Job) -> bool:
        """Send the job that tells of the end of the one in hand; False if it was not taken."""
        try:
            message = message_of(notice, await self._sealing.seal_inline(notice))
        except SqsJobsError as problem:
            return self._reported(held, "callback", str(problem))
        sent = await self._copy(held, "callback", notice.queue, message)
        if sent:
            self._tell(JobEnqueued(notice.id, notice.task, notice.queue))
        return sent

    async def drop_payload(self, held: Held) -> None:
        """Keep the arguments of a job no longer that is done and deleted; what is left goes with the lifecycle rule."""
        job = held.job
        if job is None or job.blob is None or self._sealing.blobs is None:
            return
        try:
            await self._sealing.blobs.delete("arguments", job.id, job.blob)
        except SqsJobsError as problem:
            self._reported(held, "drop-payload", str(problem))

    async def _copy(self, held: Held, disposition: str, queue: str, message: OutgoingMessage) -> bool:
        copies = self._copies.of(queue)
        until = self._clock.now() + _COPY_FOR

        def attempt() -> Awaitable[SendResult]:
            return copies.submit_nowait(message)

        problem = await self._until(attempt, _send_problem, held.lease, until)
        return self._reported(held, disposition, problem)

    async def _until(
        self,
        attempt: Callable[[], Awaitable[T]],
        problem_of: Callable[[T], EntryFailed | None],
        lease: Lease,
        until: float = inf,
    ) -> str:
        """Try until it succeeds, can never succeed, the lease is over or it is `until`; return the problem, or nothing."""
        pause = _RETRY_AFTER
        while True:
            try:
                failed = problem_of(await attempt())
            except TransportError as error:
                problem, retryable = str(error), True
            else:
                if failed is None:
                    return ""
                problem, retryable = f"{failed.code}: {failed.problem}", failed.retryable
            if not retryable or lease.over or self._clock.now() >= until:
                return problem
            await asyncio.sleep(pause * self._random.random())
            if lease.over or self._clock.now() >= until:
                return problem
            pause = min(pause * 2, _RETRY_MOST)

    def _reported(self, held: Held, disposition: str, problem: str) -> bool:
        if problem:
            job_id = held.job.id if held.job else None
            self._tell(SettleFailed(held.delivery.queue, held.delivery.message_id, job_id, disposition, problem))
        return not problem

    def _remember(self, message_id: str) -> None:
        self._done[message_id] = None
        if len(self._done) > _REMEMBERED:
            self._done.popitem(last=False)


class PerQueue(Generic[I, T]):
    """A batcher for each queue, opened when it is first used."""

    def __init__(
        self,
        call: Callable[[str, Sequence[I]], Awaitable[Sequence[T]]],
        *,
        linger: float = 0.0,
        max_bytes: int | None = None,
        size: Callable[[I], int] | None = None,
    ) -> None:
        self._call = call
        self._make = partial(
            Batcher[I, T],
            max_items=MAX_BATCH_ENTRIES,
            linger=linger,
            max_bytes=max_bytes,
            size=size,
            concurrency=_REQUESTS,
        )
        self._batchers: dict[str, Batcher[I, T]] = {}

    def of(self, queue: str) -> Batcher[I, T]:
        """Return the queue's batcher."""
        batcher = self._batchers.get(queue)
        if batcher is None:
            batcher = self._batchers[queue] = self._make(partial(self._call, queue)).open()
        return batcher

    async def aclose(self) -> None:
        """Flush and close them all."""
        for batcher in self._batchers.values():
            await batcher.aclose()


def _entry_problem(result: EntryResult) -> EntryFailed | None:
    """A message that SQS no longer holds for us needs no settling: deleted before, or somebody else's."""
    return None if isinstance(result, Done) or result.lease_over else result


def _send_problem(result: SendResult) -> EntryFailed | None:
    return None if isinstance(result, Sent) else EntryFailed(result.code, result.problem, result.retryable)
