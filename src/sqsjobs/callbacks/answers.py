"""What a receiver's answer means for the job that posts a callback."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Final

from sqsjobs.callbacks.posts import Answer
from sqsjobs.errors import CallbackFailed, Discard, RetryAfter

__all__ = ["check_answer"]

_GONE: Final = 410
_LATER: Final = frozenset({429, 503})
_RETRY_AFTER: Final = (1.0, 3600.0)
"""The shortest and the longest wait, in seconds, that a receiver can ask for."""


def check_answer(answer: Answer, receiver: str, now: float) -> None:
    """Return if the callback has arrived.

    Args:
        answer: of the receiver.
        receiver: what it is called in errors.
        now: seconds since 1970.

    Raises:
        Discard: if the receiver wants no callbacks any more (410 Gone).
        RetryAfter: if it says when it wants to be asked again (429 and 503, 1 s to 1 h).
        CallbackFailed: if it has not arrived: worth another try.
    """
    status = answer.status
    if 200 <= status < 300:
        return
    if status == _GONE:
        raise Discard(f"{receiver} answered 410: it wants no callbacks")
    if status in _LATER and (delay := _delay(answer.retry_after, now)) is not None:
        raise RetryAfter(delay, f"{receiver} answered {status}")
    redirects = ", and redirects are not followed" if 300 <= status < 400 else ""
    raise CallbackFailed(f"{receiver} answered {status}{redirects}")


def _delay(retry_after: str | None, now: float) -> float | None:
    """Return the seconds that a Retry-After asks for, within bounds; None if it asks for none (RFC 9110, section 10.2.3)."""
    text = (retry_after or "").strip()
    shortest, longest = _RETRY_AFTER
    if text.isascii() and text.isdigit():
        seconds = float(text[:10])
    else:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - now
        except (ValueError, OverflowError):
            return None
    return min(longest, max(shortest, seconds))
