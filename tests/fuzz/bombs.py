"""Compressed contents that inflate to megabytes: below the limits, beyond them, and to the byte."""

from __future__ import annotations

import json
import zlib
from base64 import urlsafe_b64encode
from random import Random
from typing import Final

from tests.fuzz.corpus import Layered
from tests.fuzz.inflating import ALWAYS, MOST_BYTES, MOST_RATIO

__all__ = ["bomb_body"]

_SIZES: Final = (
    ALWAYS + 1,
    1_048_576,
    MOST_BYTES - 1,
    MOST_BYTES,
    MOST_BYTES,
    MOST_BYTES + 1,
    2 * MOST_BYTES,
    8 * MOST_BYTES,
)
"""Bytes, besides those in between."""
_NOTHING: Final = b"\x00\x00\x00\xff\xff"
"""A block of DEFLATE that inflates to nothing: what makes the compressed form as long as the ratio demands."""
_ENOUGH: Final = MOST_BYTES // MOST_RATIO // len(_NOTHING) + 1
"""Such blocks with which the ratio allows all that may be allowed."""

_SHAPES: Final = (
    ('"', "a", '"'),
    ('"', "\u20ac", '"'),
    ('"\U0001f600', "a", '"'),  # one character that makes all the others four bytes wide
    ('"', "\U0001f600", '"'),
    ('"', "\\ud83d\\ude00", '"'),
    ('"', '\\"[{,', '"'),
    ("[", '"' + "a" * 60 + '",', "1]"),
    ('["\U0001f600",', '"[' + "a" * 60 + '",', "1]"),
    ("[", "{},", "1]"),
    ("", "[", ""),
    ("", '"', ""),
    ("", "9", ""),
    ("", " ", "1"),
)
"""What comes before, again and again, and after; most of them are JSON."""


def bomb_body(chance: Random, layered: Layered) -> str:
    """Return the body of `layered` with another content, of megabytes, under the header that it had."""
    wire = json.loads(layered.body)
    small = _compressed(_content(chance, layered), chance)
    return json.dumps({**wire, "content": urlsafe_b64encode(small).rstrip(b"=").decode()})


def _content(chance: Random, layered: Layered) -> bytes:
    before, unit, after = (text.encode() for text in chance.choice(_SHAPES))
    named = json.dumps({"sqsjobs": 1, "id": layered.job.id, "task": layered.job.task, "args": {"value": 0}}).encode()
    start, end = named[: -len(b"0}}")] + before, after + b"}}"
    size = chance.choice(_SIZES) if chance.random() < 0.7 else chance.randrange(ALWAYS, 2 * MOST_BYTES)
    return (start + unit * ((size - len(start) - len(end)) // len(unit)) + end).ljust(size)


def _compressed(content: bytes, chance: Random) -> bytes:
    deflating = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    nothing = _NOTHING * chance.choice((0, _ENOUGH // 2, _ENOUGH, _ENOUGH, _ENOUGH, 10 * _ENOUGH))
    blocks = nothing + deflating.compress(content) + deflating.flush()
    whole = bytearray(b"\x78\x01" + blocks + zlib.adler32(content).to_bytes(4))
    if chance.random() < 0.2:
        whole[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
    return bytes(whole)
