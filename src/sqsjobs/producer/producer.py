"""Turns calls into messages that SQS has accepted: gathers concurrent ones, tries again, and answers each caller.

Every call gets exactly one answer: enqueued, not enqueued, or uncertain. A job keeps its id through all tries,
so that a worker with a job store knows a second copy by it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from random import Random
from typing import Any, Final, Self, TypeAlias, TypeVar

import msgspec

from sqsjobs.callbacks import Callbacks, check_callback
from sqsjobs.clock import Clock
from sqsjobs.errors import EnqueueUncertain, NoJobStore, SqsJobsError, StoreError
from sqsjobs.events import JobEnqueued, JobNotEnqueued, Observer, StoreFailed
from sqsjobs.job import Call, Job, JobId, JobStatus, new_job_id
from sqsjobs.producer.lane import Lane, Outgoing, Stops
from sqsjobs.producer.tries import Answer, RetryBudget, SendPolicy
from sqsjobs.sealing import Sealing
from sqsjobs.sending import message_of
from sqsjobs.store.base import JobRecord, JobStore
from sqsjobs.transport.base import MAX_DELAY, Sent, Transport

__all__ = ["Enqueued", "NotEnqueued", "Producer", "SendOutcome"]

T = TypeVar("T")

_LARGEST_KEPT: Final = 65_536
"""Characters of the largest envelope that a record keeps: in some stores every write of the record pays for it."""


class Enqueued(msgspec.Struct, frozen=True, gc=False):
    """SQS has the job; or, `deduplicated`, `job_id` is the unfinished job that had the unique key already."""

    job_id: JobId
    deduplicated: bool = False


@dataclass(frozen=True, slots=True)
class NotEnqueued:
    """SQS does not have the job, or (`EnqueueUncertain`) perhaps has it."""

    job_id: JobId
    error: SqsJobsError


SendOutcome: TypeAlias = Enqueued | NotEnqueued
"""What became of a call."""


class Producer:
    """Sends calls; open it on the loop where it is used, inside its transport and store.

    Args:
        transport: open.
        store: open, where the producer is to write records (tracking "full"); otherwise None.
        observer: hears of `JobEnqueued` and `JobNotEnqueued`.
        clock: dates the jobs.
        sealing: the layers around envelopes; none by default.
        keep_envelopes: whether records keep the envelope, so that the job can be sent again by its id.
        callbacks: where callbacks may go; None for nowhere.
    """

    def __init__(
        self,
        transport: Transport,
        store: JobStore | None,
        *,
        observer: Observer,
        clock: Clock,
        sealing: Sealing | None = None,
        keep_envelopes: bool = True,
        callbacks: Callbacks | None = None,
        policy: SendPolicy | None = None,
        random: Random | None = None,
    ) -> None:
        self._transport = transport
        self._store = store
        self._tell = observer
        self._clock = clock
        self._sealing = sealing or Sealing()
        self._keep_envelopes = keep_envelopes
        self._callbacks = callbacks
        self._policy = policy or SendPolicy()
        self._random = random or Random()
        self._budget = RetryBudget(self._policy.retry_rate, self._policy.retry_burst)
        self._lanes: dict[str, Lane] = {}
        self._open_lanes = AsyncExitStack()
        self._under_way: set[asyncio.Future[Any]] = set()
        self._at_once = store is None and self._sealing.is_immediate

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        while self._under_way:
            await asyncio.wait(self._under_way)
        await self._open_lanes.aclose()

    async def send(self, call: Call[object]) -> SendOutcome:
        """Send one call. A caller who is cancelled does not take it back: it is sent, and its record is true."""
        entry = Outgoing(call, self._job(call))
        if self._at_once:
            return self._unsendable(entry) or await self._submitted(entry)
        return await self.uncancelled(self._send(entry))

    async def send_many(self, calls: Iterable[Call[object]]) -> AsyncIterator[SendOutcome]:
        """Send any number of calls, a chunk at a time; yield their outcomes in order.

        On a FIFO queue, what follows a call that was not accepted in its group is not sent.
        """
        stops: Stops = {}
        place = 0
        for chunk in _chunks(_checked(calls), self._policy.chunk):
            entries = [Outgoing(call, self._job(call), place + n, stops) for n, call in enumerate(chunk)]
            place += len(chunk)
            for outcome in await self.uncancelled(self._send_all(entries)):
                yield outcome

    async def job_of(self, record: JobRecord) -> Job | None:
        """Return the job in a record's envelope, also where its seal has expired; None if the envelope is not kept.

        Raises:
            InvalidEnvelope, UntrustedEnvelope: if it is not what somebody with the keys of this app has sealed.
        """
        if record.envelope is None:
            return None
        return await self._sealing.open(
            record.envelope, queue=record.queue, message_id=record.id, group=record.group, expired=True
        )

    async def send_again(self, job: Job) -> SqsJobsError | None:
        """Send a job that has its id and its record already; return why it was not accepted, or None."""
        call: Call[object] = Call(job.task, job.queue, job.arguments, group=job.group, headers=job.headers)
        return await self.uncancelled(self._send_again(Outgoing(call, job)))

    async def uncancelled(self, sending: Coroutine[Any, Any, T]) -> T:
        """Await `sending`, which goes on to its end though the caller is cancelled; closing waits for it."""
        return await asyncio.shield(self._counted(asyncio.get_running_loop().create_task(sending)))

    async def _send_again(self, entry: Outgoing) -> SqsJobsError | None:
        job = entry.job
        try:
            entry.message = message_of(job, await self._sealing.seal_inline(job))
            error = await self._lane(job.queue).deliver(entry)
        except SqsJobsError as problem:
            error = problem
        if error is None:
            self._tell(JobEnqueued(job.id, job.task, job.queue))
            return None
        self._not_enqueued(entry, error)
        return error

    def _counted(self, future: asyncio.Future[T]) -> asyncio.Future[T]:
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        return future

    def _unsendable(self, entry: Outgoing) -> NotEnqueued | None:
        """Make the message, where nothing is to be waited for and no record is written; return why it cannot be sent."""
        try:
            self._check(entry.call)
            entry.message = message_of(entry.job, self._sealing.seal_at_once(entry.job), entry.call.delay)
        except SqsJobsError as error:
            return self._not_enqueued(entry, error)
        return None

    def _submitted(self, entry: Outgoing) -> asyncio.Future[SendOutcome]:
        """Send a message without a task, unless the first try fails; a caller who cancels its future does not take it back."""
        tried = self._lane(entry.job.queue).submit(entry)
        outcome: asyncio.Future[SendOutcome] = tried.get_loop().create_future()
        self._under_way.add(tried)
        tried.add_done_callback(partial(self._tried, entry, outcome))
        return outcome

    def _tried(self, entry: Outgoing, outcome: asyncio.Future[SendOutcome], tried: asyncio.Future[Answer]) -> None:
        self._under_way.discard(tried)
        if not tried.cancelled() and tried.exception() is None and isinstance(tried.result(), Sent):
            enqueued = self._enqueued(entry)
            if not outcome.done():
                outcome.set_result(enqueued)
            return
        more = self._counted(asyncio.get_running_loop().create_task(self._deliver(entry, tried)))
        more.add_done_callback(partial(_hand_on, outcome))

    async def _send(self, entry: Outgoing) -> SendOutcome:
        return await self._admit(entry) or await self._deliver(entry)

    async def _send_all(self, entries: Sequence[Outgoing]) -> Sequence[SendOutcome]:
        # First all records, then all messages: messages are submitted in order, however long each record takes.
        outcomes: Sequence[SendOutcome | None]
        deliver: Callable[[Outgoing], Awaitable[SendOutcome]]
        if self._at_once:
            outcomes, deliver = [self._unsendable(entry) for entry in entries], self._submitted
        else:
            outcomes, deliver = await asyncio.gather(*map(self._admit, entries)), self._deliver
        for entry, outcome in zip(entries, outcomes, strict=True):
            if isinstance(outcome, NotEnqueued):
                entry.stop_followers()
        admitted = [entry for entry, outcome in zip(entries, outcomes, strict=True) if not outcome]
        delivered = iter(await asyncio.gather(*map(deliver, admitted)))
        return [outcome or next(delivered) for outcome in outcomes]

    # One job, step by step ---------------------------------------------------------------------------

    def _job(self, call: Call[object]) -> Job:
        now = self._clock.wall()
        return Job(
            id=new_job_id(),
            task=call.task,
            queue=call.queue,
            arguments=call.arguments,
            headers=call.headers,
            enqueued_at=now,
            group=call.group,
            # Shorter delays SQS counts by itself, and needs no clock of ours to agree with another.
            not_before=now + call.delay if call.delay > MAX_DELAY else None,
            callback=call.callback,
        )

    async def _admit(self, entry: Outgoing) -> SendOutcome | None:
        """Make the message and write the record; an outcome says that nothing is to be sent."""
        try:
            self._check(entry.call)
            entry.message = message_of(entry.job, await self._sealing.seal(entry.job), entry.call.delay)
            present = await self._record(entry)
        except SqsJobsError as error:
            return self._not_enqueued(entry, error)
        # A store that tried twice may find what it wrote itself.
        return None if present in (None, entry.job.id) else Enqueued(present, deduplicated=True)

    def _check(self, call: Call[object]) -> None:
        if call.callback is not None:
            check_callback(self._callbacks, call.callback)
        if call.unique is not None and self._store is None:
            raise NoJobStore('unique= (with tracking="full")')

    async def _record(self, entry: Outgoing) -> JobId | None:
        """Write the record; return the id of the job that stands against it, if one does."""
        if self._store is None:
            return None
        call, job = entry.call, entry.job
        record = JobRecord(
            id=job.id,
            task=job.task,
            queue=job.queue,
            status=JobStatus.SCHEDULED if call.delay else JobStatus.QUEUED,
            enqueued_at=job.enqueued_at,
            not_before=job.enqueued_at + call.delay if call.delay else None,
            unique=call.unique,
            group=job.group,
            envelope=self._kept(entry.message.body),
        )
        present = await self._store.insert(record)
        return present.id if present else None

    def _kept(self, body: str) -> str | None:
        return body if self._keep_envelopes and len(body) <= _LARGEST_KEPT else None

    async def _deliver(self, entry: Outgoing, first: asyncio.Future[Answer] | None = None) -> SendOutcome:
        """Send the message; the record of a job that SQS certainly does not have is removed."""
        error = await self._lane(entry.job.queue).deliver(entry, first)
        if error is None:
            return self._enqueued(entry)
        if not isinstance(error, EnqueueUncertain):
            await self._remove_record(entry.job.id)
        return self._not_enqueued(entry, error)

    def _lane(self, queue: str) -> Lane:
        lane = self._lanes.get(queue)
        if lane is None:
            lane = Lane(queue, self._transport, policy=self._policy, budget=self._budget, random=self._random)
            self._lanes[queue] = lane
            self._open_lanes.push_async_callback(lane.aclose)
        return lane

    async def _remove_record(self, job_id: JobId) -> None:
        if self._store is None:
            return
        try:
            await self._store.remove(job_id)
        except StoreError as error:  # the caller hears what matters, the rejection; the record expires
            self._tell(StoreFailed("remove", str(error)))

    def _enqueued(self, entry: Outgoing) -> Enqueued:
        self._tell(JobEnqueued(entry.job.id, entry.job.task, entry.job.queue))
        return Enqueued(entry.job.id)

    def _not_enqueued(self, entry: Outgoing, error: SqsJobsError) -> NotEnqueued:
        uncertain = isinstance(error, EnqueueUncertain)
        self._tell(JobNotEnqueued(entry.job.id, entry.job.task, entry.job.queue, str(error), uncertain))
        return NotEnqueued(entry.job.id, error)


def _hand_on(outcome: asyncio.Future[T], ended: asyncio.Task[T]) -> None:
    if outcome.done():  # the caller was cancelled
        return
    if ended.cancelled():
        outcome.cancel()
    elif (error := ended.exception()) is not None:
        outcome.set_exception(error)
    else:
        outcome.set_result(ended.result())


def _checked(calls: Iterable[Call[object]]) -> Iterator[Call[object]]:
    for call in calls:
        if not isinstance(call, Call):
            raise TypeError(f"enqueue_many takes calls, made by task.call(...), not {call!r}")
        yield call


def _chunks(iterator: Iterator[Call[object]], size: int) -> Iterator[list[Call[object]]]:
    """Cut the calls. If making one raises, those before it are still sent, unless that is the first chunk: then none is."""
    first = True
    while True:
        chunk: list[Call[object]] = []
        try:
            chunk.extend(islice(iterator, size))
        except Exception:
            if chunk and not first:
                yield chunk
            raise
        if not chunk:
            return
        yield chunk
        first = False
