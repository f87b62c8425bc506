"""ReceiveMessage, without the waiting, and the redrive to the dead-letter queue that happens in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqsjobs.transport.model.account import Account
from sqsjobs.transport.model.faults import NO_FAULT, Fault
from sqsjobs.transport.model.handles import write_handle
from sqsjobs.transport.model.ids import Ids
from sqsjobs.transport.model.leases import check_visibility
from sqsjobs.transport.model.messages import Message, Receipt, check_identifier
from sqsjobs.transport.model.queue import Queue
from sqsjobs.transport.model.refusal import Refusal, invalid_parameter

__all__ = ["MAX_IN_FLIGHT", "ReceiveRequest", "Receiving"]

MAX_IN_FLIGHT: Final = 120_000
"""Messages of one queue that can be in flight at once, standard and FIFO."""


@dataclass(frozen=True, slots=True)
class ReceiveRequest:
    """What a consumer asks for; None stands for the queue's own. `wait` and `visibility` in seconds."""

    limit: int = 1
    wait: float | None = None
    visibility: float | None = None
    attempt_id: str | None = None


class Receiving:
    """Gives messages out, and moves those that were received too often to the dead-letter queue instead."""

    def __init__(self, account: Account, ids: Ids, *, max_in_flight: int = MAX_IN_FLIGHT) -> None:
        self.max_in_flight = max_in_flight
        self._account = account
        self._ids = ids

    def wait_of(self, name: str, request: ReceiveRequest) -> float:
        """Return how many seconds a receive may wait for its first message.

        Raises:
            Refusal: where the request asks for what cannot be.
        """
        settings = self._account.queue(name).settings
        if not 1 <= request.limit <= 10:
            reason = "Must be between 1 and 10, if provided."
            raise invalid_parameter("MaxNumberOfMessages", request.limit, reason)
        wait = settings.wait if request.wait is None else request.wait
        if not 0 <= wait <= 20:
            raise invalid_parameter("WaitTimeSeconds", wait, "Must be >= 0 and <= 20, if provided.")
        if request.visibility is not None:
            check_visibility(request.visibility)
        if request.attempt_id is not None:
            _check_attempt_id(request.attempt_id, fifo=settings.fifo)
        return wait

    def receive(self, name: str, request: ReceiveRequest, *, share: int = 10, fault: Fault = NO_FAULT) -> list[Receipt]:
        """Give out what is visible now: at most `request.limit` messages, and at most `share`.

        A queue that has `max_in_flight` messages in flight gives nothing; a standard one refuses short polls then.
        """
        queue = self._account.queue(name)
        visibility = queue.settings.visibility if request.visibility is None else request.visibility
        if request.attempt_id is not None and (replayed := self._replay(queue, request.attempt_id, visibility)):
            return replayed
        room = self.max_in_flight - queue.in_flight
        if room <= 0 and not queue.settings.fifo and not self.wait_of(name, request):
            raise Refusal("OverLimit", "Too many messages are in flight: delete some, or let their visibility end.")
        taken = self._take(queue, min(request.limit, share, room), visibility)
        if request.attempt_id is not None and taken:
            queue.attempts.remember(request.attempt_id, taken, self._account.clock.now())
        if fault.duplicate:
            self._show_again(queue, taken)
        return [_receipt(queue, message) for message in taken]

    def throttled(self, name: str, attempt_id: str) -> None:
        """Note that a receive under `attempt_id` was throttled: SQS does not take that id again."""
        self._account.queue(name).attempts.remember(attempt_id, (), self._account.clock.now())

    def _replay(self, queue: Queue, attempt_id: str, visibility: float) -> list[Receipt]:
        now = self._account.clock.now()
        messages = queue.attempts.replay(attempt_id, now) or []
        for message in messages:
            queue.hide(message, now + visibility)
        return [_receipt(queue, message) for message in messages]

    def _take(self, queue: Queue, limit: int, visibility: float) -> list[Message]:
        taken: list[Message] = []
        while len(taken) < limit and (candidates := queue.next(limit - len(taken))):
            for message in candidates:
                if not self._redrive(queue, message):
                    self._give_out(queue, message, visibility)
                    taken.append(message)
        return taken

    def _give_out(self, queue: Queue, message: Message, visibility: float) -> None:
        message.receive_count += 1
        message.received_at = self._account.clock.now()
        message.first_received_wall = message.first_received_wall or self._account.wall()
        message.touched = False
        queue.hide(message, message.received_at + visibility)

    def _redrive(self, queue: Queue, message: Message) -> bool:
        redrive, target = queue.settings.redrive, self._account.dead_letter_queue(queue)
        if redrive is None or target is None or message.receive_count < redrive.max_receive_count:
            return False
        queue.remove(message)
        message.source_arn = queue.arn
        if target.settings.fifo:  # a standard message keeps its age; a FIFO one starts anew
            message.sent_at, message.sent_wall = self._account.clock.now(), self._account.wall()
            message.deduplication_id = message.id
            message.sequence = self._ids.next_sequence()
        target.put(message)
        self._account.wake(target)
        return True

    def _show_again(self, queue: Queue, messages: Sequence[Message]) -> None:
        for message in messages:
            queue.show(message)
        self._account.wake(queue)


def _check_attempt_id(attempt_id: str, *, fifo: bool) -> None:
    check_identifier("ReceiveRequestAttemptId", attempt_id)
    if not fifo:
        reason = "The request includes a parameter that is not valid for this queue type."
        raise invalid_parameter("ReceiveRequestAttemptId", attempt_id, reason)


def _receipt(queue: Queue, message: Message) -> Receipt:
    return Receipt(
        message_id=message.id,
        handle=write_handle(queue.id, message.id, message.receive_count),
        body=message.body,
        attributes=message.attributes,
        receive_count=message.receive_count,
        sent_wall=message.sent_wall,
        first_received_wall=message.first_received_wall,
        group=message.group,
        deduplication_id=message.deduplication_id,
        sequence=message.sequence,
        trace_header=message.trace_header,
        source_arn=message.source_arn,
    )
