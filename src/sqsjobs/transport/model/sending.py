"""SendMessage and SendMessageBatch."""

from __future__ import annotations

from collections.abc import Sequence

from sqsjobs.transport.model.account import Account
from sqsjobs.transport.model.batch import check_batch, check_batch_size, check_fifo_batch, each_entry
from sqsjobs.transport.model.faults import NO_FAULT, Fault
from sqsjobs.transport.model.fifo import content_id
from sqsjobs.transport.model.ids import Ids
from sqsjobs.transport.model.messages import Message, NewMessage, SentMessage, check_content, size_of
from sqsjobs.transport.model.queue import Queue
from sqsjobs.transport.model.refusal import Refusal, invalid_parameter, missing_parameter

__all__ = ["Sending"]


class Sending:
    """Takes messages in. A message that SQS refuses raises `Refusal`; in a batch it is that entry's result."""

    def __init__(self, account: Account, ids: Ids) -> None:
        self._account = account
        self._ids = ids

    def send(self, name: str, message: NewMessage) -> SentMessage:
        """Take a message in."""
        return self._send(self._account.queue(name), message)

    def send_batch(
        self, name: str, entries: Sequence[tuple[str, NewMessage]], fault: Fault = NO_FAULT
    ) -> list[SentMessage | Refusal]:
        """Take up to ten messages in; one result each, in order."""
        queue = self._account.queue(name)
        messages = [message for _, message in entries]
        check_batch([entry_id for entry_id, _ in entries], "SendMessageBatchRequestEntry")
        check_batch_size(messages)
        if queue.settings.fifo:
            check_fifo_batch(messages, queue.settings)
        return each_entry(messages, fault, lambda message: self._send(queue, message))

    def _send(self, queue: Queue, new: NewMessage) -> SentMessage:
        check_content(new)
        _check_size(queue, new)
        delay = _delay_of(queue, new)
        if queue.settings.fifo:
            return self._send_once(queue, new, delay)
        if new.deduplication_id is not None:
            reason = "The request includes a parameter that is not valid for this queue type."
            raise invalid_parameter("MessageDeduplicationId", new.deduplication_id, reason)
        return SentMessage(self._put(queue, new, delay).id)

    def _send_once(self, queue: Queue, new: NewMessage, delay: float) -> SentMessage:
        if new.group is None:
            raise missing_parameter("MessageGroupId")
        deduplication_id = _deduplication_id_of(queue, new)
        scope = new.group if queue.settings.deduplicate_by_group else None
        now = self._account.clock.now()
        sent = queue.deduplication.find(scope, deduplication_id, now)
        if sent is None:
            message = self._put(queue, new, delay, deduplication_id, self._ids.next_sequence())
            sent = SentMessage(message.id, message.sequence)
            queue.deduplication.remember(scope, deduplication_id, sent, now)
        return sent

    def _put(
        self,
        queue: Queue,
        new: NewMessage,
        delay: float,
        deduplication_id: str | None = None,
        sequence: str | None = None,
    ) -> Message:
        now = self._account.clock.now()
        message = Message(
            id=self._ids.new(),
            body=new.body,
            attributes=new.attributes,
            group=new.group,
            deduplication_id=deduplication_id,
            sequence=sequence,
            trace_header=new.trace_header,
            sent_at=now,
            sent_wall=self._account.wall(),
        )
        queue.put(message, delayed_until=now + delay if delay else None)
        self._account.wake(queue)
        return message


def _check_size(queue: Queue, message: NewMessage) -> None:
    limit = queue.settings.max_size
    if size_of(message) > limit:
        problem = f"One or more parameters are invalid. Reason: Message must be shorter than {limit} bytes."
        raise Refusal("InvalidParameterValueException", problem)


def _delay_of(queue: Queue, message: NewMessage) -> float:
    delay = message.delay
    if queue.settings.fifo and delay:
        reason = "The request include parameter that is not valid for this queue type."
        raise invalid_parameter("DelaySeconds", delay, reason)
    if delay is not None and not 0 <= delay <= 900:
        raise invalid_parameter("DelaySeconds", delay, "DelaySeconds must be >= 0 and <= 900.")
    return queue.settings.delay if delay is None or queue.settings.fifo else delay


def _deduplication_id_of(queue: Queue, message: NewMessage) -> str:
    if message.deduplication_id is not None:
        return message.deduplication_id
    if queue.settings.content_deduplication:
        return content_id(message.body)
    raise Refusal(
        "InvalidParameterValueException",
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
    )
