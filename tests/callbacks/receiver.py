"""A receiver of callbacks on the loopback: keeps what came, and answers as it is told."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sqsjobs import Callbacks, Webhook

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LOOPBACK = ["127.0.0.0/8"]


@dataclass(frozen=True)
class Request:
    line: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, key: str = KEY):
        return Webhook(key).verify(self.body, self.headers)


@dataclass
class Receiver:
    """`answers` are given in turn, the last one again and again; `hold` keeps who asks waiting."""

    answers: list[str] = field(default_factory=lambda: ["204 No Content"])
    hold: bool = False
    port: int = 0
    scheme: str = "http"
    requests: list[Request] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0

    @property
    def host(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.host}/hooks?token=s3cret-in-the-url"

    def callbacks(self, **options) -> Callbacks:
        """Return callbacks that may come here."""
        return Callbacks(**{"hosts": [self.host], "keys": [KEY], "networks": LOOPBACK} | options)

    async def until(self, count: int) -> None:
        """Wait until that many requests have come."""
        async with asyncio.timeout(20):
            while len(self.requests) < count:
                self.came.clear()
                await self.came.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers["content-length"]))
            self.requests.append(Request(head[0], headers, body))
            self.came.set()
            if self.hold:
                await reader.read()
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving(*answers: str, tls: ssl.SSLContext | None = None, hold: bool = False) -> AsyncIterator[Receiver]:
    """Serve on the loopback."""
    receiver = Receiver(hold=hold)
    if answers:
        receiver.answers = list(answers)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    receiver.scheme = "https" if tls else "http"
    try:
        yield receiver
    finally:
        server.close()
