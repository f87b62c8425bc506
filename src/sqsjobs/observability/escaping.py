"""Texts from outside, made visible: what could steer a terminal or begin a line of its own becomes an escape."""

from __future__ import annotations

import re

__all__ = ["printable", "printable_block"]

_STEERING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_STEERING_IN_BLOCK = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Return `text` with control characters, line breaks and direction marks as escapes such as ``\x1b``."""
    return _visible(text, _STEERING)


def printable_block(text: str) -> str:
    """Return `text` with the same escapes, but with its line breaks and tabs."""
    return _visible(text, _STEERING_IN_BLOCK)


def _visible(text: str, steering: re.Pattern[str]) -> str:
    return steering.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), text)
