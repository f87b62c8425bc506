"""The one door to SQS: what a transport takes and gives, and the limits of SQS that shape it.

All of sqsjobs is written against `Transport`. Failures of a whole call are raised as
`TransportError`s; failures of single entries of a batch are values.

Sources of the limits: the SQS API reference (`SendMessageBatch`, `ReceiveMessage`,
`ChangeMessageVisibility`) and "Amazon SQS message quotas" in the SQS developer guide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol, Self, TypeAlias

import msgspec

__all__ = [
    "MAX_BATCH_BYTES",
    "MAX_BATCH_ENTRIES",
    "MAX_DELAY",
    "MAX_MESSAGE_BYTES",
    "MAX_VISIBILITY",
    "MAX_WAIT",
    "ClockCorrected",
    "Delivery",
    "Done",
    "EntryFailed",
    "EntryResult",
    "NotSent",
    "OutgoingMessage",
    "QueueDescription",
    "SendResult",
    "Sent",
    "SqsCalled",
    "Transport",
    "WireChosen",
    "is_fifo",
    "message_size",
]

MAX_BATCH_ENTRIES: Final = 10
"""Entries in one batch call, and messages in one receive."""
MAX_MESSAGE_BYTES: Final = 1_048_576
"""UTF-8 bytes of one message: its body and its attributes' names, types and values."""
MAX_BATCH_BYTES: Final = 1_048_576
"""Bytes of all the messages of one SendMessageBatch together."""
MAX_DELAY: Final = 900
"""Seconds that SQS can hold a single message back; FIFO queues: none per message."""
MAX_VISIBILITY: Final = 43_200
"""Seconds, counted from the receipt, that a message can be kept hidden in all."""
MAX_WAIT: Final = 20
"""Seconds of the longest long poll."""

NO_ATTRIBUTES: Mapping[str, str] = MappingProxyType({})
"""The attributes of a message that has none."""


class OutgoingMessage(msgspec.Struct, frozen=True, gc=False):
    """A message to be sent.

    Attributes:
        body: the text of the message; XML 1.0 characters only.
        delay: seconds (0 to 900) before it becomes visible; standard queues only.
        group: MessageGroupId: required on FIFO, the fair-queue tenant on a standard queue.
        deduplication_id: MessageDeduplicationId, FIFO only.
        attributes: message attributes of type String.
    """

    body: str
    delay: int = 0
    group: str | None = None
    deduplication_id: str | None = None
    attributes: Mapping[str, str] = NO_ATTRIBUTES

    def __repr__(self) -> str:  # what messages hold belongs into no log
        return f"<OutgoingMessage of {len(self.body):,} characters>"


def message_size(message: OutgoingMessage) -> int:
    """Return the bytes that SQS counts: the body and each attribute's name, type and value, in UTF-8."""
    size = _utf8_length(message.body)
    for name, value in message.attributes.items():
        size += _utf8_length(name) + len("String") + _utf8_length(value)
    return size


def _utf8_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


class Sent(msgspec.Struct, frozen=True, gc=False):
    """SQS has the message."""

    message_id: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """SQS refused this entry; it does not have the message. `retryable` unless the sender is at fault."""

    code: str
    problem: str
    retryable: bool


SendResult: TypeAlias = Sent | NotSent
"""What became of one message of a send."""


class Done(msgspec.Struct, frozen=True, gc=False):
    """The entry was carried out."""


@dataclass(frozen=True, slots=True)
class EntryFailed:
    """The entry was not carried out.

    `lease_over` if SQS says that the receipt handle no longer holds the message (deleted, expired,
    received again); otherwise `retryable` says whether another try may help.
    """

    code: str
    problem: str
    retryable: bool
    lease_over: bool = False


