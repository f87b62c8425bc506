"""A TCP server whose every move is a test's: what it sends, when, in which pieces, and how the connection ends."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Final, Self, TypeAlias

from sqsjobs.transport.wire.connection import Request
from sqsjobs.transport.wire.pool import Connections, Origin

BODY: Final = b'{"Messages": [{"Body": "1234567890"}]}'
"""What is answered."""

Script: TypeAlias = "Callable[[Peer], Awaitable[None]]"
"""What the server does on a connection; it is closed when the script ends."""


def answer(body: bytes = BODY, *, status: str = "200 OK", headers: Iterable[str] = ()) -> bytes:
    """An answer that says how long it is."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/x-amz-json-1.0", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(*chunks: bytes, trailer: str = "") -> bytes:
    """An answer in chunks."""
    parts = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + parts + f"0\r\n{trailer}\r\n".encode()


def unmeasured(body: bytes) -> bytes:
    """An answer that ends with its connection."""
    return b"HTTP/1.1 200 OK\r\n\r\n" + body


def answers(*answers: bytes) -> Script:
    """Answer one request after another, each with the next, and hang up."""

    async def play(peer: Peer) -> None:
        for one in answers:
            await peer.hears()
            await peer.says(one)

    return play


def request(body: bytes = b"question") -> Request:
    return Request(body, b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body))


class Peer:
    """The server's end of a connection."""

    def __init__(self, server: ScriptedServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self.reader = reader
        self.writer = writer

    async def hears(self) -> bytes:
        """Wait for a whole request; return its body."""
        length = await self.hears_head()
        body = await self.reader.readexactly(length)
        self._server.bodies.append(body)
        return body

    async def hears_head(self) -> int:
        """Wait for the head of a request; return how long its body will be."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        self._server.heads += 1
        return int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])

    async def says(self, *pieces: bytes) -> None:
        """Send pieces so that the client reads each by itself."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def stays(self) -> None:
        """Do nothing until the client hangs up."""
        await self.reader.read()

    def resets(self) -> None:
        self.writer.transport.abort()


class ScriptedServer:
    """Listens, and plays the script on every connection, or the last of `scripts` on every one after the others."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self._scripts = scripts
        self._tls = tls
        self._host = host
        self._writers: set[asyncio.StreamWriter] = set()
        self._gone = asyncio.Event()
        self.connections = 0
        self.heads = 0
        self.bodies: list[bytes] = []
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self._host, 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await self.until_gone()

    async def until_gone(self) -> None:
        """Wait until no connection is open."""
        async with asyncio.timeout(5):
            while self._writers:
                self._gone.clear()
                await self._gone.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = self._scripts[min(self.connections, len(self._scripts) - 1)]
        self.connections += 1
        self._writers.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await script(Peer(self, reader, writer))
        writer.close()
        self._writers.discard(writer)
        self._gone.set()


@asynccontextmanager
async def wired(
    *scripts: Script, most: int = 4, host: str = "127.0.0.1"
) -> AsyncIterator[tuple[ScriptedServer, Connections]]:
    """Run a server, and connections to it."""
    async with asyncio.timeout(20), ScriptedServer(*scripts, host=host) as server:
        connections = Connections(Origin(host, server.port, None), most, connect_timeout=3)
        try:
            yield server, connections
        finally:
            await connections.aclose()
