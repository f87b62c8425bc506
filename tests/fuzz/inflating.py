"""Sees what is inflated while an input is fed, however small that is, and that none of it is beyond the limits."""

from __future__ import annotations

from typing import Final, NamedTuple
from unittest import mock

from sqsjobs.sealing import compression

__all__ = ["ALWAYS", "MOST_BYTES", "MOST_RATIO", "Inflated", "inflated", "is_wide", "limit_of", "watch"]

MOST_BYTES: Final = 4_194_304
MOST_RATIO: Final = 200
ALWAYS: Final = 65_536
"""The limits as the docs name them, and not as the package has them: one that somebody moves is to be seen."""


class Inflated(NamedTuple):
    """What became of one compressed content.

    Attributes:
        held: bytes that came out; of what was refused, as many as may have been held until then.
        wide: whether a string of it may take more than a byte for each byte.
    """

    held: int
    wide: bool = False


inflated: list[Inflated] = []
"""What was inflated since this was cleared."""

_inflate: Final = compression.inflated


def watch() -> None:
    """Watch, for the rest of this process."""
    mock.patch.object(compression, "inflated", _watched).start()


def limit_of(small: int) -> int:
    """Return the bytes that may come out of `small` compressed ones."""
    return min(MOST_BYTES, max(ALWAYS, MOST_RATIO * small))


def is_wide(raw: bytes) -> bool:
    """Whether strings made of a JSON text may take four bytes for each of it: one character beyond U+FFFF is enough for that."""
    return not raw.isascii() or b"\\u" in raw


def _watched(small: bytes) -> bytes:
    limit = limit_of(len(small))
    try:
        content = _inflate(small)
    except Exception:
        inflated.append(Inflated(limit))
        raise
    inflated.append(Inflated(min(len(content), limit), is_wide(content)))
    assert len(content) <= limit, f"{len(content):,} bytes came out of {len(small):,}"
    return content
