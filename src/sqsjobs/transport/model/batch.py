"""What a batch request must be as a whole; what is wrong with single entries is their own result."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from sqsjobs.transport.model.attributes import Settings
from sqsjobs.transport.model.faults import Fault
from sqsjobs.transport.model.messages import NewMessage, size_of
from sqsjobs.transport.model.refusal import Refusal

__all__ = ["check_batch", "check_batch_size", "check_fifo_batch", "each_entry"]

MAX_ENTRIES: Final = 10
MAX_BYTES: Final = 1_048_576

T = TypeVar("T")
R = TypeVar("R")

_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")


def check_batch(ids: Sequence[str], entry: str) -> None:
    """Refuse a batch of entries (of the shape `entry`) for their number or their ids."""
    if not ids:
        raise Refusal("EmptyBatchRequest", f"There should be at least one {entry} in the request.")
    if len(ids) > MAX_ENTRIES:
        problem = f"Maximum number of entries per request are {MAX_ENTRIES}. You have sent {len(ids)}."
        raise Refusal("TooManyEntriesInBatchRequest", problem)
    if not all(_ENTRY_ID.fullmatch(entry_id) for entry_id in ids):
        problem = (
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
            "It can be at most 80 letters long."
        )
        raise Refusal("InvalidBatchEntryId", problem)
    if repeated := next((entry_id for entry_id in ids if ids.count(entry_id) > 1), None):
        raise Refusal("BatchEntryIdsNotDistinct", f"Id {repeated} repeated.")


def check_batch_size(messages: Sequence[NewMessage]) -> None:
    """Refuse messages that are too large together."""
    size = sum(size_of(message) for message in messages)
    if size > MAX_BYTES:
        problem = f"Batch requests cannot be longer than {MAX_BYTES} bytes. You have sent {size} bytes."
        raise Refusal("BatchRequestTooLong", problem)


def check_fifo_batch(messages: Sequence[NewMessage], settings: Settings) -> None:
    """Refuse a batch to a FIFO queue in which a message lacks an id; AWS refuses it as a whole."""
    for message in messages:
        if message.deduplication_id is None and not settings.content_deduplication:
            problem = (
                "The queue should either have ContentBasedDeduplication enabled or "
                "MessageDeduplicationId provided explicitly"
            )
            raise Refusal("InvalidParameterValueException", problem)
        if message.group is None:
            problem = "The request must contain the parameter MessageGroupId."
            raise Refusal("InvalidParameterValueException", problem)


def each_entry(entries: Sequence[T], fault: Fault, act: Callable[[T], R]) -> list[R | Refusal]:
    """Carry `act` out on every entry; what is refused, by SQS or by the fault, is that entry's result."""
    return [
        fault.entries[position] if position in fault.entries else _outcome(act, entry)
        for position, entry in enumerate(entries)
    ]


def _outcome(act: Callable[[T], R], entry: T) -> R | Refusal:
    try:
        return act(entry)
    except Refusal as refusal:
        return refusal.with_traceback(None)
