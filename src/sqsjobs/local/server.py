"""The server: the protocol on aiohttp, on the loopback interface."""

from __future__ import annotations

import asyncio
import signal
import sys
import uuid
from functools import lru_cache
from typing import Final, Self

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from sqsjobs.errors import ConfigurationError
from sqsjobs.local.protocol import CONTENT_TYPE, WireAnswer, answer
from sqsjobs.transport.address import is_loopback
from sqsjobs.transport.memory import MemorySQS
from sqsjobs.transport.model import Faults, NoAnswer

__all__ = ["LocalServer", "run"]

MAX_REQUEST_BYTES: Final = 16 * 1_048_576
"""A batch of 1 MiB, with every character escaped and room to spare; more is not read."""


class LocalServer:
    """SQS for this machine. It checks no signatures and no permissions: any credentials will do.

    Use it as an async context manager; between entry and exit `endpoint_url` is where it answers. When a
    client hangs up during a long poll, the receive goes on and hides what it finds, as it does at AWS.

    Args:
        host: where to listen; anything but this machine's loopback must be allowed in so many words.
        port: 0 for any that is free.
        sqs: the queues to serve; new and empty by default.
        faults: decides what goes wrong with each call, for tests; in place of those of `sqs`.
        allow_remote: listen on other interfaces than loopback, and answer to other names: everybody who reaches the
            server may do everything.

    Raises:
        ConfigurationError: for a host that is not loopback, without `allow_remote`.
        OSError: on entry, where the port is taken.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        sqs: MemorySQS | None = None,
        faults: Faults | None = None,
        allow_remote: bool = False,
    ) -> None:
        if not allow_remote and not _is_loopback(_in_url(host)):
            raise ConfigurationError(
                f"the local server has no access control, and {host} is not this machine's loopback interface: "
                f"listen on 127.0.0.1, or allow it with allow_remote=True"
            )
        self.sqs = sqs or MemorySQS()
        if faults is not None:
            self.sqs.faults = faults
        self._host = host
        self._port = port
        self._allow_remote = allow_remote
        self._runner: web.ServerRunner | None = None

    @property
    def endpoint_url(self) -> str:
        """Where it answers, such as ``http://127.0.0.1:9324``; before entry with the port that was asked for."""
        addresses = self._runner.addresses if self._runner else []
        return f"http://{_in_url(self._host)}:{addresses[0][1] if addresses else self._port}"

    async def __aenter__(self) -> Self:
        server = web.Server(self._handle, request_factory=_request, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port, backlog=1024).start()
        except OSError:
            await self._close()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.sqs.end_polls()
        await self._close()

    async def _close(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if not self._allow_remote and not _is_loopback(request.host):
            # A web page can make its own name lead here (DNS rebinding), and its scripts could then send jobs.
            return web.Response(status=403, text=f"{request.host} is not a name of this machine's loopback interface\n")
        if request.method != "POST":
            return web.Response(text="sqsjobs local SQS\n")
        target = request.headers.get("X-Amz-Target", "")
        try:
            answered = await answer(self.sqs, target, await request.read(), f"http://{request.host}")
        except NoAnswer:
            answered = _hang_up(request)
        return web.Response(
            body=answered.body,
            status=answered.status,
            headers={"Content-Type": CONTENT_TYPE, "x-amzn-RequestId": str(uuid.uuid4()), **answered.headers},
        )


def run(host: str = "127.0.0.1", port: int = 9324, *, announce: bool = False, allow_remote: bool = False) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        host: where to listen.
        port: 0 for any that is free.
        announce: print nothing but the URL, as the first line of the output, once requests are answered.
        allow_remote: listen on other interfaces than loopback.
    """
    asyncio.run(_serve(LocalServer(host, port, allow_remote=allow_remote), announce=announce))


async def _serve(server: LocalServer, *, announce: bool) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stopping.set)
    async with server:
        hint = "" if announce else f"\nexport AWS_ENDPOINT_URL_SQS={server.endpoint_url}   (Ctrl-C to stop)"
        sys.stdout.write(f"{server.endpoint_url}{hint}\n")
        sys.stdout.flush()
        await stopping.wait()


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_REQUEST_BYTES)


def _hang_up(request: web.BaseRequest) -> WireAnswer:
    """Break the connection; what is returned reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return WireAnswer(500, b"")


@lru_cache(maxsize=100)
def _is_loopback(host_and_port: str) -> bool:
    try:
        return is_loopback(f"http://{host_and_port}")
    except ValueError:  # no host at all, such as "["
        return False


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
