"""The server: the protocol on aiohttp, on the loopback interface."""

from __future__ import annotations

import asyncio
import signal
import sys
import uuid
from email.utils import formatdate
from functools import lru_cache
from typing import Final, Self

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from sqsjobs.errors import ConfigurationError
from sqsjobs.local.faults import FaultPlan, Struck
from sqsjobs.local.mishaps import Mishap
from sqsjobs.local.protocol import CONTENT_TYPE, WireAnswer, answer, operation_of, queue_of
from sqsjobs.transport.address import is_loopback
from sqsjobs.transport.memory import MemorySQS
from sqsjobs.transport.model import Fault, Faults, NoAnswer

__all__ = ["LocalServer", "run"]

_NOTHING: Final = WireAnswer(500, b"")
"""The answer of an operation that was not carried out."""
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
        plan: what goes wrong in SQS and on the way to it, by rules. It can be exchanged at any time, here or with
            a PUT of its JSON to ``/faults``; a GET tells what it has done.
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
        plan: FaultPlan | None = None,
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
        self.plan = plan
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
        if request.method == "POST":
            return await self._carry_out(request, operation_of(request.headers.get("X-Amz-Target", "")))
        if request.path == "/faults":
            return await self._faults(request)
        return web.Response(text="sqsjobs local SQS\n")

    async def _carry_out(self, request: web.BaseRequest, operation: str) -> web.StreamResponse:
        body = await request.read()
        plan = self.plan
        mishap = plan.strike(operation, queue_of(body)) if plan is not None else None
        if plan is None or mishap is None:
            return self._response(await self._answer(request, operation, body))
        answered = _NOTHING
        if mishap.carried_out:
            answered = await self._answer(request, operation, body, mishap.fault)
        plan.tell(Struck(mishap.kind, operation, queue_of(body), body, answered.body))
        await _spoil(request, mishap, answered)
        return self._response(answered)  # it reaches nobody, if it was spoiled

    async def _answer(
        self, request: web.BaseRequest, operation: str, body: bytes, fault: Fault | None = None
    ) -> WireAnswer:
        try:
            return await answer(self.sqs, operation, body, f"http://{request.host}", fault=fault)
        except NoAnswer:
            return _hang_up(request)

    def _response(self, answered: WireAnswer) -> web.Response:
        """Date the answer by the clock of the queues, whose SentTimestamps clients compare with it."""
        date = formatdate(self.sqs.clock.wall(), usegmt=True)
        return web.Response(
            body=answered.body,
            status=answered.status,
            headers={
                "Content-Type": CONTENT_TYPE,
                "Date": date,
                "x-amzn-RequestId": str(uuid.uuid4()),
                **answered.headers,
            },
        )

    async def _faults(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "PUT":
            try:
                plan = FaultPlan.read(await request.read())
            except ConfigurationError as problem:
                return web.Response(status=400, text=f"{problem}\n")
            plan.observer = self.plan.observer if self.plan is not None else None
            self.plan = plan
        return web.Response(body=(self.plan or FaultPlan([])).report(), content_type="application/json")


def run(
    host: str = "127.0.0.1",
    port: int = 9324,
    *,
    announce: bool = False,
    allow_remote: bool = False,
    plan: FaultPlan | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        host: where to listen.
        port: 0 for any that is free.
        announce: print nothing but the URL, as the first line of the output, once requests are answered.
        allow_remote: listen on other interfaces than loopback.
        plan: what goes wrong.
    """
    asyncio.run(_serve(LocalServer(host, port, allow_remote=allow_remote, plan=plan), announce=announce))


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


async def _spoil(request: web.BaseRequest, mishap: Mishap, answered: WireAnswer) -> None:
    if mishap.spoiling is not None and request.transport is not None:
        await mishap.spoiling(request.transport, answered, mishap.seconds)


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
