"""Answers of SQS to the frequent calls, read into types in one step: what nobody asked for is skipped, what is wrong is refused.

Null stands for what is absent, as it does for botocore: some servers answer it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, NotRequired, TypeAlias, TypedDict

import msgspec

from sqsjobs.transport.base import NO_ATTRIBUTES, Delivery

__all__ = ["UNREADABLE", "ReceivedMessage", "read_answer"]

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading raises where an answer is no JSON, not UTF-8, nested too deeply, or not what SQS answers."""

_Number: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""A count, or milliseconds since 1970: a text in JSON."""


class _SystemAttributes(msgspec.Struct, frozen=True, gc=False):
    """The system attributes that a delivery is made of.

    Source: API reference of ReceiveMessage, "MessageSystemAttributeNames".
    """

    receive_count: _Number | None = msgspec.field(name="ApproximateReceiveCount", default=None)
    sent: _Number | None = msgspec.field(name="SentTimestamp", default=None)
    first_received: _Number | None = msgspec.field(name="ApproximateFirstReceiveTimestamp", default=None)
    group: str | None = msgspec.field(name="MessageGroupId", default=None)


_NO_SYSTEM: Final = _SystemAttributes()


class _Attribute(msgspec.Struct, frozen=True, gc=False):
    """A message attribute; a binary one has no text."""

    kind: str = msgspec.field(name="DataType")
    text: str | None = msgspec.field(name="StringValue", default=None)


class ReceivedMessage(msgspec.Struct, frozen=True, gc=False):
    """One message of an answer."""

    message_id: str = msgspec.field(name="MessageId")
    receipt_handle: str = msgspec.field(name="ReceiptHandle")
    body: str = msgspec.field(name="Body")
    system: _SystemAttributes | None = msgspec.field(name="Attributes", default=None)
    attributes: dict[str, _Attribute] | None = msgspec.field(name="MessageAttributes", default=None)

    def delivery(self, queue: str) -> Delivery:
        """Return it as a delivery from `queue`; of its message attributes, those that are texts or numbers (as text)."""
        system = self.system or _NO_SYSTEM
        return Delivery(
            queue=queue,
            message_id=self.message_id,
            receipt_handle=self.receipt_handle,
            body=self.body,
            receive_count=1 if system.receive_count is None else system.receive_count,
            sent_at=(system.sent or 0) / 1000,
            first_received_at=(system.first_received or 0) / 1000,
            group=system.group,
            attributes=_texts(self.attributes) if self.attributes else NO_ATTRIBUTES,
        )


def _texts(attributes: Mapping[str, _Attribute]) -> dict[str, str]:
    return {
        name: it.text
        for name, it in attributes.items()
        if it.text is not None and it.kind.startswith(("String", "Number"))
    }


class _Received(msgspec.Struct):
    messages: list[ReceivedMessage] | None = msgspec.field(name="Messages", default=None)


class _Done(TypedDict):
    Id: str
    MessageId: NotRequired[str]


class _Failed(TypedDict):
    Id: str
    Code: str
    Message: NotRequired[str | None]
    SenderFault: NotRequired[bool | None]


class _Batch(TypedDict):
    Successful: NotRequired[list[_Done] | None]
    Failed: NotRequired[list[_Failed] | None]


_read_received: Final = msgspec.json.Decoder(_Received, strict=False).decode
_read_batch: Final = msgspec.json.Decoder(_Batch).decode
_read_other: Final = msgspec.json.Decoder(dict[str, Any]).decode


def read_answer(operation: str, body: bytes) -> Mapping[str, Any]:
    """Return the contents of an answer to `operation`; messages as `ReceivedMessage`, of a batch the lists that are there.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError, RecursionError: if it is none (`UNREADABLE`).
    """
    if operation == "ReceiveMessage":
        return {"Messages": _read_received(body).messages or []}
    if operation.endswith("Batch"):
        return {name: entries for name, entries in _read_batch(body).items() if entries is not None}
    return _read_other(body) if body else {}
