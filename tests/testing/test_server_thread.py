"""The local server on a thread: for clients on any loop, in any thread; its errors are raised where it is entered."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from sqsjobs.errors import QueueNotFound
from sqsjobs.testing import LocalServerThread
from sqsjobs.transport.base import OutgoingMessage
from sqsjobs.transport.sqs import SqsTransport


@pytest.fixture
def server() -> Iterator[LocalServerThread]:
    with LocalServerThread() as server:
        yield server


async def test_queues_are_made_with_their_dead_letter_queues(server: LocalServerThread) -> None:
    server.create_queues("mail", "orders.fifo")
    async with SqsTransport(endpoint_url=server.endpoint_url) as transport:
        await transport.send("mail", [OutgoingMessage("hello")])
        assert [message.body for message in server.sqs.peek("mail")] == ["hello"]
        described = await transport.describe("orders.fifo")
        assert described.fifo
        assert (described.dead_letter_queue or "").endswith("/orders-dlq.fifo")


async def test_reset_forgets_queues_and_answers_who_waits(server: LocalServerThread) -> None:
    server.create_queues("mail")
    async with SqsTransport(endpoint_url=server.endpoint_url) as transport:
        waiting = asyncio.create_task(transport.receive("mail", limit=1, wait=20, visibility=60))
        while not server.sqs._polls._open:
            await asyncio.sleep(0.005)
        server.reset()
        assert await waiting == []
        with pytest.raises(QueueNotFound):
            await transport.receive("mail", limit=1, wait=0, visibility=60)


def test_the_thread_ends_with_the_block() -> None:
    before = set(threading.enumerate())
    with LocalServerThread() as server:
        assert server.endpoint_url in repr(server)
        (thread,) = set(threading.enumerate()) - before
    assert not thread.is_alive()


def test_a_server_that_cannot_start_says_so_where_it_is_entered(monkeypatch: pytest.MonkeyPatch) -> None:
    server = LocalServerThread()
    monkeypatch.setattr(server._server, "_host", "192.0.2.1")  # an address of no machine (RFC 5737)
    with pytest.raises(OSError, match=r"192\.0\.2\.1"):
        server.__enter__()
