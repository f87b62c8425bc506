"""The MD5 digests that SQS sends along, so that clients can check what arrived.

Source: "Calculating the MD5 message digest for message attributes", SQS developer guide.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from typing import Any  # hashlib has no public type for a digest under way

from sqsjobs.transport.model import AttributeValue

__all__ = ["attributes_digest", "body_digest"]

_STRING, _BINARY = b"\x01", b"\x02"


def body_digest(body: str) -> str:
    """Return MD5OfMessageBody."""
    return hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()


def attributes_digest(attributes: Mapping[str, AttributeValue]) -> str | None:
    """Return MD5OfMessageAttributes, or None without attributes."""
    if not attributes:
        return None
    digest = hashlib.md5(usedforsecurity=False)
    for name in sorted(attributes):
        attribute = attributes[name]
        _add(digest, name.encode())
        _add(digest, attribute.data_type.encode())
        digest.update(_BINARY if isinstance(attribute.value, bytes) else _STRING)
        _add(digest, attribute.value if isinstance(attribute.value, bytes) else attribute.value.encode())
    return digest.hexdigest()


def _add(digest: Any, value: bytes) -> None:
    digest.update(struct.pack("!I", len(value)))
    digest.update(value)
