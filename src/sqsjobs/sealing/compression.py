"""Compression of an envelope's content, and its undoing within bounds: a few kilobytes can hold a thousand times as many."""

from __future__ import annotations

import zlib
from typing import Final

from sqsjobs.errors import EnvelopeOverLimit, InvalidEnvelope
from sqsjobs.limits import MAX_TEXT_BYTES

__all__ = ["METHOD", "MOST_BYTES", "MOST_RATIO", "deflated", "inflated"]

METHOD: Final = "zlib"
"""What the header says: RFC 1950."""
MOST_BYTES: Final = MAX_TEXT_BYTES
"""Bytes of content that are inflated at most."""
MOST_RATIO: Final = 200
"""Bytes of content for each byte of its compressed form, at most; above `_ALWAYS` alone."""
_ALWAYS: Final = 65_536
"""Bytes that may be inflated from however few."""


def deflated(content: bytes) -> bytes | None:
    """Return `content` compressed, or None where that helps nobody, or would be refused when it is undone."""
    small = zlib.compress(content)
    return small if len(small) < len(content) <= _allowed(len(small)) else None


def inflated(small: bytes) -> bytes:
    """Return what was compressed; never holds more than the bounds allow.

    Raises:
        EnvelopeOverLimit: if it is larger than `MOST_BYTES`, or `MOST_RATIO` times its compressed form.
        InvalidEnvelope: if it is not compressed.
    """
    allowed = _allowed(len(small))
    inflating = zlib.decompressobj()
    try:
        content = inflating.decompress(small, allowed + 1)
    except zlib.error:
        raise InvalidEnvelope("the content is not compressed as its header says") from None
    if len(content) > allowed:
        raise EnvelopeOverLimit("inflated bytes", allowed)
    if not inflating.eof or inflating.unused_data:
        raise InvalidEnvelope("the compressed content does not end where it should")
    return content


def _allowed(size: int) -> int:
    return min(MOST_BYTES, max(_ALWAYS, MOST_RATIO * size))
