"""A worker whose credentials SQS takes no more, over real HTTP: it says so, has them renewed, and works on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import msgspec
from tests.transport.wire.test_calls import fresh_keys, refreshable, session_with
from tests.transport.wire_server import Reaction, Request, WireServer, fails, says

from sqsjobs import App
from sqsjobs.events import Event, JobSettled, PollFailed, WorkerReady
from sqsjobs.testing import LocalServerThread
from sqsjobs.transport.sqs import SqsTransport
from sqsjobs.transport.wire.client import HOT


class Told:
    """What a worker has told, to be waited for."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._news = asyncio.Event()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    async def of(self, wanted: Event | type[Event]) -> None:
        async with asyncio.timeout(15):
            while wanted not in self.events and not any(type(event) is wanted for event in self.events):
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def expiring(server: LocalServerThread) -> AsyncIterator[tuple[WireServer, asyncio.Event]]:
    """Pass calls on to `server`; once the event is set, the frequent ones only if they are signed with the new key."""
    expired, address = asyncio.Event(), urlsplit(server.endpoint_url)

    async def passes_on(request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward, backward = await asyncio.open_connection(address.hostname, address.port)
        body = msgspec.json.encode(request.body)
        headers = request.headers | {"content-length": str(len(body)), "connection": "close"}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        backward.write(f"POST / HTTP/1.1\r\n{head}\r\n".encode() + body)
        answer_head, _, answer = (await onward.read()).partition(b"\r\n\r\n")
        backward.close()
        status = int(answer_head.split()[1])
        await says(answer.decode(), status=status)(request, reader, writer)

    def unless_expired(request: Request) -> Reaction:
        old = "Credential=AKIANEW/" not in request.headers["authorization"]
        return fails("ExpiredTokenException", status=403) if expired.is_set() and old else passes_on

    async def react(request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await unless_expired(request)(request, reader, writer)

    async with WireServer() as between:
        between.reactions |= dict.fromkeys(HOT, react)
        between.reactions |= dict.fromkeys(("GetQueueUrl", "GetQueueAttributes"), passes_on)
        yield between, expired


async def test_a_worker_whose_token_has_ended_says_so_and_goes_on_with_a_new_one() -> None:
    """R58: botocore holds the token for good for an hour more, and only SQS's refusal can tell it otherwise."""
    told, renewed = Told(), asyncio.Event()

    async def refresh() -> dict[str, str]:
        await renewed.wait()
        return fresh_keys("AKIANEW")

    def session() -> object:
        return session_with(refreshable(refresh, left=timedelta(hours=1)))()

    with LocalServerThread() as server:
        server.create_queues("default")
        async with expiring(server) as (between, expired):
            transport = SqsTransport(endpoint_url=between.endpoint_url, session_factory=session)
            app = App("shop", transport=transport, store=None, observers=[told])

            @app.task
            async def add(a: int, b: int) -> int:
                return a + b

            async with app:
                await add.enqueue(1, 2)
                expired.set()
                worker = app.worker(visibility=6, wait=1)
                running = asyncio.create_task(worker.run())
                await told.of(PollFailed)
                await told.of(WorkerReady(worker.name, "polls fail: default"))
                assert not any(isinstance(event, JobSettled) for event in told.events)
                renewed.set()
                await told.of(WorkerReady(worker.name, ""))
                await told.of(JobSettled)
                worker.stop()
                await running
        assert server.sqs.peek("default") == []
