"""Messages in the model: as they are sent, as they lie in a queue, as they are received; and their limits.

Source of the limits: the SQS API reference, `SendMessage`, and "Amazon SQS message metadata" and
"message quotas" in the developer guide.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from sqsjobs.transport.model.refusal import Refusal, invalid_parameter, missing_parameter

__all__ = [
    "AttributeValue",
    "Message",
    "NewMessage",
    "Phase",
    "Receipt",
    "SentMessage",
    "check_content",
    "check_identifier",
    "size_of",
]

MAX_ATTRIBUTES: Final = 10

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_IDENTIFIER = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}")
_ATTRIBUTE_NAME = re.compile(r"(?!aws\.|amazon\.)(?!\.)(?!.*\.\.)[a-z0-9_.-]{1,256}(?<!\.)", re.IGNORECASE)
_ATTRIBUTE_TYPE = re.compile(r"(String|Number|Binary)(\.[A-Za-z0-9_.\-]+)?")


@dataclass(frozen=True, slots=True)
class AttributeValue:
    """A message attribute: its type (String, Number or Binary, with or without a custom suffix) and its value."""

    data_type: str
    value: str | bytes


NO_ATTRIBUTES: Mapping[str, AttributeValue] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message as its sender gives it; `delay` None stands for the queue's own."""

    body: str
    delay: float | None = None
    group: str | None = None
    deduplication_id: str | None = None
    attributes: Mapping[str, AttributeValue] = field(default_factory=lambda: NO_ATTRIBUTES)
    trace_header: str | None = None


@dataclass(frozen=True, slots=True)
class SentMessage:
    """What a sender is told: the message's id and, on FIFO queues, its sequence number."""

    message_id: str
    sequence: str | None = None


class Phase(enum.Enum):
    """Where a message is in its life in a queue."""

    DELAYED = enum.auto()
    VISIBLE = enum.auto()
    IN_FLIGHT = enum.auto()
    GONE = enum.auto()


@dataclass(slots=True, eq=False)
class Message:
    """A message in a queue. Times called `..._at` are the clock's seconds, `..._wall` milliseconds since 1970.

    Attributes:
        receive_count: receives so far, in all queues it has been in; it also numbers the receipts.
        received_at: when it was last received: the 12 hours of visibility count from here.
        touched: its visibility was changed since it was last received.
        due: when its phase ends by itself, unless it is visible.
    """

    id: str
    body: str
    attributes: Mapping[str, AttributeValue]
    group: str | None
    deduplication_id: str | None
    trace_header: str | None
    sent_at: float
    sent_wall: int
    sequence: str | None = None
    source_arn: str | None = None
    receive_count: int = 0
    received_at: float = 0.0
    first_received_wall: int = 0
    touched: bool = False
    phase: Phase = Phase.VISIBLE
    due: float = 0.0


@dataclass(frozen=True, slots=True)
class Receipt:
    """One receipt of a message, as its consumer sees it. Times are milliseconds since 1970."""

    message_id: str
    handle: str
    body: str
    attributes: Mapping[str, AttributeValue]
    receive_count: int
    sent_wall: int
    first_received_wall: int
    group: str | None
    deduplication_id: str | None
    sequence: str | None
    trace_header: str | None
    source_arn: str | None


def check_content(message: NewMessage) -> None:
    """Refuse a message whose body, attributes or ids SQS does not take; sizes and delays are the queue's business."""
    if not message.body:
        raise missing_parameter("MessageBody")
    if not _is_legal(message.body):
        raise Refusal("InvalidMessageContents", "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD "
                      "| [#x20 to #xD7FF] | [#xE000 to #xFFFD] | [#x10000 to #x10FFFF]")  # fmt: skip
    if message.attributes:
        _check_attributes(message.attributes)
    if message.group is not None:
        check_identifier("MessageGroupId", message.group)
    if message.deduplication_id is not None:
        check_identifier("MessageDeduplicationId", message.deduplication_id)


def check_identifier(parameter: str, value: str) -> None:
    """Refuse a group, deduplication or attempt id that SQS does not take."""
    if not _IDENTIFIER.fullmatch(value):
        reason = f"{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length."
        raise invalid_parameter(parameter, value, reason)


def size_of(message: NewMessage) -> int:
    """Return the bytes that SQS counts: the body and each attribute's name, type and value, in UTF-8."""
    size = _bytes_of(message.body)
    for name, attribute in message.attributes.items():
        size += _bytes_of(name) + _bytes_of(attribute.data_type) + _bytes_of(attribute.value)
    return size


def _bytes_of(value: str | bytes) -> int:
    return len(value) if value.isascii() or isinstance(value, bytes) else len(value.encode())


def _is_legal(text: str) -> bool:
    return (text.isascii() and text.isprintable()) or _ILLEGAL.search(text) is None


def _check_attributes(attributes: Mapping[str, AttributeValue]) -> None:
    if len(attributes) > MAX_ATTRIBUTES:
        raise _invalid(f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum [10].")
    for name, attribute in attributes.items():
        _check_attribute(name, attribute)


def _check_attribute(name: str, attribute: AttributeValue) -> None:
    if not _ATTRIBUTE_NAME.fullmatch(name):
        raise _invalid(
            f"The message attribute name '{name}' is invalid. Attribute name can contain A-Z, a-z, 0-9, underscore (_), "
            "hyphen (-), and period (.) characters, at most 256 of them; it cannot start with AWS. or Amazon., "
            "start or end with a period, or have periods in succession."
        )
    kind = _ATTRIBUTE_TYPE.fullmatch(attribute.data_type)
    if kind is None or len(attribute.data_type) > 256:
        raise _invalid(
            f"The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes "
            "is Binary, Number, and String."
        )
    if not attribute.value or isinstance(attribute.value, bytes) != (kind[1] == "Binary"):
        raise _invalid(f"Message (user) attribute '{name}' must contain a non-empty value of type '{kind[1]}'.")
    if isinstance(attribute.value, str):
        _check_text(name, kind[1], attribute.value)


def _check_text(name: str, kind: str, value: str) -> None:
    if not _is_legal(value):
        raise _invalid(f"Invalid characters found in the value of message (user) attribute '{name}'.")
    if kind == "Number" and not _is_number(value):
        raise _invalid(f"Can't cast the value of message (user) attribute '{name}' to a number.")


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _invalid(problem: str) -> Refusal:
    return Refusal("InvalidParameterValueException", problem)
