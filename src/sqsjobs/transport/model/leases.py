"""What a receipt handle gives the right to: DeleteMessage and ChangeMessageVisibility, single and in batches."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Final

from sqsjobs.transport.model.account import Account
from sqsjobs.transport.model.batch import check_batch, each_entry
from sqsjobs.transport.model.faults import NO_FAULT, Fault
from sqsjobs.transport.model.handles import read_handle
from sqsjobs.transport.model.messages import Message, Phase
from sqsjobs.transport.model.queue import Queue
from sqsjobs.transport.model.refusal import Refusal, invalid_parameter

__all__ = ["MAX_VISIBILITY", "Leases", "StaleHandles", "check_visibility"]

MAX_VISIBILITY: Final = 43_200
"""Seconds, counted from the receipt, for which a message can be hidden in all."""


class StaleHandles(enum.Enum):
    """What a standard queue does with the receipt handle of a message that was received again since.

    SQS promises nothing about it ("the request will succeed, but the message might not be deleted"),
    so a client has to be right under all three. FIFO queues refuse such handles always.
    """

    IGNORED = "ignored"
    """A delete succeeds and deletes nothing; a visibility change is refused. What the documentation says."""
    HONOURED = "honoured"
    """They work: a consumer can delete, or release, what another one is working on. What emulators do."""
    REFUSED = "refused"
    """Both are refused, and so is a handle whose visibility timeout has ended, even if nobody else has the message."""


class Leases:
    """Deletes and hides messages by receipt handle."""

    def __init__(self, account: Account, *, stale_handles: StaleHandles = StaleHandles.IGNORED) -> None:
        self.stale_handles = stale_handles
        self._account = account

    def delete(self, name: str, handle: str, fault: Fault = NO_FAULT) -> None:
        """Delete the message that was received under this handle."""
        self._delete(self._account.queue(name), handle, fault)

    def delete_batch(
        self, name: str, entries: Sequence[tuple[str, str]], fault: Fault = NO_FAULT
    ) -> list[Refusal | None]:
        """Delete by up to ten handles; one result each, in order."""
        queue = self._account.queue(name)
        check_batch([entry_id for entry_id, _ in entries], "DeleteMessageBatchRequestEntry")
        return each_entry([handle for _, handle in entries], fault, lambda handle: self._delete(queue, handle, fault))

    def change_visibility(self, name: str, handle: str, seconds: float) -> None:
        """Hide the message that was received under this handle for `seconds` from now; 0 shows it."""
        self._change_visibility(self._account.queue(name), handle, seconds)

    def change_visibility_batch(
        self, name: str, entries: Sequence[tuple[str, tuple[str, float]]], fault: Fault = NO_FAULT
    ) -> list[Refusal | None]:
        """Hide by up to ten pairs of handle and seconds; one result each, in order."""
        queue = self._account.queue(name)
        check_batch([entry_id for entry_id, _ in entries], "ChangeMessageVisibilityBatchRequestEntry")
        changes = [change for _, change in entries]
        return each_entry(changes, fault, lambda change: self._change_visibility(queue, *change))

    def _delete(self, queue: Queue, handle: str, fault: Fault) -> None:
        key = read_handle(queue.id, handle)
        message = queue.messages.get(key.message_id)
        if message is None or fault.resurrect:
            return
        if message.receive_count != key.number or message.phase is not Phase.IN_FLIGHT:
            if queue.settings.fifo or self.stale_handles is StaleHandles.REFUSED:
                raise _expired(handle)
            if message.receive_count != key.number and self.stale_handles is StaleHandles.IGNORED:
                return
        queue.remove(message)
        self._account.wake(queue)

    def _change_visibility(self, queue: Queue, handle: str, seconds: float) -> None:
        check_visibility(seconds)
        key = read_handle(queue.id, handle)
        message = queue.messages.get(key.message_id)
        if message is None:
            raise _unavailable(handle)
        self._check_held(queue, message, handle, superseded=message.receive_count != key.number)
        now = self._account.clock.now()
        if now - message.received_at + seconds > MAX_VISIBILITY:
            reason = f"Total VisibilityTimeout for the message is beyond the limit [{MAX_VISIBILITY} seconds]"
            raise invalid_parameter("VisibilityTimeout", seconds, reason)
        message.touched = True
        queue.hide(message, now + seconds)
        queue.advance(now)
        self._account.wake(queue)

    def _check_held(self, queue: Queue, message: Message, handle: str, *, superseded: bool) -> None:
        over = message.phase is not Phase.IN_FLIGHT
        if queue.settings.fifo and (superseded or over):
            raise _expired(handle)
        if superseded and self.stale_handles is not StaleHandles.HONOURED:
            raise _unavailable(handle)
        if over and self.stale_handles is StaleHandles.REFUSED:
            raise Refusal("MessageNotInflight", "The specified message isn't in flight.")


def check_visibility(seconds: float) -> None:
    """Refuse a visibility timeout that SQS does not take."""
    if not 0 <= seconds <= MAX_VISIBILITY:
        raise invalid_parameter("VisibilityTimeout", seconds, "Must be between 0 and 43200, if provided.")


def _expired(handle: str) -> Refusal:
    return invalid_parameter("ReceiptHandle", handle, "The receipt handle has expired.")


def _unavailable(handle: str) -> Refusal:
    reason = "Message does not exist or is not available for visibility timeout change."
    return invalid_parameter("ReceiptHandle", handle, reason)
