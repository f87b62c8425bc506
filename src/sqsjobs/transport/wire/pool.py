"""Connections to one origin: made when needed, used again, never more than so many."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from aiohappyeyeballs import start_connection

from sqsjobs.transport.wire.connection import Answer, Connection, NoAnswer, Request

__all__ = ["Connections", "Origin"]

IDLE: Final = 15.0
"""Seconds for which an idle connection is used again. AWS's servers close idle ones after 20 to 60 s, by what users of
several services report (it is documented nowhere), and a request that meets the closing may or may not have arrived."""
FRESH: Final = 0.01
"""Seconds for which an idle connection is used again without a look whether the server has closed it meanwhile: the
event loop may be too busy to have told."""
READ_BYTES: Final = 64 * 1024
"""Bytes read at once."""
NEXT_ADDRESS: Final = 0.25
"""Seconds after which the host's next address is tried as well (RFC 8305, section 5)."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where requests go; `tls` is None for plain HTTP."""

    host: str
    port: int
    tls: ssl.SSLContext | None

    @property
    def header(self) -> str:
        """The Host header."""
        usual = 443 if self.tls else 80
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == usual else f"{name}:{self.port}"


class Connections:
    """A pool of connections to one origin, the last used first, so that the others may end.

    Args:
        origin: where to.
        most: connections at once; a request more waits for its turn.
        connect_timeout: seconds for a connection to be made, TLS included.
    """

    def __init__(self, origin: Origin, most: int, *, connect_timeout: float) -> None:
        self._origin = origin
        self._places = asyncio.Semaphore(most)
        self._connect_timeout = connect_timeout
        self._now = asyncio.get_running_loop().time
        self._buffer = memoryview(bytearray(READ_BYTES))
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._closed = False

    def __repr__(self) -> str:
        return f"<Connections to {self._origin.header}: {len(self._open)} open, {len(self._idle)} idle>"

    async def request(self, request: Request) -> Answer:
        """Make one request, once.

        Raises:
            NoAnswer: if there was none.
        """
        async with self._places:
            connection = self._reusable() or await self._connect()
            try:
                return await connection.request(request)
            finally:
                self._give_back(connection)

    async def aclose(self) -> None:
        """Close every connection; requests under way get no answer, and there are no new ones."""
        self._closed = True
        self._idle.clear()
        closing = list(self._open)
        for connection in closing:
            self._drop(connection)
        if closing:
            await asyncio.wait([connection.lost for connection in closing], timeout=1)

    def _reusable(self) -> Connection | None:
        now = self._now()
        while self._idle:
            connection = self._idle.pop()
            idle = now - connection.idle_since
            if connection.usable and idle < IDLE and (idle < FRESH or not connection.heard_from()):
                return connection
            self._drop(connection)
        return None

    async def _connect(self) -> Connection:
        if self._closed:
            raise NoAnswer("the transport is closed")
        name = self._origin.header
        try:
            async with asyncio.timeout(self._connect_timeout) as limit:
                connection = await _connected(self._origin, partial(Connection, self._buffer))
        except (OSError, UnicodeError) as error:  # OSError is also TLS's and TimeoutError; UnicodeError a host name's
            reason = f"within {self._connect_timeout:g} s" if limit.expired() else f"({error})"
            raise NoAnswer(f"no connection to {name} {reason}") from error
        self._open.add(connection)
        if self._closed:
            self._drop(connection)
        return connection

    def _give_back(self, connection: Connection) -> None:
        if connection.usable and not self._closed:
            connection.idle_since = self._now()
            self._idle.append(connection)
        else:
            self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        self._open.discard(connection)
        connection.close()


async def _connected(origin: Origin, protocol: Callable[[], Connection]) -> Connection:
    loop = asyncio.get_running_loop()
    addresses = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    # asyncio has its own way of trying addresses side by side; uvloop has not.
    connected = await start_connection(addresses, happy_eyeballs_delay=NEXT_ADDRESS, interleave=1, loop=loop)
    name = origin.host if origin.tls else None
    try:
        _, connection = await loop.create_connection(protocol, sock=connected, ssl=origin.tls, server_hostname=name)
    except BaseException:
        with suppress(OSError):
            connected.close()
        raise
    return connection
