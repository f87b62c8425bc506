"""Receives: how long they wait, what they give, and what becomes of those that nobody waits for."""

from __future__ import annotations

import asyncio

import pytest
from tests.conformance.reading import send, take, take_one
from tests.conformance.rigs import Rig

from sqsjobs.errors import QueueNotFound, RequestRejected
from sqsjobs.transport.base import MAX_VISIBILITY, Done, OutgoingMessage, Transport


async def test_a_long_poll_ends_early_when_a_message_comes(transport: Transport) -> None:
    loop = asyncio.get_running_loop()
    poll = asyncio.create_task(transport.receive("jobs", limit=10, wait=15, visibility=30))
    await asyncio.sleep(0.3)
    sent_at = loop.time()
    await send(transport, "jobs", "x")

    [delivery] = await poll

    assert delivery.body == "x"
    assert loop.time() - sent_at < 5


async def test_a_long_poll_holds_its_wait(transport: Transport) -> None:
    loop = asyncio.get_running_loop()
    started_at = loop.time()

    assert await transport.receive("jobs", limit=10, wait=2, visibility=30) == []

    assert 1.8 <= loop.time() - started_at < 5


async def test_a_receive_without_a_wait_comes_back_at_once(transport: Transport) -> None:
    loop = asyncio.get_running_loop()
    await transport.receive("jobs", limit=10, wait=0, visibility=30)
    started_at = loop.time()

    assert await transport.receive("jobs", limit=10, wait=0, visibility=30) == []

    assert loop.time() - started_at < 1


async def test_a_long_poll_sees_what_becomes_visible_while_it_waits(transport: Transport) -> None:
    await send(transport, "jobs", "x")
    await take_one(transport, "jobs", visibility=1)

    assert (await take_one(transport, "jobs")).receive_count == 2


async def test_no_more_than_the_limit_is_received(transport: Transport) -> None:
    await send(transport, "jobs", *"abcde")

    assert len(await transport.receive("jobs", limit=3, wait=2, visibility=30)) <= 3


@pytest.mark.parametrize("limit", [0, 11])
async def test_a_limit_outside_one_to_ten_is_refused(transport: Transport, limit: int) -> None:
    with pytest.raises(RequestRejected):
        await transport.receive("jobs", limit=limit, wait=0, visibility=30)


async def test_a_wait_of_more_than_twenty_seconds_is_refused(transport: Transport) -> None:
    with pytest.raises(RequestRejected):
        await transport.receive("jobs", limit=1, wait=21, visibility=30)


async def test_a_visibility_of_twelve_hours_is_taken(transport: Transport) -> None:
    await send(transport, "jobs", "x")

    assert len(await take(transport, "jobs", visibility=MAX_VISIBILITY)) == 1


async def test_a_visibility_of_more_than_twelve_hours_is_refused(transport: Transport) -> None:
    with pytest.raises(RequestRejected):
        await transport.receive("jobs", limit=1, wait=0, visibility=MAX_VISIBILITY + 1)


async def test_every_receive_has_a_handle_of_its_own_and_counts(transport: Transport) -> None:
    """The dates of sending and of the first receipt stay."""
    await send(transport, "jobs", "x")
    first = await take_one(transport, "jobs")
    assert await transport.change_visibility("jobs", [(first.receipt_handle, 0)]) == [Done()]

    second = await take_one(transport, "jobs")

    assert second.message_id == first.message_id
    assert second.receipt_handle != first.receipt_handle
    assert (first.receive_count, second.receive_count) == (1, 2)
    assert (second.sent_at, second.first_received_at) == (first.sent_at, first.first_received_at)


async def test_concurrent_receivers_share_the_messages(transport: Transport) -> None:
    """No message goes to two of them while it is hidden."""
    ids = await send(transport, "jobs", *"abcdefghij")

    rounds = await asyncio.gather(
        *(transport.receive("jobs", limit=3, wait=2, visibility=60) for _ in range(6)),
    )

    received = [delivery.message_id for deliveries in rounds for delivery in deliveries]
    assert len(received) == len(set(received))
    assert set(received) <= set(ids)


async def test_a_cancelled_long_poll_takes_messages_all_the_same(transport: Transport) -> None:
    """R5: SQS does not see that nobody waits any more. This is why polls are never cancelled."""
    poll = asyncio.create_task(transport.receive("jobs", limit=1, wait=3, visibility=2))
    await asyncio.sleep(0.5)
    poll.cancel()
    with pytest.raises(asyncio.CancelledError):
        await poll
    await send(transport, "jobs", "x")

    assert (await take_one(transport, "jobs")).receive_count == 2


async def test_twenty_open_long_polls_do_not_delay_a_delete(transport: Transport, rig: Rig) -> None:
    """R60: deletes do not queue for a connection behind polls."""
    await rig.create_queue("idle")
    await send(transport, "jobs", "x")
    delivery = await take_one(transport, "jobs")
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(transport.receive("idle", limit=1, wait=2, visibility=30))
        await asyncio.sleep(0.5)
        started_at = asyncio.get_running_loop().time()
        assert await transport.delete("jobs", [delivery.receipt_handle]) == [Done()]
        assert asyncio.get_running_loop().time() - started_at < 1


async def test_a_queue_is_described_by_its_attributes(transport: Transport, rig: Rig) -> None:
    await rig.create_queue("work-dlq", {"MessageRetentionPeriod": "1209600"})
    await rig.create_queue("work", {"MessageRetentionPeriod": "86400"}, dead_letter_queue="work-dlq")

    work = await transport.describe("work")
    dead_letters = await transport.describe("work-dlq")

    assert (work.name, work.fifo, work.retention, work.max_receive_count) == ("work", False, 86_400, 2)
    assert work.dead_letter_queue == dead_letters.url
    assert (dead_letters.retention, dead_letters.max_receive_count) == (1_209_600, None)
    assert dead_letters.dead_letter_queue is None
    assert (await transport.describe("jobs.fifo")).fifo


async def test_the_dead_letter_queue_can_be_used_by_the_url_that_the_description_gives(
    transport: Transport, rig: Rig
) -> None:
    await rig.create_queue("work-dlq")
    await rig.create_queue("work", dead_letter_queue="work-dlq")
    url = (await transport.describe("work")).dead_letter_queue
    assert url is not None

    await send(transport, url, "x")

    assert (await take_one(transport, url)).queue == url


async def test_the_counts_tell_waiting_hidden_and_delayed_messages(transport: Transport) -> None:
    """Approximately: AWS's counts lag by up to a minute, so they are waited for."""
    await send(transport, "jobs", "a", "b", "c", OutgoingMessage("later", delay=900))
    await take_one(transport, "jobs", visibility=600)

    async with asyncio.timeout(90):
        while (counts := await transport.describe("jobs")) and (counts.visible, counts.in_flight) != (2, 1):
            await asyncio.sleep(0.5)
    assert counts.delayed == 1


async def test_describing_a_queue_that_is_not_there_says_so(transport: Transport) -> None:
    with pytest.raises(QueueNotFound):
        await transport.describe("nowhere")
