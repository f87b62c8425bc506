"""Feeds answers to the lean wire: to its connection, piece by piece, its client, and what reads the entries of a batch."""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, cast

from tests.fuzz.corpus import Clock
from tests.fuzz.replies import ENTRIES, Ending, Reply, genuine

from sqsjobs.errors import TransportError
from sqsjobs.transport.base import Delivery, Done, EntryFailed, NotSent, OutgoingMessage, Sent
from sqsjobs.transport.server_time import ServerTime
from sqsjobs.transport.sqs import SqsTransport, _Opened
from sqsjobs.transport.sqs_client import SqsClient
from sqsjobs.transport.wire.client import LeanClient
from sqsjobs.transport.wire.connection import Answer, Connection, NoAnswer, Request
from sqsjobs.transport.wire.pool import Connections
from sqsjobs.transport.wire.signing import Credentials, Signer

__all__ = ["feed_reply"]

_QUEUE: Final = "work"
_URL: Final = "https://sqs.us-east-1.amazonaws.com/123456789012/work"
_READ: Final = memoryview(bytearray(262_144))
"""What connections read into, as they do from sockets: at most so much at once."""

_runner: Final = asyncio.Runner()
atexit.register(_runner.close)


def feed_reply(reply: Reply) -> str:
    """Ask what `reply` is the answer to, and return what came of it, in a word."""
    return _runner.run(_ask(reply))


async def _ask(reply: Reply) -> str:
    operation, text, ending = reply
    server = _Server(text.encode("utf-8", "surrogatepass"), ending)
    try:
        _check(await _called(operation, server))
    except TransportError as error:
        outcome, told = type(error).__name__, str(error)
    else:
        outcome, told = "accepted", ""
    assert len(told) < 2000, "an error as long as the answer"
    await server.is_asked_again()
    return outcome


# What is asked ---------------------------------------------------------------------------------------


async def _called(operation: str, server: _Server) -> list[Any]:
    """Make one call of a transport whose every connection is to `server`."""
    transport = SqsTransport(region="us-east-1")
    client = cast("SqsClient", _Client(server))
    transport._opened = _Opened(poll=client, control=client, send=client)
    transport._urls[_QUEUE] = _URL
    if operation == "ReceiveMessage":
        return list(await transport.receive(_QUEUE, limit=10, wait=1, visibility=60))
    if operation == "SendMessageBatch":
        return list(await transport.send(_QUEUE, [OutgoingMessage("{}")] * ENTRIES))
    if operation == "DeleteMessageBatch":
        return list(await transport.delete(_QUEUE, ["h"] * ENTRIES))
    return list(await transport.change_visibility(_QUEUE, [("h", 60.0)] * ENTRIES))


def _check(results: list[Any]) -> None:
    """See that what was accepted is of the types that are promised."""
    for result in results:
        match result:
            case Delivery():
                texts = [result.message_id, result.receipt_handle, result.body, *result.attributes.values()]
                assert result.receive_count >= 0
                assert result.sent_at >= 0
            case Sent():
                texts = [result.message_id]
            case NotSent() | EntryFailed():
                texts = [result.code, result.problem]
                assert len(result.code) + len(result.problem) < 2000, "an error as long as the answer"
                assert isinstance(result.retryable, bool)
            case _:
                assert isinstance(result, Done)
                texts = []
        assert all(isinstance(text, str) for text in texts), "what is no text was taken for one"


class _Client:
    """The lean client, and none other, behind a transport."""

    def __init__(self, server: _Server) -> None:
        signer = Signer("sqs.us-east-1.amazonaws.com", "us-east-1", wall=Clock().wall)
        self._lean = LeanClient(cast("Connections", server), signer, self, ServerTime(Clock()))

    async def call(self, operation: str, queue: str, *, wait: float = 0, **parameters: Any) -> Mapping[str, Any]:
        return await self._lean.answer(operation, queue, 5.0 + wait, parameters)

    async def current(self) -> Credentials:
        return Credentials("AKIAEXAMPLE", "secret", None)


# What answers ----------------------------------------------------------------------------------------


class _Server:
    """A server at the other end of one connection, that gives one answer."""

    def __init__(self, said: bytes, ending: Ending) -> None:
        self._said = said
        self._ending = ending
        self._line = _Line()
        self._connection = Connection(_READ)
        self._connection.connection_made(self._line)

    async def request(self, request: Request) -> Answer:
        """Take a request over the connection, in place of a pool."""
        asked = asyncio.ensure_future(self._connection.request(request))
        await asyncio.sleep(0)
        self._say(self._said, self._ending.cuts)
        self._end()
        if not asked.done():
            await asyncio.sleep(0)
        if not asked.done():  # the deadline
            asked.cancel()
            with suppress(asyncio.CancelledError):
                await asked
            raise TimeoutError
        return asked.result()

    async def is_asked_again(self) -> None:
        """See that nothing of the first answer is left for the next request, where the connection is used again."""
        if not self._connection.usable:
            self._line.close()
            self._lose()
            return
        asked = asyncio.ensure_future(self._connection.request(Request(b"")))
        await asyncio.sleep(0)
        expected = genuine("ReceiveMessage").encode()
        self._say(expected, ())
        with suppress(NoAnswer):  # closed, which is safe
            answer = await asked
            assert answer.status == 200, "an answer that is another's"
            assert answer.body == expected.partition(b"\r\n\r\n")[2], "an answer that is another's"
        self._lose()

    def _say(self, said: bytes, cuts: tuple[int, ...]) -> None:
        """Let pieces arrive, each as often as the buffer has room for."""
        for start, end in zip((0, *cuts), (*cuts, len(said)), strict=True):
            for at in range(start, end, len(_READ)):
                if self._line.closed:
                    return
                piece = said[at : min(end, at + len(_READ))]
                _READ[: len(piece)] = piece
                self._connection.buffer_updated(len(piece))

    def _end(self) -> None:
        if self._line.closed:
            self._lose()
        elif self._ending.then == "ends":
            self._connection.eof_received()
            self._lose()
        elif self._ending.then == "breaks":
            self._lose(ConnectionResetError("reset by peer"))

    def _lose(self, error: Exception | None = None) -> None:
        if not self._connection.lost.done():
            self._connection.connection_lost(error)


class _Line(asyncio.Transport):
    """A socket's place: takes what is written, and says whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self

    def fileno(self) -> int:
        return 0

    def writelines(self, list_of_data: Any) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        self.closed = True

    def close(self) -> None:
        self.closed = True
