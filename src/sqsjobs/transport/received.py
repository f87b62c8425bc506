"""The answer to ReceiveMessage, read into types in one step: what nobody asked for is skipped, what is wrong is refused."""

from __future__ import annotations

from typing import Final

import msgspec

__all__ = ["ReceivedMessage", "read_received"]


class _System(msgspec.Struct, frozen=True, gc=False):
    """The system attributes that a delivery is made of; numbers are texts in JSON, times are milliseconds since 1970.

    Source: API reference of ReceiveMessage, "MessageSystemAttributeNames".
    """

    receive_count: int = msgspec.field(name="ApproximateReceiveCount", default=1)
    sent: int = msgspec.field(name="SentTimestamp", default=0)
    first_received: int = msgspec.field(name="ApproximateFirstReceiveTimestamp", default=0)
    group: str | None = msgspec.field(name="MessageGroupId", default=None)


class _Attribute(msgspec.Struct, frozen=True, gc=False):
    """A message attribute; a binary one has no text."""

    kind: str = msgspec.field(name="DataType")
    text: str = msgspec.field(name="StringValue", default="")


class ReceivedMessage(msgspec.Struct, frozen=True, gc=False):
    """One message of an answer."""

    message_id: str = msgspec.field(name="MessageId")
    receipt_handle: str = msgspec.field(name="ReceiptHandle")
    body: str = msgspec.field(name="Body")
    system: _System = msgspec.field(name="Attributes", default=_System())
    attributes: dict[str, _Attribute] = msgspec.field(name="MessageAttributes", default_factory=dict)


class _Received(msgspec.Struct):
    messages: list[ReceivedMessage] | None = msgspec.field(name="Messages", default=None)


_decode: Final = msgspec.json.Decoder(_Received, strict=False).decode


def read_received(body: bytes) -> list[ReceivedMessage]:
    """Return the messages of an answer's body; none where it names none, or is empty.

    Raises:
        msgspec.DecodeError: for what is no JSON, or not what SQS answers.
        UnicodeDecodeError, RecursionError: for JSON that is not UTF-8, or nested too deeply.
    """
    return (_decode(body).messages or []) if body else []
