"""One queue's sends: gathers what is sent at the same time, tries again, and keeps the order of FIFO groups."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import inf
from random import Random
from typing import TypeAlias

import msgspec

from sqsjobs.batching import Batcher
from sqsjobs.errors import (
    EnqueueRejected,
    EnqueueUncertain,
    RequestRejected,
    SqsJobsError,
    TransportError,
    TransportUnavailable,
)
from sqsjobs.job import Call, Job
from sqsjobs.producer.tries import (
    Answer,
    Patience,
    RetryBudget,
    SendPolicy,
    again_in_order,
    may_succeed_later,
)
from sqsjobs.transport.base import (
    MAX_BATCH_BYTES,
    MAX_BATCH_ENTRIES,
    NotSent,
    OutgoingMessage,
    Sent,
    Transport,
    is_fifo,
    message_size,
)

__all__ = ["Lane", "Outgoing", "Stops"]

Stops: TypeAlias = dict[tuple[str, str | None], int]
"""Of one `enqueue_many`: by queue and group, the place of the first call that was not accepted."""

_STOPPED = NotSent(
    "GroupStopped", "an earlier job of its group was not accepted, so this one was not sent", retryable=False
)


_NO_MESSAGE = OutgoingMessage("")


class Outgoing(msgspec.Struct, eq=False):
    """A job on its way.

    Attributes:
        call: what it was made of.
        job: the same at every try.
        place: among the calls of one `enqueue_many`.
        stops: shared by them.
        message: set before it is delivered.
        deadline: when to give up, on the loop's clock.
        was_tried: whether a request has carried it.
        answer: to the last try, on a FIFO queue.
        doubt: the first failure after which SQS may have it although no try succeeded.
    """

    call: Call[object]
    job: Job
    place: int = 0
    stops: Stops = {}  # of its own: msgspec copies it
    message: OutgoingMessage = _NO_MESSAGE
    deadline: float = inf
    was_tried: bool = False
    answer: Answer = _STOPPED
    doubt: TransportError | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether an earlier job of its group was not accepted."""
        return self.stops.get((self.job.queue, self.job.group), self.place) < self.place

    def stop_followers(self) -> None:
        """Let nothing that comes later in its group be sent."""
        group = (self.job.queue, self.job.group)
        self.stops[group] = min(self.place, self.stops.get(group, self.place))


class Lane:
    """Sends the jobs of one queue, on the loop where it is made; on a FIFO queue one request at a time.

    Args:
        queue: its name or URL.
        transport: open.
        budget: the producer's, shared by all its lanes.
    """

    def __init__(
        self, queue: str, transport: Transport, *, policy: SendPolicy, budget: RetryBudget, random: Random
    ) -> None:
        self._queue = queue
        self._fifo = is_fifo(queue)
        self._transport = transport
        self._policy = policy
        self._budget = budget
        self._random = random
        self._now = asyncio.get_running_loop().time
        self._trouble: TransportError | None = None
        self._batcher: Batcher[Outgoing, Answer] = Batcher(
            self._send_in_order if self._fifo else self._send_once,
            max_items=MAX_BATCH_ENTRIES,
            max_bytes=MAX_BATCH_BYTES,
            size=lambda job: message_size(job.message),
            concurrency=1 if self._fifo else policy.concurrency,
        ).open()

    async def aclose(self) -> None:
        """Send what waits, and end when all is answered."""
        await self._batcher.aclose()

    def submit(self, entry: Outgoing) -> asyncio.Future[Answer]:
        """Put the message into a batch; the future has what became of this try, from which `deliver` goes on."""
        entry.deadline = self._now() + self._policy.deadline
        return self._batcher.submit_nowait(entry)

    async def deliver(self, entry: Outgoing, first: asyncio.Future[Answer] | None = None) -> SqsJobsError | None:
        """Send the message, again and again if need be; return why SQS does not (surely) have it."""
        trying = first or self.submit(entry)
        patience = self._patience(entry.deadline)
        while True:
            try:
                answer = await trying
            except SqsJobsError as error:
                return error
            if isinstance(answer, Sent):
                return None
            # On a FIFO queue the flush itself has tried again, in order.
            pause = patience.pause() if may_succeed_later(answer) and not self._fifo else None
            if pause is None:
                return _final_error(entry, answer)
            await asyncio.sleep(pause)
            trying = self._batcher.submit_nowait(entry)

    async def _send_in_order(self, entries: list[Outgoing]) -> list[Answer]:
        """Send to a FIFO queue until all is settled, before anything that was submitted later."""
        patience = self._patience(min(entry.deadline for entry in entries))
        waiting = entries
        while waiting := [entry for entry in waiting if not entry.is_stopped]:
            for entry, answer in zip(waiting, await self._send_once(waiting), strict=True):
                entry.answer = answer
            waiting = await self._worth_another_try(waiting, patience)
        return [entry.answer for entry in entries]

    async def _worth_another_try(self, tried: list[Outgoing], patience: Patience) -> list[Outgoing]:
        """Return those that are to be sent again, when it is time to; the others that failed stop their followers."""
        again = again_in_order([entry.job.group for entry in tried], [entry.answer for entry in tried])
        pause = patience.pause() if again else None
        worth = [tried[n] for n in again] if pause is not None else []
        for entry in tried:
            if entry not in worth and not isinstance(entry.answer, Sent):
                entry.stop_followers()
        if pause is not None:
            await asyncio.sleep(pause)
        return worth

    async def _send_once(self, entries: list[Outgoing]) -> list[Answer]:
        if self._trouble and _have_waited_enough(entries):
            return [_unasked(self._trouble)] * len(entries)
        for entry in entries:
            entry.was_tried = True
        try:
            answers: list[Answer] = list(await self._transport.send(self._queue, [entry.message for entry in entries]))
        except RequestRejected as error:
            if len(entries) == 1:
                return [error]
            # One of them is to blame for the whole request, so each is sent by itself.
            return [answer for entry in entries for answer in await self._send_once([entry])]
        except TransportError as error:
            self._trouble = error
            if error.in_doubt:
                for entry in entries:
                    entry.doubt = entry.doubt or error
            return [error] * len(entries)
        self._trouble = None
        return answers

    def _patience(self, deadline: float) -> Patience:
        return Patience(self._policy, self._budget, self._random, deadline)


def _have_waited_enough(entries: Sequence[Outgoing]) -> bool:
    """Whether all have waited in vain, behind others that got no answer, for as long as their callers may have to."""
    now = asyncio.get_running_loop().time()
    return all(entry.deadline < now and not entry.was_tried for entry in entries)


def _unasked(trouble: TransportError) -> TransportError:
    return TransportUnavailable(
        f"not sent in time, because: {trouble}", operation=trouble.operation, queue=trouble.queue, sent=False
    )


def _final_error(entry: Outgoing, answer: NotSent | TransportError) -> SqsJobsError:
    """Say what is certain in the end: a doubt from an early try outlives the refusal of a later one."""
    if entry.doubt:
        return _caused_by(entry.doubt, EnqueueUncertain(entry.job.id, str(entry.doubt)))
    match answer:
        case NotSent(code=code, problem=problem):
            return EnqueueRejected(f"SQS did not take the job ({code}): {problem}", job_id=entry.job.id, code=code)
        case RequestRejected():
            return _caused_by(answer, EnqueueRejected(str(answer), job_id=entry.job.id, code=answer.code))
        case _:
            return answer


def _caused_by(cause: TransportError, error: SqsJobsError) -> SqsJobsError:
    error.__cause__ = cause
    return error