EntryResult: TypeAlias = Done | EntryFailed
"""What became of one entry of a delete or a visibility change."""


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """One receipt of a message.

    Attributes:
        queue: the queue's name in the app, or its URL, as it was asked for.
        message_id: SQS's id of the message; the same at every delivery.
        receipt_handle: the right to delete or hide this delivery; new at every one.
        body: the text.
        receive_count: how often SQS has given the message out, this one included
            (ApproximateReceiveCount; it also counts receives that nobody saw).
        sent_at: when SQS got the message, seconds since 1970 by its clock.
        first_received_at: when SQS first gave it out, seconds since 1970 by its clock.
        group: MessageGroupId, or None.
        attributes: its message attributes of type String (and Number, as text).
    """

    queue: str
    message_id: str
    receipt_handle: str
    body: str
    receive_count: int = 1
    sent_at: float = 0.0
    first_received_at: float = 0.0
    group: str | None = None
    attributes: Mapping[str, str] = NO_ATTRIBUTES

    @property
    def fifo_group(self) -> str | None:
        """The group in whose order it comes; None on a standard queue, whose groups have no order."""
        return self.group if self.group is not None and is_fifo(self.queue) else None

    def __repr__(self) -> str:  # a receipt handle is a right over the message, and its body belongs into no log
        return f"<Delivery {self.receive_count} of message {self.message_id} on queue {self.queue!r}>"


@dataclass(frozen=True, slots=True)
class QueueDescription:
    """What a queue's attributes say.

    Attributes:
        name: as it was asked for.
        url: where it is.
        fifo: whether it is a FIFO queue.
        dead_letter_queue: URL of the dead-letter queue, or None if it has none.
        max_receive_count: deliveries after which SQS itself moves a message there, or None.
        retention: seconds after which SQS drops a message.
        visible: messages waiting, approximately (counts lag by up to a minute).
        in_flight: messages hidden by a receive, approximately.
        delayed: messages not due yet, approximately.
    """

    name: str
    url: str
    fifo: bool
    dead_letter_queue: str | None
    max_receive_count: int | None
    retention: float
    visible: int
    in_flight: int
    delayed: int


class SqsCalled(msgspec.Struct, frozen=True, gc=False):
    """A request to SQS ended: how many entries or messages it carried, and SQS's error code where it failed.

    An event (see `sqsjobs.events`) that the transport itself tells, so it lives on the transport's floor.
    """

    operation: str
    queue: str
    entries: int
    seconds: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class WireChosen:
    """A transport to SQS was opened: frequent calls take the lean path, or go through aioboto3 for a `reason`.

    An event, as `SqsCalled` is.
    """

    lean: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ClockCorrected:
    """This machine's clock is wrong by SQS's: dates are moved by `seconds` from now on.

    An event, as `SqsCalled` is.
    """

    seconds: float


class Transport(Protocol):
    """Queues as SQS has them. An instance belongs to one event loop of one process.

    `queue` is a name (to which the transport adds its prefix) or an ``https://`` URL. Every call raises a
    `TransportError` if it failed as a whole and is never tried again by the transport itself.
    """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc_info: object) -> None: ...

    async def send(self, queue: str, messages: Sequence[OutgoingMessage]) -> list[SendResult]:
        """Send 1 to 10 messages (1 MiB together) by one request; one result per message, in order."""
        ...

    async def receive(
        self, queue: str, *, limit: int, wait: float, visibility: float, attempt_id: str | None = None
    ) -> list[Delivery]:
        """Receive up to `limit` (1 to 10) messages, waiting up to `wait` seconds (0 to 20) for the first.

        Each is hidden for `visibility` seconds. `attempt_id` (FIFO) lets a lost answer be asked for again.
        Never cancel this call: the receive goes on at SQS and hides what it finds.
        """
        ...

    async def delete(self, queue: str, receipt_handles: Sequence[str]) -> list[EntryResult]:
        """Delete 1 to 10 deliveries by one request; one result per handle, in order."""
        ...

    async def change_visibility(self, queue: str, changes: Sequence[tuple[str, float]]) -> list[EntryResult]:
        """Hide 1 to 10 deliveries (receipt handle, seconds from now) by one request; one result each, in order."""
        ...

    async def describe(self, queue: str) -> QueueDescription:
        """Read the queue's attributes.

        Raises:
            QueueNotFound: if there is no such queue.
        """
        ...

    def clone(self) -> Transport:
        """Return an unopened transport to the same queues, for another event loop."""
        ...


def is_fifo(queue: str) -> bool:
    """Whether `queue`, a name or a URL, is a FIFO queue: its name ends in ``.fifo``."""
    return queue.endswith(".fifo")
