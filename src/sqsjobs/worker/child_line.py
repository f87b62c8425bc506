"""The line of a job in a child process: its progress goes up the pipe, between the word that it has begun and its answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

import msgspec

__all__ = ["PROGRESS", "ChildLine", "ChildProgress"]

PROGRESS: Final = b"progress:"
"""What a message of progress begins with; JSON follows."""

_PAUSE: Final = 0.1
"""Seconds between two messages, at least; the parent writes less often still."""


class ChildProgress(msgspec.Struct, frozen=True):
    """What a job in a child says of how far it has come."""

    done: float
    total: float | None
    note: str

    def message(self) -> bytes:
        """Return it as it goes through the pipe."""
        return PROGRESS + msgspec.json.encode(self)

    @staticmethod
    def of(message: bytes) -> ChildProgress:
        """Read a message."""
        return msgspec.json.decode(message[len(PROGRESS) :], type=ChildProgress)


class ChildLine:
    """The line of one job, as `context.JobLine`. Who cancels the job kills the child, so nothing comes in."""

    cancelled = False

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._lock = threading.Lock()
        self._unsent: ChildProgress | None = None
        self._next = 0.0
        self._closed = False

    def report(self, done: float, total: float | None, note: str) -> None:
        with self._lock:
            self._unsent = ChildProgress(done, total, note)
            if time.monotonic() >= self._next:
                self._send_latest()

    def close(self) -> None:
        """Send what was said last, and nothing more: the pipe is for the answer now."""
        with self._lock:
            self._send_latest()
            self._closed = True

    def _send_latest(self) -> None:
        if self._unsent is not None and not self._closed:
            self._send(self._unsent.message())
            self._unsent = None
            self._next = time.monotonic() + _PAUSE
