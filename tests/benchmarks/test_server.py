"""The benchmark server does what of SQS the contestants rely on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from benchmarks.server.http import Connection
from benchmarks.server.operations import House
from benchmarks.server.queue import Queue

from sqsjobs.errors import QueueNotFound
from sqsjobs.transport.base import OutgoingMessage
from sqsjobs.transport.sqs import SqsTransport


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(house), "127.0.0.1", 0)
    house.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield house
    server.close()


@pytest.fixture(params=["lean", "aioboto3"])
async def sqs(house, request) -> AsyncIterator[SqsTransport]:
    async with SqsTransport(endpoint_url=house.url, wire=request.param) as transport:
        house.queues["jobs"] = Queue("jobs", {})
        yield transport


async def receive(sqs, *, limit=10, wait=0, visibility=30):
    return await sqs.receive("jobs", limit=limit, wait=wait, visibility=visibility)


async def test_messages_come_in_order_and_are_gone_when_deleted(sqs, house):
    await sqs.send("jobs", [OutgoingMessage(f"körper {number}") for number in range(3)])
    first = await receive(sqs, limit=2)
    assert [it.body for it in first] == ["körper 0", "körper 1"]
    assert [it.receive_count for it in first] == [1, 1]
    await sqs.delete("jobs", [it.receipt_handle for it in first])
    assert [it.body for it in await receive(sqs)] == ["körper 2"]
    assert house.queues["jobs"].deleted == 2


async def test_a_long_poll_brings_what_is_sent_meanwhile(sqs, house):
    poll = asyncio.create_task(receive(sqs, wait=20))
    while not house.queues["jobs"].waiters:
        await asyncio.sleep(0)
    await sqs.send("jobs", [OutgoingMessage("late")])
    assert [it.body for it in await poll] == ["late"]


async def test_a_message_that_is_released_comes_again(sqs):
    await sqs.send("jobs", [OutgoingMessage("again")])
    (once,) = await receive(sqs)
    assert await receive(sqs) == []
    await sqs.change_visibility("jobs", [(once.receipt_handle, 0)])
    (twice,) = await receive(sqs)
    assert (twice.message_id, twice.receive_count) == (once.message_id, 2)


async def test_a_message_whose_visibility_runs_out_comes_again(sqs):
    await sqs.send("jobs", [OutgoingMessage("again")])
    await receive(sqs, visibility=1)
    (twice,) = await receive(sqs, wait=5)
    assert twice.receive_count == 2


async def test_kept_messages_are_put_back_as_new_ones(sqs, house):
    await sqs.send("jobs", [OutgoingMessage("kept")])
    queue = house.queues["jobs"]
    assert queue.keep() == 1
    assert await receive(sqs) == []
    queue.restart(3)
    ids = {it.message_id for it in await receive(sqs)}
    assert len(ids) == 3


async def test_an_unknown_queue_is_said_so(sqs):
    with pytest.raises(QueueNotFound):
        await sqs.describe("nobody")
