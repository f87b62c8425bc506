"""Receipt handles: opaque to clients, and to the model the queue, the message and the number of the receipt."""

from __future__ import annotations

import base64
import binascii
import zlib
from dataclasses import dataclass

from sqsjobs.transport.model.refusal import Refusal

__all__ = ["ReceiptKey", "read_handle", "write_handle"]


@dataclass(frozen=True, slots=True)
class ReceiptKey:
    """What a receipt handle stands for: the `number`th receipt of a message."""

    message_id: str
    number: int


def write_handle(queue_id: str, message_id: str, number: int) -> str:
    """Return the handle of a receipt. It carries all that is needed to judge it, so that no table of them grows."""
    text = f"{queue_id} {message_id} {number}".encode()
    return base64.b64encode(b"%s %08x" % (text, zlib.crc32(text))).decode()


def read_handle(queue_id: str, handle: str) -> ReceiptKey:
    """Return what `handle` stands for.

    Raises:
        Refusal: ReceiptHandleIsInvalid, where it is no handle of this queue.
    """
    try:
        text, _, check = base64.b64decode(handle, validate=True).rpartition(b" ")
        queue, message_id, number = text.decode().split(" ")
        if queue != queue_id or int(check, 16) != zlib.crc32(text):
            raise _invalid(handle)
        return ReceiptKey(message_id, int(number))
    except (ValueError, binascii.Error):
        raise _invalid(handle) from None


def _invalid(handle: str) -> Refusal:
    return Refusal("ReceiptHandleIsInvalid", f'The input receipt handle "{handle}" is not a valid receipt handle.')
