"""The transport to SQS itself, through aioboto3: queues by name or URL, three clients, nothing tried twice.

Polls, control (deletes and visibility changes) and sends have a client each, because open long polls use up a
pool of connections: on a shared one, deletes wait for seconds behind them. A call that fails is never repeated
here: a receive repeated unseen takes messages twice, and who calls knows the lease and the budget.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from sqsjobs.errors import ConfigurationError, QueueNotFound, TransportError, TransportUnavailable
from sqsjobs.transport.address import SqsEndpoint
from sqsjobs.transport.base import (
    MAX_WAIT,
    ClockCorrected,
    Delivery,
    Done,
    EntryResult,
    OutgoingMessage,
    QueueDescription,
    SendResult,
    Sent,
    SqsCalled,
    WireChosen,
    is_fifo,
)
from sqsjobs.transport.server_time import ServerTime
from sqsjobs.transport.sqs_errors import entry_failed, not_sent
from sqsjobs.transport.sqs_options import Pools, Timeouts, Wire, checked_wire

if TYPE_CHECKING:
    from sqsjobs.transport.sqs_client import Answer, SqsClient

__all__ = ["Pools", "SqsTransport", "Timeouts", "Wire", "checked_wire", "queue_description"]

_READ_ATTRIBUTES: Final = (
    "ApproximateReceiveCount",
    "SentTimestamp",
    "ApproximateFirstReceiveTimestamp",
    "MessageGroupId",
)
"""What a `Delivery` is made of; whoever asks for all has a sender, a trace and more to read with every message."""

_D = TypeVar("_D")
_F = TypeVar("_F")


@dataclass(frozen=True, slots=True)
class _Opened:
    """The open clients, and where they were opened: they work there alone."""

    poll: SqsClient
    control: SqsClient
    send: SqsClient
    resolving: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    pid: int = field(default_factory=os.getpid)


class SqsTransport:
    """Queues on SQS, or on any server that speaks its protocol.

    Seconds are rounded up to whole ones, which is all that SQS takes. Sending always uses SendMessageBatch: for one
    message it costs and may do what SendMessage does, and its answer is a value an entry, never an exception.

    Cancelling `receive` closes its connection, and loses messages for their visibility: SQS does not notice,
    and gives what it finds to nobody. Let polls end.

    Args:
        region: of the queues; None for what the environment or the profile says.
        endpoint_url: of another server than AWS's. One on this machine needs no credentials and no region.
        queue_prefix: put before every queue name (not before URLs), such as ``"staging-"``.
        session_factory: makes the `aioboto3.Session` to use, once for every opening.
        allow_http: talk plain http to other hosts than this machine (an emulator in a container).
        pools: connections for each client.
        timeouts: for every call.
        observer: is told of every request (`SqsCalled`), at every opening which way requests take (`WireChosen`), and
            of a wrong clock (`ClockCorrected`).
        wire: "lean" for the frequent calls by a client of our own, at a tenth of the CPU; "aioboto3"
            for all by aioboto3; "auto" for the lean one unless what is configured asks for more (a proxy, say).

    Attributes:
        server_time: by how much this machine's dates differ from SQS's; shared with clones.

    Raises:
        ConfigurationError: at construction for a URL that cannot be used; at opening for missing credentials or
            region, or a `wire` that is "lean" where it cannot be; at every call that is made outside the event loop
            or process of the opening.
    """

    def __init__(
        self,
        *,
        region: str | None = None,
        endpoint_url: str | None = None,
        queue_prefix: str = "",
        session_factory: Callable[[], Any] | None = None,
        allow_http: bool = False,
        pools: Pools | None = None,
        timeouts: Timeouts | None = None,
        observer: Callable[[SqsCalled | WireChosen | ClockCorrected], None] | None = None,
        wire: Wire = "auto",
    ) -> None:
        self._endpoint = SqsEndpoint(region, endpoint_url, session_factory, allow_http)
        self.queue_prefix: str = queue_prefix
        self._pools = pools or Pools()
        self._timeouts = timeouts or Timeouts()
        self._observer = observer
        self._wire = checked_wire(wire)
        self.server_time: ServerTime = ServerTime(
            tell=(lambda seconds: observer(ClockCorrected(seconds))) if observer else None
        )
        self._urls: dict[str, str] = {}
        self._opened: _Opened | None = None
        self._closing = AsyncExitStack()

    def __repr__(self) -> str:
        where = self._endpoint.endpoint_url or self._endpoint.region or "the configured region"
        return f"<SqsTransport to {where}, {'open' if self._opened else 'not open'}>"

    async def __aenter__(self) -> Self:
        # Here and not above: it imports aioboto3.
        from sqsjobs.transport.sqs_client import open_session  # noqa: PLC0415

        if self._opened is not None:
            raise ConfigurationError("this transport is open already: open a clone() for another event loop")
        session = await open_session(self._endpoint, self._wire)
        self._endpoint = session.endpoint
        async with AsyncExitStack() as opening:

            async def client(connections: int, *, longest_wait: float = 0.0) -> SqsClient:
                one = session.client(
                    connections,
                    self._timeouts,
                    self._observer,
                    longest_wait=longest_wait,
                    server_time=self.server_time,
                )
                return await opening.enter_async_context(one)

            self._opened = _Opened(
                poll=await client(self._pools.poll, longest_wait=MAX_WAIT),
                control=await client(self._pools.control),
                send=await client(self._pools.send),
            )
            self._closing = opening.pop_all()
        if self._observer is not None:
            self._observer(self._opened.send.chosen)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._opened = None
        await self._closing.aclose()

    async def send(self, queue: str, messages: Sequence[OutgoingMessage]) -> list[SendResult]:
        entries = [{"Id": str(position), **_entry(message)} for position, message in enumerate(messages)]
        here = self._here()
        url = self._urls.get(queue) or await self._url(queue)
        answer = await here.send.call("SendMessageBatch", queue, QueueUrl=url, Entries=entries)
        with _Reading("SendMessageBatch", queue):
            return _results(answer, len(entries), lambda sent: Sent(sent["MessageId"]), not_sent)

    async def receive(
        self, queue: str, *, limit: int, wait: float, visibility: float, attempt_id: str | None = None
    ) -> list[Delivery]:
        seconds = ceil(wait)
        url = await self._url(queue)
        answer = await self._here().poll.call(
            "ReceiveMessage",
            queue,
            wait=seconds,
            QueueUrl=url,
            MaxNumberOfMessages=limit,
            WaitTimeSeconds=seconds,
            VisibilityTimeout=ceil(visibility),
            MessageSystemAttributeNames=_READ_ATTRIBUTES,
            MessageAttributeNames=["All"],
            **({"ReceiveRequestAttemptId": attempt_id} if attempt_id and is_fifo(queue) else {}),
        )
        with _Reading("ReceiveMessage", queue):
            return [message.delivery(queue) for message in answer["Messages"]]

    async def delete(self, queue: str, receipt_handles: Sequence[str]) -> list[EntryResult]:
        return await self._control("DeleteMessageBatch", queue, [{"ReceiptHandle": it} for it in receipt_handles])

    async def change_visibility(self, queue: str, changes: Sequence[tuple[str, float]]) -> list[EntryResult]:
        return await self._control(
            "ChangeMessageVisibilityBatch",
            queue,
            [{"ReceiptHandle": handle, "VisibilityTimeout": ceil(seconds)} for handle, seconds in changes],
        )

    async def _control(self, operation: str, queue: str, entries: Sequence[Mapping[str, Any]]) -> list[EntryResult]:
        numbered = [{"Id": str(position), **entry} for position, entry in enumerate(entries)]
        url = await self._url(queue)
        answer = await self._here().control.call(operation, queue, QueueUrl=url, Entries=numbered)
        with _Reading(operation, queue):
            return _results(answer, len(numbered), lambda _: Done(), entry_failed)

    async def describe(self, queue: str) -> QueueDescription:
        url = await self._url(queue)
        answer = await self._here().control.call("GetQueueAttributes", queue, QueueUrl=url, AttributeNames=["All"])
        with _Reading("GetQueueAttributes", queue):
            description = queue_description(queue, url, answer["Attributes"])
        if description.dead_letter_queue is not None:
            # SQS itself named it, so it is no foreign URL, whatever its scheme.
            self._urls.setdefault(description.dead_letter_queue, description.dead_letter_queue)
        return description

    def clone(self) -> SqsTransport:
        endpoint = self._endpoint
        clone = SqsTransport(
            region=endpoint.region,
            endpoint_url=endpoint.endpoint_url,
            queue_prefix=self.queue_prefix,
            session_factory=endpoint.session_factory,
            allow_http=endpoint.allow_http,
            pools=self._pools,
            timeouts=self._timeouts,
            observer=self._observer,
            wire=self._wire,
        )
        clone._urls.update(self._urls)
        clone.server_time = self.server_time
        return clone

    async def _url(self, queue: str) -> str:
        """Return the queue's URL, asking SQS once for each name."""
        here = self._here()
        if queue not in self._urls:
            async with here.resolving[queue]:
                if queue not in self._urls:
                    self._urls[queue] = await self._find(queue, here.control)
        return self._urls[queue]

    async def _find(self, queue: str, client: SqsClient) -> str:
        address = self._endpoint.address(queue, prefix=self.queue_prefix)
        if address.url is not None:
            return address.url
        try:
            answer = await client.call("GetQueueUrl", queue, QueueName=address.name)
            with _Reading("GetQueueUrl", queue):
                return str(answer["QueueUrl"])
        except QueueNotFound as error:
            raise QueueNotFound(
                f"there is no queue {address.name!r}: create it (sqsjobs queues apply), or correct the region, "
                f"endpoint or prefix",
                operation="GetQueueUrl",
                queue=queue,
                code=error.code,
                sent=False,
            ) from error
        except TransportError as error:
            error.sent = False  # what was to be done with the queue was never asked for
            raise

    def _here(self) -> _Opened:
        opened = self._opened
        if opened is None:
            raise ConfigurationError(f"{self!r}: use it inside `async with`")
        # None where no loop runs, as after a fork; `get_running_loop` would raise.
        if opened.loop is asyncio._get_running_loop():  # noqa: SLF001 - exported by asyncio
            return opened
        if opened.pid != os.getpid():
            raise ConfigurationError(
                "this transport was opened before a fork, and its connections belong to the parent process: "
                "open a clone() in the child"
            )
        raise ConfigurationError("this transport was opened in another event loop: open a clone() in this one")


