"""A server that counts the requests that reach it and answers as a test says: with errors, with rubbish, not at all."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

JSON = "application/x-amz-json-1.0"


@dataclass(frozen=True)
class Request:
    """A request as it came over the wire."""

    operation: str
    body: dict[str, Any]
    headers: dict[str, str]


Reaction: TypeAlias = Callable[[Request, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What the server does with a request."""


def says(
    body: object = None, *, status: int = 200, content_type: str = JSON, headers: dict[str, str] | None = None
) -> Reaction:
    """Answer with a status and a body: text as it is, anything else as JSON."""
    text = body if isinstance(body, str) else json.dumps(body if body is not None else {})
    lines = {"Content-Type": content_type, "Content-Length": str(len(text.encode())), **(headers or {})}
    head = f"HTTP/1.1 {status} Status\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())

    async def react(_: Request, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{head}\r\n{text}".encode())
        await writer.drain()

    return react


def fails(shape: str, message: str = "no", *, status: int = 400, code: str | None = None) -> Reaction:
    """Answer with an error as SQS does: its shape in the body, its old code in a header."""
    headers = {"x-amzn-query-error": f"{code};Sender"} if code else {}
    return says({"__type": f"com.amazonaws.sqs#{shape}", "message": message}, status=status, headers=headers)


async def keeps_silent(_: Request, reader: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    """Take the request and never answer, until the client hangs up: a connection that is half open."""
    await reader.read()


async def resets(_: Request, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Break the connection when the request has come."""
    writer.transport.abort()


async def stops_in_the_middle(_: Request, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Promise more than is sent, and close."""
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {JSON}\r\nContent-Length: 1000\r\n\r\n{{".encode())
    await writer.drain()
    writer.close()


async def drips(_: Request, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a byte from time to time, so that the connection is never silent and the answer never whole."""
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {JSON}\r\nContent-Length: 1000\r\n\r\n".encode())
    while not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def is_no_http(_: Request, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer in no language that a client knows."""
    writer.write(b"220 mail.example.com ESMTP\r\n\r\n")
    await writer.drain()


class WireServer:
    """Requests that came, connections that are open, and the reaction to each operation.

    A queue of any name is found; everything else says `{}` until a test gives it another reaction.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.requests: list[Request] = []
        self.connections: set[asyncio.StreamWriter] = set()
        self.reactions: dict[str, Reaction] = {"GetQueueUrl": _finds_the_queue}
        self.endpoint_url = ""
        self._changed = asyncio.Event()

    def count(self, operation: str) -> int:
        return sum(request.operation == operation for request in self.requests)

    async def until(self, condition: Callable[[WireServer], bool]) -> None:
        """Wait until requests and connections are as a test wants them."""
        async with asyncio.timeout(5):
            while not condition(self):
                self._changed.clear()
                await self._changed.wait()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        scheme, host = ("https", "localhost") if self._tls else ("http", "127.0.0.1")
        self.endpoint_url = f"{scheme}://{host}:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        for writer in self.connections:
            writer.transport.abort()
        await self.until(lambda it: not it.connections)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.add(writer)
        self._changed.set()
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                request = await _read(reader)
                self.requests.append(request)
                self._changed.set()
                await self.reactions.get(request.operation, says())(request, reader, writer)
        writer.close()
        self.connections.discard(writer)
        self._changed.set()


async def _finds_the_queue(request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    url = f"https://sqs.us-east-1.amazonaws.com/123456789012/{request.body['QueueName']}"
    await says({"QueueUrl": url})(request, reader, writer)


async def _read(reader: asyncio.StreamReader) -> Request:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:-2]
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers["content-length"]))
    return Request(headers["x-amz-target"].partition(".")[2], json.loads(body), headers)
