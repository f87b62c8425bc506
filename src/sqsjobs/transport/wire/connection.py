"""HTTP/1.1 over one connection, one request at a time.

A request is written once and never again: where a connection breaks under it, whoever asked hears of it and decides.
`httptools` (the parser of Node.js) reads the answers. Sources: RFC 9112, sections 6.3 (where a body ends) and 9
(what may be used again); RFC 9110, section 15.2 (answers that are not final).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from select import POLLIN, poll
from typing import Final, cast

import httptools
import msgspec

__all__ = ["Answer", "Connection", "NoAnswer", "Request"]

MOST_BYTES: Final = 64 * 1024 * 1024
"""The largest answer: ten messages of 1 MiB, with every character of theirs escaped."""
MOST_HEAD_BYTES: Final = 64 * 1024
"""The largest head of an answer."""


class NoAnswer(Exception):
    """Raised when a request got no answer; `Request.written` says whether it may have arrived."""


class Request(msgspec.Struct, eq=False):
    """A request. Never shown: who reads its head can make it again.

    Attributes:
        head: the request line and all headers, signed, the empty line included.
        written: whether it was given to a connection, so that it may have arrived.
    """

    body: bytes
    head: bytes = b""
    written: bool = False

    def __repr__(self) -> str:
        return f"<Request of {len(self.body):,} bytes, {'written' if self.written else 'not written'}>"


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A response; header names in lower case."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes

    def __repr__(self) -> str:  # what messages hold belongs into no log
        return f"<Answer {self.status} of {len(self.body):,} bytes>"


class _Exchange(msgspec.Struct, eq=False):
    """A request under way, and what has come of its answer."""

    answer: asyncio.Future[Answer]
    headers: dict[bytes, bytes] = {}
    body: bytes | bytearray = b""
    size: int = 0
    in_body: bool = False

    def take(self, piece: bytes) -> None:
        """Put a piece of the body behind what is there: however small the pieces, they take no more than their bytes."""
        if not self.body:
            self.body = piece
            return
        if isinstance(self.body, bytes):
            self.body = bytearray(self.body)
        self.body += piece

    @property
    def ends_with_connection(self) -> bool:
        """Whether nothing but the end of the connection ends the answer (one that is empty then may be cut off)."""
        measured = b"content-length" in self.headers or b"transfer-encoding" in self.headers
        return self.in_body and not measured and bool(self.body)


class Connection(asyncio.BufferedProtocol):
    """One connection.

    Args:
        buffer: to read into, from which everything is copied before the next read: one serves all connections of an
            event loop, and spares each read the allocation of 256 KiB that asyncio otherwise makes for it.

    Attributes:
        usable: whether another request may be written to it.
        idle_since: when the last answer was complete, by the loop's clock; its user's to set.
        lost: done when it is closed for good.
    """

    def __init__(self, buffer: memoryview) -> None:
        self.usable = False
        self.idle_since = 0.0
        self._loop = asyncio.get_running_loop()
        self.lost = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._exchange: _Exchange | None = None
        self._looking = poll()
        self._parser = httptools.HttpResponseParser(self)
        self._buffer = buffer

    async def request(self, request: Request) -> Answer:
        """Write a request, once, and return its answer; a cancellation closes the connection.

        Raises:
            NoAnswer: if the connection ends, or says what is no answer.
        """
        transport = self._transport
        if transport is None or not self.usable or self._exchange is not None:
            raise NoAnswer("the connection was closed")
        exchange = self._exchange = _Exchange(self._loop.create_future())
        request.written = True
        transport.writelines((request.head, request.body))
        try:
            return await exchange.answer
        finally:
            if self._exchange is exchange:  # cancelled, and what may still come answers nobody
                self._exchange = None
                self.close()
            del exchange  # else an error would have itself, by the frame in its traceback

    def close(self) -> None:
        """Close the connection at once."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    def heard_from(self) -> bool:
        """Whether an idle connection has something to read: its end, of which a busy event loop has not told yet."""
        return bool(self._looking.poll(0))

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one, but not by inheritance
        self._looking.register(transport.get_extra_info("socket").fileno(), POLLIN)
        self.usable = True

    def get_buffer(self, _: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        exchange = self._exchange
        if exchange is None:  # nobody asked
            self.close()
            return
        exchange.size += nbytes
        try:
            self._parser.feed_data(self._buffer[:nbytes])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(f"the answer is no HTTP/1.1 answer: {error}")
        if exchange.size > (MOST_BYTES if exchange.in_body else MOST_HEAD_BYTES):
            self._fail(f"the answer is too long: {exchange.size:,} bytes, and more to come")

    def eof_received(self) -> None:
        self.usable = False
        if self._exchange is not None and self._exchange.ends_with_connection:
            self._complete(self._exchange)

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        self._fail(f"the connection was closed before the answer was complete{f' ({exc})' if exc else ''}")
        if not self.lost.done():
            self.lost.set_result(None)
        self._transport = None
        del self._parser  # they have each other: nothing is left for the garbage collector

    # What the parser calls

    def on_message_begin(self) -> None:
        if self._exchange is None:  # a second answer behind the first
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._exchange is not None and not self._exchange.in_body:  # not a trailer, which means nothing to us
            self._exchange.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        if self._exchange is not None:
            self._exchange.in_body = True

    def on_body(self, body: bytes) -> None:
        if self._exchange is not None:
            self._exchange.take(body)

    def on_message_complete(self) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        if self._parser.get_status_code() < 200:  # the final answer follows
            exchange.headers.clear()
            exchange.in_body = False
            return
        self._complete(exchange)

    def _complete(self, exchange: _Exchange) -> None:
        self._exchange = None
        if not (self._parser.should_keep_alive() and self._is_flushed()):
            self.close()
        if not exchange.answer.done():
            answer = Answer(self._parser.get_status_code(), exchange.headers, bytes(exchange.body))
            exchange.answer.set_result(answer)

    def _is_flushed(self) -> bool:
        """Whether the whole request has left: a server may refuse a large one before it has read it."""
        return self._transport is not None and self._transport.get_write_buffer_size() == 0

    def _fail(self, problem: str) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self.close()
            if not exchange.answer.done():
                exchange.answer.set_exception(NoAnswer(problem))
