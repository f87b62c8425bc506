"""What clients ask, in the shapes of the JSON protocol. A missing parameter has its empty value, for the model to refuse.

Source: the service model of SQS (2012-11-05, ``awsJson1_0``).
"""

# ruff: noqa: D101 - each shape is the request of the operation that it is named after

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

__all__ = [
    "AddPermission",
    "Attribute",
    "CancelMessageMoveTask",
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
    "CreateQueue",
    "DeleteMessage",
    "DeleteMessageBatch",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "ListMessageMoveTasks",
    "ListQueues",
    "OfQueue",
    "ReceiveMessage",
    "RemovePermission",
    "Request",
    "SendMessage",
    "SendMessageBatch",
    "SendMessageEntry",
    "SetQueueAttributes",
    "StartMessageMoveTask",
    "TagQueue",
    "UntagQueue",
    "read",
]


class Request(msgspec.Struct, frozen=True, rename="pascal"):
    """A request; fields that it does not know are ignored."""


R = TypeVar("R", bound=Request)


class OfQueue(Request, frozen=True):
    """A request about one queue, and no more than that."""

    queue_url: str = ""


class Attribute(Request, frozen=True):
    """A message attribute, or a system attribute."""

    data_type: str = ""
    string_value: str | None = None
    binary_value: bytes | None = None


class CreateQueue(Request, frozen=True):
    queue_name: str = ""
    attributes: dict[str, str] = {}
    tags: dict[str, str] = msgspec.field(default_factory=dict, name="tags")


class GetQueueUrl(Request, frozen=True):
    queue_name: str = ""


class ListQueues(Request, frozen=True):
    queue_name_prefix: str = ""
    max_results: int | None = None
    next_token: str | None = None


class ListDeadLetterSourceQueues(OfQueue, frozen=True):
    max_results: int | None = None
    next_token: str | None = None


class GetQueueAttributes(OfQueue, frozen=True):
    attribute_names: list[str] = []


class SetQueueAttributes(OfQueue, frozen=True):
    attributes: dict[str, str] = {}


class TagQueue(OfQueue, frozen=True):
    tags: dict[str, str] = {}


class UntagQueue(OfQueue, frozen=True):
    tag_keys: list[str] = []


class AddPermission(OfQueue, frozen=True):
    label: str = ""
    account_ids: list[str] = msgspec.field(default_factory=list, name="AWSAccountIds")
    actions: list[str] = []


class RemovePermission(OfQueue, frozen=True):
    label: str = ""


class SendMessage(OfQueue, frozen=True):
    message_body: str = ""
    delay_seconds: int | None = None
    message_attributes: dict[str, Attribute] = {}
    message_system_attributes: dict[str, Attribute] = {}
    message_deduplication_id: str | None = None
    message_group_id: str | None = None


class SendMessageEntry(SendMessage, frozen=True):
    id: str = ""


class SendMessageBatch(OfQueue, frozen=True):
    entries: list[SendMessageEntry] = []


class ReceiveMessage(OfQueue, frozen=True):
    attribute_names: list[str] = []
    message_system_attribute_names: list[str] = []
    message_attribute_names: list[str] = []
    max_number_of_messages: int | None = None
    visibility_timeout: int | None = None
    wait_time_seconds: int | None = None
    receive_request_attempt_id: str | None = None


class DeleteMessage(OfQueue, frozen=True):
    receipt_handle: str = ""


class DeleteMessageEntry(DeleteMessage, frozen=True):
    id: str = ""


class DeleteMessageBatch(OfQueue, frozen=True):
    entries: list[DeleteMessageEntry] = []


class ChangeMessageVisibility(OfQueue, frozen=True):
    receipt_handle: str = ""
    visibility_timeout: int | None = None


class ChangeMessageVisibilityEntry(ChangeMessageVisibility, frozen=True):
    id: str = ""


class ChangeMessageVisibilityBatch(OfQueue, frozen=True):
    entries: list[ChangeMessageVisibilityEntry] = []


class StartMessageMoveTask(Request, frozen=True):
    source_arn: str = ""
    destination_arn: str | None = None
    max_number_of_messages_per_second: int | None = None


class ListMessageMoveTasks(Request, frozen=True):
    source_arn: str = ""
    max_results: int | None = None


class CancelMessageMoveTask(Request, frozen=True):
    task_handle: str = ""


_decoders: dict[type[Request], msgspec.json.Decoder[Any]] = {}


def read(body: bytes, shape: type[R]) -> R:
    """Read a request of a shape; `msgspec.DecodeError` if it is none."""
    decoder = _decoders.get(shape)
    if decoder is None:
        decoder = _decoders[shape] = msgspec.json.Decoder(shape)
    request: R = decoder.decode(body)
    return request
