"""The model of SQS as many can share it: a lock around it, long polls held open on it, faults in front of it."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from sqsjobs.clock import Clock, SystemClock
from sqsjobs.transport.base import is_fifo
from sqsjobs.transport.long_polls import LongPoll, LongPolls
from sqsjobs.transport.model import (
    NO_FAULT,
    AttributeValue,
    Fault,
    Faults,
    Phase,
    Receipt,
    ReceiveRequest,
    Refusal,
    SqsModel,
    StaleHandles,
)
from sqsjobs.transport.model.account import redrive_policy
from sqsjobs.transport.model.receiving import MAX_IN_FLIGHT

__all__ = ["MemorySQS", "QueuedMessage"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message as it lies in a queue."""

    message_id: str
    body: str
    group: str | None
    attributes: Mapping[str, AttributeValue]
    receive_count: int
    phase: Phase


class MemorySQS:
    """A whole SQS in this process, for any number of transports, servers, event loops and threads.

    Args:
        clock: what time it is; the timers that wake long polls are those of their event loops.
        seed: of the ids; the same seed gives the same ids.
        region: for ARNs.
        account: the account's number, for ARNs and URLs.
        stale_handles: what becomes of superseded receipt handles on standard queues.
        max_in_flight: messages of one queue that can be in flight at once.
        faults: decides what goes wrong with each call; it can be exchanged at any time.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        seed: int | None = None,
        region: str = "us-east-1",
        account: str = "000000000000",
        stale_handles: StaleHandles = StaleHandles.IGNORED,
        max_in_flight: int = MAX_IN_FLIGHT,
        faults: Faults | None = None,
    ) -> None:
        self.faults = faults
        self.clock: Clock = clock or SystemClock()
        self._model = SqsModel(
            self.clock,
            random.Random(seed),
            region=region,
            account=account,
            stale_handles=stale_handles,
            max_in_flight=max_in_flight,
        )
        self._lock = threading.RLock()
        self._polls = LongPolls(self._model, self._ring)

    @contextmanager
    def use(self) -> Iterator[SqsModel]:
        """Give the model to one thread at a time; afterwards the long polls get what has become available."""
        with self._lock:
            try:
                yield self._model
            finally:
                self._polls.settle()

    def create_queue(
        self,
        name: str,
        *,
        dead_letter_queue: str | None = None,
        max_receive_count: int = 100,
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        """Create a queue, FIFO if its name ends in ``.fifo``, and its dead-letter queue; both may exist already."""
        given = {**({"FifoQueue": "true"} if is_fifo(name) else {}), **(attributes or {})}
        with self.use() as model:
            if dead_letter_queue is not None:
                self.create_queue(dead_letter_queue)
                target_arn = model.account.arn_of(dead_letter_queue)
                given["RedrivePolicy"] = redrive_policy(target_arn, max_receive_count)
            model.account.create(name, given, {})

    def has_queue(self, name: str) -> bool:
        """Whether there is a queue of this name."""
        with self.use() as model:
            return model.account.exists(name)

    def peek(self, name: str) -> list[QueuedMessage]:
        """Return all messages of a queue, delayed and in flight ones too, in the order of sending; nothing changes."""
        with self.use() as model:
            return [
                QueuedMessage(it.id, it.body, it.group, it.attributes, it.receive_count, it.phase)
                for it in model.account.queue(name).messages.values()
            ]

    async def call(
        self, operation: str, queue: str | None, act: Callable[[SqsModel, Fault], T], *, fault: Fault | None = None
    ) -> T:
        """Carry out one call of an operation other than ReceiveMessage.

        Args:
            operation: as SQS calls it.
            queue: what it is about.
            act: carries it out.
            fault: what goes wrong, in place of what `faults` decides.

        Raises:
            Refusal: what SQS answers instead of a result.
            NoAnswer: where a fault breaks the connection.
        """
        fault = fault or self._fault_of(operation, queue)
        await _go_wrong_before(fault)
        with self.use() as model:
            result = act(model, fault)
        if fault.after is not None:
            raise fault.after.with_traceback(None)
        return result

    async def receive(self, queue: str, request: ReceiveRequest, *, fault: Fault | None = None) -> list[Receipt]:
        """Carry out ReceiveMessage, waiting for the first message as long as the request says.

        When it is cancelled the receive goes on, as it does at SQS when a client hangs up: until the end of
        its wait it hides what it finds, and nobody sees it before that visibility has ended. `fault` is what goes
        wrong, in place of what `faults` decides.
        """
        fault = fault or self._fault_of("ReceiveMessage", queue)
        try:
            await _go_wrong_before(fault)
        except Refusal as refusal:
            self._note_throttle(queue, request, refusal)
            raise
        received = await self._receive(queue, request, fault)
        if fault.after is not None:
            raise fault.after.with_traceback(None)
        return received

    def tick(self) -> None:
        """Let the long polls see that an injected clock was moved; real clocks need no such hint."""
        with self._lock:
            self._polls.look_at_all()

    def end_polls(self) -> None:
        """Answer all open long polls with nothing."""
        with self._lock:
            self._polls.end_all()

    async def _receive(self, queue: str, request: ReceiveRequest, fault: Fault) -> list[Receipt]:
        with self.use() as model:
            wait = model.receiving.wait_of(queue, request)
            self._polls.look_at(queue)  # those who wait already come first
            received = model.receiving.receive(queue, request, fault=fault)
            if received or not wait:
                return received
            poll = self._polls.open(queue, request, wait=wait, fault=fault)
        return await poll.answer

    def _fault_of(self, operation: str, queue: str | None) -> Fault:
        return (self.faults and self.faults(operation, queue)) or NO_FAULT

    def _note_throttle(self, queue: str, request: ReceiveRequest, refusal: Refusal) -> None:
        if request.attempt_id is not None and refusal.shape == "RequestThrottled":
            with self.use() as model:
                model.receiving.throttled(queue, request.attempt_id)

    def _ring(self, poll: LongPoll) -> None:
        with self._lock:
            self._polls.rang(poll)


async def _go_wrong_before(fault: Fault) -> None:
    if fault.delay:
        await asyncio.sleep(fault.delay)
    if fault.before is not None:
        raise fault.before.with_traceback(None)
