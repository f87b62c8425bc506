"""How much time and memory an input may take, by what is in it: its bytes, what they inflate to, the values they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.fuzz.inflating import Inflated, is_wide

__all__ = ["Allowance"]

_LONGEST: Final = 0.05
"""Seconds of processor time for each MiB, and for what is smaller …"""
_SECONDS_PER_VALUE: Final = 0.000_001
"""… and for each value that is made of it: the garbage collector looks at those, too."""

_MEMORY: Final = 4
"""Bytes of memory for each byte of an input, and of what it inflates to …"""
_WIDE_MEMORY: Final = 12
"""… or, where that is not ASCII, or escaped: if one character is beyond U+FFFF, Python's string takes four bytes for each of its
characters, and UTF-8 is made of it in a buffer of that size. A string is made of the body, and one of what it holds."""
_BASE: Final = 393_216
"""Bytes of memory for whatever its size. What inflates to little more than 352 KiB needs nearly all: Python's zlib writes into blocks of
32, 64, 256 and 1,024 KiB, which it joins in the end (CPython, pycore_blocks_output_buffer.h)."""
_MEMORY_PER_VALUE: Final = 128
"""Bytes for each value: an empty object is three bytes of text with its comma, and 64 in Python; one with a member, 184."""
_MOST_VALUES: Final = 100_000
"""Values that a content may have, as the docs say."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one input may take.

    Attributes:
        given: bytes of it.
        wide: whether strings of it may take more than a byte for each.
        inflated: what came of it.
        values: Python values that are made of it.
    """

    given: int
    wide: bool = False
    inflated: Sequence[Inflated] = ()
    values: int = 0

    @classmethod
    def of(cls, raw: bytes, inflated: Sequence[Inflated], *, materializes: bool) -> Allowance:
        """Return what an input may take; `materializes`: where values are made of it."""
        values = min(_MOST_VALUES, 1 + sum(raw.count(sign) for sign in b"[{,")) if materializes else 0
        return cls(len(raw), is_wide(raw), tuple(inflated), values)

    @property
    def content(self) -> int:
        """Bytes that are read: its own, and what they inflate to."""
        return self.given + sum(it.held for it in self.inflated)

    @property
    def seconds(self) -> float:
        """Seconds of processor time."""
        return _LONGEST * max(1.0, self.content / 1_048_576) + _SECONDS_PER_VALUE * self.values

    @property
    def memory(self) -> int:
        """Bytes."""
        inflated = sum(it.held * _memory_per_byte(wide=it.wide) for it in self.inflated)
        given = self.given * _memory_per_byte(wide=self.wide)
        return _BASE + given + inflated + _MEMORY_PER_VALUE * self.values


def _memory_per_byte(*, wide: bool) -> int:
    return _WIDE_MEMORY if wide else _MEMORY
