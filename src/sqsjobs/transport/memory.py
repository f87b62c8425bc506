"""Queues in this process: a strict model of SQS behind the transport's door, for tests and simulations.

    sqs = MemorySQS()
    sqs.create_queue("images", dead_letter_queue="images-dlq")
    async with MemoryTransport(sqs) as transport:
        await transport.send("images", [OutgoingMessage("...")])

`sqsjobs.local` serves the same `MemorySQS` over HTTP.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Self, TypeVar

from sqsjobs.errors import ConfigurationError, TransportError, TransportUnavailable
from sqsjobs.transport.address import SqsEndpoint, dead_letter_name
from sqsjobs.transport.base import (
    Delivery,
    Done,
    EntryResult,
    OutgoingMessage,
    QueueDescription,
    SendResult,
    Sent,
    SqsCalled,
)
from sqsjobs.transport.memory_sqs import MemorySQS, QueuedMessage
from sqsjobs.transport.model import AttributeValue, NewMessage, NoAnswer, Queue, Receipt, ReceiveRequest, Refusal
from sqsjobs.transport.sqs_errors import answered_error, entry_failed, not_sent

__all__ = ["MemorySQS", "MemoryTransport", "QueuedMessage"]

URL_HOST: Final = "https://memory.invalid"
"""Where the queues' URLs seem to be; the top-level domain ``invalid`` leads nowhere (RFC 2606)."""

T = TypeVar("T")


