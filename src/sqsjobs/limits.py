"""How large, deep and many-parted an envelope may be: judged on its text, before anything of it is parsed.

Every check is linear and made of primitives that run at the speed of C. What is small passes after two counts; what is large
is first judged as if brackets, commas and digits inside its strings counted, too, and only where that is too much are the
strings taken out.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from sqsjobs.errors import EnvelopeOverLimit

__all__ = ["MAX_DEPTH", "MAX_DIGITS", "MAX_HEADERS", "MAX_ITEMS", "MAX_TASK_CHARACTERS", "MAX_TEXT_BYTES", "check_text"]

MAX_TEXT_BYTES: Final = 4_194_304
"""Bytes of an envelope's text; more than a message can have, because it may have been compressed."""
MAX_DEPTH: Final = 64
"""Lists and objects inside each other."""
MAX_ITEMS: Final = 100_000
"""Members of all lists and objects together."""
MAX_DIGITS: Final = 4096
"""Digits of a number; Python itself refuses to read integers of more than 4300."""
MAX_HEADERS: Final = 4096
MAX_TASK_CHARACTERS: Final = 512

_SMALL: Final = MAX_DIGITS
"""Characters in which there can be neither too many digits nor too many items."""
_MOST_QUOTES: Final = 4 * MAX_ITEMS
"""An item has two strings at most, its name and its value."""
_CHUNK: Final = 8192

_TOO_MANY_DIGITS: Final = b"0" * (MAX_DIGITS + 1)
_DIGITS: Final = bytes(ord("0") if chr(byte).isdigit() and byte < 128 else ord(" ") for byte in range(256))
"""Makes every digit a zero and all else a space, so that a long number is one needle to look for."""
_STEPS: Final = bytes(1 if byte in b"[{" else 255 for byte in range(256))
"""Makes an opening bracket +1 and a closing one -1, as signed bytes."""
_NO_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")


def check_text(text: str) -> None:
    """Make sure that a JSON text is within the limits, whatever else it is.

    Raises:
        EnvelopeOverLimit: if not.
    """
    if len(text) <= _SMALL and text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) > MAX_TEXT_BYTES:
        raise EnvelopeOverLimit("bytes", MAX_TEXT_BYTES)
    if not _clearly_within(raw):
        _check_closely(raw)


def _clearly_within(raw: bytes) -> bool:
    """Whether the limits would hold even if all of `raw` stood outside of strings."""
    return (
        (openings := raw.count(b"[") + raw.count(b"{")) <= MAX_DEPTH
        and raw.count(b",") + openings < MAX_ITEMS
        and _TOO_MANY_DIGITS not in raw.translate(_DIGITS)
    )


def _check_closely(raw: bytes) -> None:
    depth = items = 0
    tail = b""
    for outside in _outside_of_strings(raw):
        steps = array("b", outside.translate(_STEPS, _NO_BRACKETS))
        deepest = max(accumulate(steps, initial=depth))
        if deepest > MAX_DEPTH:
            raise EnvelopeOverLimit("levels", MAX_DEPTH)
        depth += sum(steps)
        items += outside.count(b",") + outside.count(b"[") + outside.count(b"{")
        if items >= MAX_ITEMS:
            raise EnvelopeOverLimit("items", MAX_ITEMS)
        digits = (tail + outside).translate(_DIGITS)
        if _TOO_MANY_DIGITS in digits:
            raise EnvelopeOverLimit("digits of a number", MAX_DIGITS)
        tail = digits[-MAX_DIGITS:]


def _outside_of_strings(raw: bytes) -> Iterator[bytes]:
    """Yield what of `raw` stands outside of strings, a chunk at a time."""
    unescaped = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    if unescaped.count(b'"') > _MOST_QUOTES:
        raise EnvelopeOverLimit("items", MAX_ITEMS)
    in_string = False
    for start in range(0, len(unescaped), _CHUNK):
        pieces = unescaped[start : start + _CHUNK].split(b'"')
        # A quote in the place of every string: the digits on its two sides are not one number.
        yield b'"' * in_string + b'"'.join(pieces[in_string::2])
        in_string ^= len(pieces) % 2 == 0
