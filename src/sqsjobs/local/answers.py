"""What clients are told, in the shapes of the JSON protocol. What is None is left out.

Source: the service model of SQS (2012-11-05, ``awsJson1_0``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from sqsjobs.local.digests import attributes_digest, body_digest
from sqsjobs.transport.model import AttributeValue, MoveTask, Receipt, Refusal

__all__ = [
    "Answer",
    "BatchAnswer",
    "EntryDone",
    "EntryFailed",
    "Messages",
    "MoveTaskAnswer",
    "SentAnswer",
    "chosen_attributes",
    "entry_failed",
    "message_of",
]

SENDER: Final = "AIDALOCALSQSJOBS0000"
"""SenderId of every message: nobody is asked who they are."""


class Answer(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    """An answer, or a part of one."""


class AttributeAnswer(Answer, frozen=True):
    """A message attribute."""

    data_type: str
    string_value: str | None = None
    binary_value: bytes | None = None


class SentAnswer(Answer, frozen=True):
    """What became of a message that was sent."""

    message_id: str
    md5_of_body: str = msgspec.field(name="MD5OfMessageBody")
    md5_of_attributes: str | None = msgspec.field(name="MD5OfMessageAttributes", default=None)
    md5_of_system_attributes: str | None = msgspec.field(name="MD5OfMessageSystemAttributes", default=None)
    sequence_number: str | None = None
    id: str | None = None


class EntryDone(Answer, frozen=True):
    """An entry of a batch that was carried out."""

    id: str


class EntryFailed(Answer, frozen=True):
    """An entry of a batch that was not carried out."""

    id: str
    code: str
    message: str
    sender_fault: bool


class BatchAnswer(Answer, frozen=True):
    """What became of the entries of a batch; a list without entries is left out."""

    successful: list[EntryDone | SentAnswer] = []
    failed: list[EntryFailed] = []


class MessageAnswer(Answer, frozen=True):
    """A received message."""

    message_id: str
    receipt_handle: str
    body: str
    md5_of_body: str = msgspec.field(name="MD5OfBody")
    md5_of_attributes: str | None = msgspec.field(name="MD5OfMessageAttributes", default=None)
    attributes: Mapping[str, str] = {}
    message_attributes: Mapping[str, AttributeAnswer] = {}


class Messages(Answer, frozen=True):
    """What a receive gives; without messages it has no such member."""

    messages: list[MessageAnswer] = []


class MoveTaskAnswer(Answer, frozen=True):
    """A message move task. It has no handle: only running ones are told theirs."""

    status: str
    source_arn: str
    started_timestamp: int
    destination_arn: str | None = None
    max_number_of_messages_per_second: int | None = None
    approximate_number_of_messages_moved: int | None = None
    approximate_number_of_messages_to_move: int | None = None
    failure_reason: str | None = None

    @classmethod
    def of(cls, task: MoveTask) -> MoveTaskAnswer:
        """Return what is told of a task."""
        return cls(
            status=task.status,
            source_arn=task.source_arn,
            started_timestamp=task.started_wall,
            destination_arn=task.destination_arn,
            max_number_of_messages_per_second=task.rate,
            approximate_number_of_messages_moved=task.moved,
            approximate_number_of_messages_to_move=task.to_move,
            failure_reason=task.failure,
        )


def entry_failed(entry_id: str, refusal: Refusal) -> EntryFailed:
    """Return the answer to an entry that was refused."""
    return EntryFailed(entry_id, refusal.code, refusal.problem, refusal.sender_fault)


def message_of(receipt: Receipt, system_names: Sequence[str], names: Sequence[str]) -> MessageAnswer:
    """Return a message with those of its attributes that were asked for."""
    chosen = chosen_attributes(receipt.attributes, names)
    return MessageAnswer(
        message_id=receipt.message_id,
        receipt_handle=receipt.handle,
        body=receipt.body,
        md5_of_body=body_digest(receipt.body),
        md5_of_attributes=attributes_digest(chosen),
        attributes=_system_attributes(receipt, system_names) if system_names else {},
        message_attributes={name: _attribute(value) for name, value in chosen.items()},
    )


def chosen_attributes(attributes: Mapping[str, AttributeValue], names: Sequence[str]) -> Mapping[str, AttributeValue]:
    """Return the attributes that `names` asks for: names, prefixes (``bar.*``), or all (``All``, ``.*``)."""
    if not attributes or not names:
        return {}
    if "All" in names or ".*" in names:
        return attributes
    prefixes = tuple(name.removesuffix(".*") for name in names if name.endswith(".*"))
    return {
        name: value for name, value in attributes.items() if name in names or (prefixes and name.startswith(prefixes))
    }


def _attribute(attribute: AttributeValue) -> AttributeAnswer:
    if isinstance(attribute.value, bytes):
        return AttributeAnswer(attribute.data_type, binary_value=attribute.value)
    return AttributeAnswer(attribute.data_type, string_value=attribute.value)


def _system_attributes(receipt: Receipt, names: Sequence[str]) -> dict[str, str]:
    known = {
        "SenderId": SENDER,
        "SentTimestamp": str(receipt.sent_wall),
        "ApproximateReceiveCount": str(receipt.receive_count),
        "ApproximateFirstReceiveTimestamp": str(receipt.first_received_wall),
        "MessageGroupId": receipt.group,
        "MessageDeduplicationId": receipt.deduplication_id,
        "SequenceNumber": receipt.sequence,
        "AWSTraceHeader": receipt.trace_header,
        "DeadLetterQueueSourceArn": receipt.source_arn,
    }
    everything = "All" in names
    return {name: value for name, value in known.items() if value is not None and (everything or name in names)}