class MemoryTransport:
    """The queues of a `MemorySQS`. Several transports share one; each belongs to the event loop that opened it.

    Seconds may have fractions, where SQS itself takes whole ones.

    Args:
        sqs: the queues; a new, empty SQS by default.
        queue_prefix: put before every queue name (not before URLs), such as ``"staging-"``.
        create_missing: create a queue, with a dead-letter queue ``<name>-dlq``, when it is first used.
        observer: is told of every call (`SqsCalled`).
    """

    def __init__(
        self,
        sqs: MemorySQS | None = None,
        *,
        queue_prefix: str = "",
        create_missing: bool = False,
        observer: Callable[[SqsCalled], None] | None = None,
    ) -> None:
        self.sqs: MemorySQS = sqs or MemorySQS()
        self.queue_prefix: str = queue_prefix
        self._create_missing = create_missing
        self._observer = observer
        self._opened_in: tuple[int, asyncio.AbstractEventLoop] | None = None

    def __repr__(self) -> str:
        return f"<MemoryTransport, {'open' if self._opened_in else 'not open'}>"

    async def __aenter__(self) -> Self:
        if self._opened_in is not None:
            raise ConfigurationError("this transport is open already: open a clone() for another event loop")
        self._opened_in = (os.getpid(), asyncio.get_running_loop())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._opened_in = None

    async def send(self, queue: str, messages: Sequence[OutgoingMessage]) -> list[SendResult]:
        name = self._name(queue)
        entries = [(str(position), _new_message(message)) for position, message in enumerate(messages)]
        results = await self._told(
            "SendMessageBatch",
            queue,
            self.sqs.call(
                "SendMessageBatch", name, lambda model, fault: model.sending.send_batch(name, entries, fault)
            ),
            entries=len(entries),
        )
        return [not_sent(_failure(it)) if isinstance(it, Refusal) else Sent(it.message_id) for it in results]

    async def receive(
        self, queue: str, *, limit: int, wait: float, visibility: float, attempt_id: str | None = None
    ) -> list[Delivery]:
        name = self._name(queue)
        request = ReceiveRequest(limit=limit, wait=wait, visibility=visibility, attempt_id=attempt_id)
        received = await self._told("ReceiveMessage", queue, self.sqs.receive(name, request))
        return [_delivery(queue, receipt) for receipt in received]

    async def delete(self, queue: str, receipt_handles: Sequence[str]) -> list[EntryResult]:
        name = self._name(queue)
        entries = [(str(position), handle) for position, handle in enumerate(receipt_handles)]
        results = await self._told(
            "DeleteMessageBatch",
            queue,
            self.sqs.call(
                "DeleteMessageBatch", name, lambda model, fault: model.leases.delete_batch(name, entries, fault)
            ),
            entries=len(entries),
        )
        return [_entry_result(result) for result in results]

    async def change_visibility(self, queue: str, changes: Sequence[tuple[str, float]]) -> list[EntryResult]:
        name = self._name(queue)
        entries = [(str(position), change) for position, change in enumerate(changes)]
        results = await self._told(
            "ChangeMessageVisibilityBatch",
            queue,
            self.sqs.call(
                "ChangeMessageVisibilityBatch",
                name,
                lambda model, fault: model.leases.change_visibility_batch(name, entries, fault),
            ),
            entries=len(entries),
        )
        return [_entry_result(result) for result in results]

    async def describe(self, queue: str) -> QueueDescription:
        name = self._name(queue)
        described = self.sqs.call(
            "GetQueueAttributes", name, lambda model, _: self._description(queue, model.account.queue(name))
        )
        return await self._told("GetQueueAttributes", queue, described)

    def clone(self) -> MemoryTransport:
        return MemoryTransport(
            self.sqs, queue_prefix=self.queue_prefix, create_missing=self._create_missing, observer=self._observer
        )

    def _name(self, queue: str) -> str:
        """Return the queue's name in the model, which has it afterwards if that is wanted."""
        self._check_opened()
        name = _ENDPOINT.address(queue, prefix=self.queue_prefix).name
        if self._create_missing and not self.sqs.has_queue(name):
            is_dead_letter_queue = name.removesuffix(".fifo").endswith("-dlq")
            self.sqs.create_queue(name, dead_letter_queue=None if is_dead_letter_queue else dead_letter_name(name))
        return name

    def _check_opened(self) -> None:
        if self._opened_in is None:
            raise ConfigurationError(f"{self!r}: use it inside `async with`")
        if self._opened_in != (os.getpid(), asyncio.get_running_loop()):
            raise ConfigurationError(
                "this transport was opened in another event loop or process: open a clone() in this one"
            )

    async def _told(self, operation: str, queue: str, call: Awaitable[T], *, entries: int | None = None) -> T:
        """Await a call, map what goes wrong, and tell the observer how it ended."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        carried, problem = entries or 0, "Cancelled"
        try:
            answer = await call
        except (Refusal, NoAnswer) as failure:
            error = _transport_error(failure, operation, queue)
            problem = error.code or type(error).__name__
            raise error from failure
        else:
            problem = ""
            carried = len(answer) if entries is None and isinstance(answer, list) else carried
            return answer
        finally:
            if self._observer is not None:
                self._observer(SqsCalled(operation, queue, carried, loop.time() - started, problem or None))

    def _description(self, queue: str, found: Queue) -> QueueDescription:
        settings, account = found.settings, found.arn.split(":")[4]
        redrive = settings.redrive
        base = f"{URL_HOST}/{account}"
        return QueueDescription(
            name=queue,
            url=f"{base}/{found.name}",
            fifo=settings.fifo,
            dead_letter_queue=f"{base}/{redrive.target_arn.rpartition(':')[2]}" if redrive else None,
            max_receive_count=redrive.max_receive_count if redrive else None,
            retention=float(settings.retention),
            visible=found.visible,
            in_flight=found.in_flight,
            delayed=found.delayed,
        )


_ENDPOINT: Final = SqsEndpoint()


def _new_message(message: OutgoingMessage) -> NewMessage:
    return NewMessage(
        body=message.body,
        delay=message.delay or None,
        group=message.group,
        deduplication_id=message.deduplication_id,
        attributes={name: AttributeValue("String", value) for name, value in message.attributes.items()},
    )


def _delivery(queue: str, receipt: Receipt) -> Delivery:
    return Delivery(
        queue=queue,
        message_id=receipt.message_id,
        receipt_handle=receipt.handle,
        body=receipt.body,
        receive_count=receipt.receive_count,
        sent_at=receipt.sent_wall / 1000,
        first_received_at=receipt.first_received_wall / 1000,
        group=receipt.group,
        attributes={
            name: attribute.value for name, attribute in receipt.attributes.items() if isinstance(attribute.value, str)
        },
    )


def _entry_result(result: Refusal | None) -> EntryResult:
    return Done() if result is None else entry_failed(_failure(result))


def _failure(refusal: Refusal) -> dict[str, Any]:  # Any: the shape in which SQS answers, read by sqs_errors
    return {"Code": refusal.code, "Message": refusal.problem, "SenderFault": refusal.sender_fault}


def _transport_error(failure: Refusal | NoAnswer, operation: str, queue: str) -> TransportError:
    if isinstance(failure, Refusal):
        return answered_error(failure.code, failure.problem, failure.status, operation=operation, queue=queue)
    return TransportUnavailable(f"no answer came to {operation} on {queue!r}", operation=operation, queue=queue)