def _entry(message: OutgoingMessage) -> dict[str, Any]:
    entry: dict[str, Any] = {"MessageBody": message.body}
    if message.delay:
        entry["DelaySeconds"] = message.delay
    if message.group is not None:
        entry["MessageGroupId"] = message.group
    if message.deduplication_id is not None:
        entry["MessageDeduplicationId"] = message.deduplication_id
    if message.attributes:
        entry["MessageAttributes"] = {
            name: {"DataType": "String", "StringValue": value} for name, value in message.attributes.items()
        }
    return entry


def queue_description(queue: str, url: str, attributes: Mapping[str, str]) -> QueueDescription:
    """Read a queue's attributes, as GetQueueAttributes answers them.

    The dead-letter queue is named by its ARN; it is in the same account and region as the queue (SQS developer
    guide, "Dead-letter queues"), so its URL is the queue's with another name.
    """
    redrive = json.loads(attributes.get("RedrivePolicy") or "{}")
    target = redrive.get("deadLetterTargetArn", "").rpartition(":")[2]
    return QueueDescription(
        name=queue,
        url=url,
        fifo=attributes.get("FifoQueue") == "true",
        dead_letter_queue=f"{url.rpartition('/')[0]}/{target}" if target else None,
        max_receive_count=int(redrive["maxReceiveCount"]) if target else None,
        retention=float(attributes["MessageRetentionPeriod"]),
        visible=int(attributes["ApproximateNumberOfMessages"]),
        in_flight=int(attributes["ApproximateNumberOfMessagesNotVisible"]),
        delayed=int(attributes["ApproximateNumberOfMessagesDelayed"]),
    )


def _results(
    answer: Answer, count: int, done: Callable[[Mapping[str, Any]], _D], failed: Callable[[Mapping[str, Any]], _F]
) -> list[_D | _F]:
    """Return what became of each entry, by its position; an entry that the answer does not name is a KeyError."""
    results: dict[str, _D | _F] = {entry["Id"]: done(entry) for entry in answer.get("Successful", ())}
    results.update((entry["Id"], failed(entry)) for entry in answer.get("Failed", ()))
    return [results[str(position)] for position in range(count)]


class _Reading:
    """Raises `TransportUnavailable` for an answer that is not what SQS answers."""

    __slots__ = ("_operation", "_queue")

    def __init__(self, operation: str, queue: str) -> None:
        self._operation = operation
        self._queue = queue

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, (KeyError, ValueError, TypeError, AttributeError)):
            raise TransportUnavailable(
                f"{self._operation} on {self._queue!r} was answered with something that is no answer: {error!r}",
                operation=self._operation,
                queue=self._queue,
            ) from error
