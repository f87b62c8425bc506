"""The answer to ReceiveMessage, read into types in one step: what nobody asked for is skipped, what is wrong is refused.

Null stands for what is absent, as it does for botocore: some servers answer it.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec

__all__ = ["ReceivedMessage", "SystemAttributes", "read_received"]

_Number: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""A count, or milliseconds since 1970: a text in JSON."""


class SystemAttributes(msgspec.Struct, frozen=True, gc=False):
    """The system attributes that a delivery is made of.

    Source: API reference of ReceiveMessage, "MessageSystemAttributeNames".
    """

    receive_count: _Number | None = msgspec.field(name="ApproximateReceiveCount", default=None)
    sent: _Number | None = msgspec.field(name="SentTimestamp", default=None)
    first_received: _Number | None = msgspec.field(name="ApproximateFirstReceiveTimestamp", default=None)
    group: str | None = msgspec.field(name="MessageGroupId", default=None)


class _Attribute(msgspec.Struct, frozen=True, gc=False):
    """A message attribute; a binary one has no text."""

    kind: str = msgspec.field(name="DataType")
    text: str | None = msgspec.field(name="StringValue", default=None)


class ReceivedMessage(msgspec.Struct, frozen=True, gc=False):
    """One message of an answer."""

    message_id: str = msgspec.field(name="MessageId")
    receipt_handle: str = msgspec.field(name="ReceiptHandle")
    body: str = msgspec.field(name="Body")
    system: SystemAttributes | None = msgspec.field(name="Attributes", default=None)
    attributes: dict[str, _Attribute] | None = msgspec.field(name="MessageAttributes", default=None)

    def texts(self) -> dict[str, str]:
        """Return the message attributes that are texts or numbers (as text), by name."""
        found = (self.attributes or {}).items()
        return {name: it.text for name, it in found if it.text is not None and it.kind.startswith(("String", "Number"))}


class _Received(msgspec.Struct):
    messages: list[ReceivedMessage] | None = msgspec.field(name="Messages", default=None)


_decode: Final = msgspec.json.Decoder(_Received, strict=False).decode


def read_received(body: bytes) -> list[ReceivedMessage]:
    """Return the messages of an answer's body.

    Raises:
        msgspec.DecodeError: for what is no JSON, or not what SQS answers.
        UnicodeDecodeError, RecursionError: for JSON that is not UTF-8, or nested too deeply.
    """
    return _decode(body).messages or []
