"""What the operations are asked, as SQS names it. Unknown fields are passed over."""

from __future__ import annotations

import msgspec

__all__ = [
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
    "Control",
    "CreateQueue",
    "DeleteMessage",
    "DeleteMessageBatch",
    "ListQueues",
    "NameQueue",
    "OfQueue",
    "ReceiveMessage",
    "SendMessage",
    "SendMessageBatch",
    "SetQueueAttributes",
]


class Asked(msgspec.Struct, rename="pascal"):
    """Any request."""


class OfQueue(Asked):
    """A request about one queue."""

    queue_url: str


class NameQueue(Asked):
    """A request about a queue that is named."""

    queue_name: str


class CreateQueue(NameQueue):
    """CreateQueue."""

    attributes: dict[str, str] = {}


class ListQueues(Asked):
    """ListQueues."""

    queue_name_prefix: str = ""


class SetQueueAttributes(OfQueue):
    """SetQueueAttributes."""

    attributes: dict[str, str]


class SendMessage(OfQueue):
    """SendMessage."""

    message_body: str
    delay_seconds: int = 0
    message_attributes: dict[str, object] | None = None
    message_group_id: str | None = None


class SendEntry(Asked):
    """SendEntry."""

    id: str
    message_body: str
    delay_seconds: int = 0
    message_attributes: dict[str, object] | None = None
    message_group_id: str | None = None


class SendMessageBatch(OfQueue):
    """SendMessageBatch."""

    entries: list[SendEntry]


class ReceiveMessage(OfQueue):
    """ReceiveMessage."""

    max_number_of_messages: int = 1
    visibility_timeout: int = 30
    wait_time_seconds: int = 0
    attribute_names: list[str] = []
    message_system_attribute_names: list[str] = []
    message_attribute_names: list[str] = []


class DeleteMessage(OfQueue):
    """DeleteMessage."""

    receipt_handle: str


class DeleteEntry(Asked):
    """DeleteEntry."""

    id: str
    receipt_handle: str


class DeleteMessageBatch(OfQueue):
    """DeleteMessageBatch."""

    entries: list[DeleteEntry]


class ChangeMessageVisibility(OfQueue):
    """ChangeMessageVisibility."""

    receipt_handle: str
    visibility_timeout: int


class ChangeEntry(Asked):
    """ChangeEntry."""

    id: str
    receipt_handle: str
    visibility_timeout: int


class ChangeMessageVisibilityBatch(OfQueue):
    """ChangeMessageVisibilityBatch."""

    entries: list[ChangeEntry]


class Control(Asked):
    """What the conductor of a benchmark asks: about one queue, or about all of them."""

    queue_name: str = ""
    count: int = 0
    seconds: float = 0.0
