"""The link between a supervisor and one of its worker processes: a socket pair that the child inherits.

The supervisor asks, the child answers; one line of JSON each. A thread of the child answers, so a blocked event
loop does not keep it silent. When the link breaks, the supervisor is gone, and the child stops by itself.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Final, Literal, Self, TypeAlias

import msgspec

from sqsjobs.observability.health import Probe

__all__ = ["Link", "Question", "answer_supervisor"]

Question: TypeAlias = Literal["live", "ready", "metrics"]
"""What a supervisor asks: the methods of a `Probe`."""

_LONGEST_LINE: Final = 1 << 26
"""Bytes; the metrics of many tasks are some hundred kilobytes."""


class _Asked(msgspec.Struct, array_like=True):
    number: int
    question: Question


class _Answered(msgspec.Struct, array_like=True):
    number: int
    text: str


class Link:
    """The supervisor's end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._turn = asyncio.Lock()
        self._asked = 0
        self._waiting_since: float | None = None

    @classmethod
    async def over(cls, end: socket.socket) -> Self:
        """Make the link over `end`, the supervisor's end of the pair."""
        return cls(*await asyncio.open_unix_connection(sock=end, limit=_LONGEST_LINE))

    async def ask(self, question: Question, *, within: float) -> str | None:
        """Return the child's answer, or None if there is none within so many seconds."""
        if self._waiting_since is None:
            self._waiting_since = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(within), self._turn:
                return await self._answer(question)
        except (TimeoutError, OSError, ValueError):
            return None

    async def _answer(self, question: Question) -> str:
        self._asked += 1
        self._writer.write(msgspec.json.encode(_Asked(self._asked, question)) + b"\n")
        while True:
            line = await self._reader.readline()
            if not line:
                raise ConnectionError("the child has closed the link")
            answered = msgspec.json.decode(line, type=_Answered)
            self._waiting_since = None
            if answered.number == self._asked:  # an earlier one came too late for who asked
                return answered.text

    @property
    def silence(self) -> float:
        """Seconds since the first question that the child has left unanswered; 0 if there is none."""
        if self._waiting_since is None:
            return 0.0
        return asyncio.get_running_loop().time() - self._waiting_since

    def close(self) -> None:
        """Close it; to the child the supervisor is gone then."""
        self._writer.close()


def answer_supervisor(descriptor: int, probe: Probe, orphaned: Callable[[], None]) -> None:
    """Answer the supervisor's questions from `probe`, in a thread, as long as this process lives.

    Args:
        descriptor: the child's end of the pair, inherited.
        probe: who knows the answers.
        orphaned: called in that thread once the supervisor is gone.
    """
    end = socket.socket(fileno=descriptor)
    threading.Thread(target=_answer, args=(end, probe, orphaned), name="sqsjobs-link", daemon=True).start()


def _answer(end: socket.socket, probe: Probe, orphaned: Callable[[], None]) -> None:
    try:
        with end, end.makefile("rwb") as lines:
            for line in lines:
                asked = msgspec.json.decode(line, type=_Asked)
                lines.write(msgspec.json.encode(_Answered(asked.number, _ask(probe, asked.question))) + b"\n")
                lines.flush()
    except OSError:  # the supervisor went away while it was answered
        pass
    orphaned()


def _ask(probe: Probe, question: Question) -> str:
    match question:
        case "live":
            return probe.live()
        case "ready":
            return probe.ready()
        case "metrics":
            return probe.metrics()
