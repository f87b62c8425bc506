"""FIFO queues: order in a group, groups in parallel, sent once, received again after a lost answer."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from tests.conformance.reading import Look, send, take, take_one
from tests.conformance.rigs import Rig

from sqsjobs.errors import RequestRejected
from sqsjobs.transport.base import Done, EntryFailed, NotSent, OutgoingMessage, Transport

QUEUE = "jobs.fifo"


def message(body: str, group: str = "g", deduplication_id: str | None = None) -> OutgoingMessage:
    return OutgoingMessage(body, group=group, deduplication_id=deduplication_id or uuid.uuid4().hex)


async def test_a_group_is_received_in_the_order_of_sending(transport: Transport) -> None:
    await send(transport, QUEUE, *(message(str(number)) for number in range(5)))
    await send(transport, QUEUE, *(message(str(number)) for number in range(5, 9)))

    received: list[str] = []
    while len(received) < 9:
        for delivery in await take(transport, QUEUE):
            received.append(delivery.body)
            assert delivery.group == "g"
            assert await transport.delete(QUEUE, [delivery.receipt_handle]) == [Done()]

    assert received == [str(number) for number in range(9)]


async def test_a_group_waits_while_one_of_its_messages_is_hidden(transport: Transport, look: Look) -> None:
    """R54; other groups go on."""
    await send(transport, QUEUE, message("a1", "a"), message("a2", "a"), message("b1", "b"))
    first = await take_one(transport, QUEUE)
    assert first.body == "a1"

    assert (await take_one(transport, QUEUE)).body == "b1"
    assert await look(QUEUE) == []
    await transport.delete(QUEUE, [first.receipt_handle])
    assert (await take_one(transport, QUEUE)).body == "a2"


async def test_a_message_given_back_comes_before_its_followers(transport: Transport) -> None:
    """R52: retry by visibility keeps the order."""
    await send(transport, QUEUE, message("1"), message("2"))
    first = await take_one(transport, QUEUE)
    await transport.change_visibility(QUEUE, [(first.receipt_handle, 0)])

    again = await take_one(transport, QUEUE)

    assert (again.body, again.receive_count) == ("1", 2)


async def test_a_message_whose_visibility_ended_comes_before_its_followers(transport: Transport, rig: Rig) -> None:
    await send(transport, QUEUE, message("1"), message("2"))
    await take_one(transport, QUEUE, visibility=2)
    await rig.elapse(2)

    again = await take_one(transport, QUEUE)

    assert (again.body, again.receive_count) == ("1", 2)


async def test_the_next_of_a_group_reaches_an_open_long_poll_when_the_head_is_deleted(transport: Transport) -> None:
    await send(transport, QUEUE, message("1"), message("2"))
    head = await take_one(transport, QUEUE)
    loop = asyncio.get_running_loop()
    poll = asyncio.create_task(transport.receive(QUEUE, limit=1, wait=4, visibility=30))
    await asyncio.sleep(0.3)
    deleted_at = loop.time()
    await transport.delete(QUEUE, [head.receipt_handle])

    deliveries = await poll

    assert [delivery.body for delivery in deliveries] == ["2"]
    assert loop.time() - deleted_at < 3


async def test_the_same_deduplication_id_is_taken_once(transport: Transport, look: Look) -> None:
    """R28: a send can be repeated; it is answered with the first one's id."""
    [first] = await send(transport, QUEUE, message("x", deduplication_id="once"))
    [second] = await send(transport, QUEUE, message("x", deduplication_id="once"))

    assert second == first
    delivery = await take_one(transport, QUEUE)
    await transport.delete(QUEUE, [delivery.receipt_handle])
    assert await look(QUEUE) == []


async def test_a_deduplication_id_is_remembered_after_the_delete(transport: Transport, look: Look) -> None:
    await send(transport, QUEUE, message("x", deduplication_id="once"))
    delivery = await take_one(transport, QUEUE)
    await transport.delete(QUEUE, [delivery.receipt_handle])

    await send(transport, QUEUE, message("x", deduplication_id="once"))

    assert await look(QUEUE) == []


@pytest.mark.moves_clock
async def test_a_deduplication_id_is_forgotten_after_five_minutes(transport: Transport, rig: Rig) -> None:
    await send(transport, QUEUE, message("x", deduplication_id="once"))
    delivery = await take_one(transport, QUEUE)
    await transport.delete(QUEUE, [delivery.receipt_handle])
    await rig.elapse(301)

    await send(transport, QUEUE, message("y", deduplication_id="once"))

    assert (await take_one(transport, QUEUE)).body == "y"


@pytest.mark.parametrize(
    "unfit",
    [
        OutgoingMessage("x", deduplication_id="d"),
        OutgoingMessage("x", group="g"),
        OutgoingMessage("x", group="g", deduplication_id="d", delay=5),
    ],
    ids=["no group", "no deduplication id", "a delay of its own"],
)
async def test_a_message_that_a_fifo_queue_cannot_have_is_refused(
    transport: Transport, unfit: OutgoingMessage, look: Look
) -> None:
    """As an entry or with its whole batch, as SQS likes."""
    try:
        [result] = await transport.send(QUEUE, [unfit])
    except RequestRejected:
        pass
    else:
        assert isinstance(result, NotSent)
        assert not result.retryable
    assert await look(QUEUE) == []


async def test_a_lost_answer_can_be_asked_for_again(transport: Transport) -> None:
    """R26: the same attempt id gives the same messages, and counts no receive."""
    await send(transport, QUEUE, message("1"), message("2"))
    first = await transport.receive(QUEUE, limit=10, wait=2, visibility=60, attempt_id="attempt-1")

    again = await transport.receive(QUEUE, limit=10, wait=2, visibility=60, attempt_id="attempt-1")

    assert [delivery.body for delivery in again] == [delivery.body for delivery in first] == ["1", "2"]
    assert await transport.delete(QUEUE, [again[0].receipt_handle]) == [Done()]


async def test_another_attempt_id_is_another_receive(transport: Transport) -> None:
    await send(transport, QUEUE, message("1"))
    await transport.receive(QUEUE, limit=1, wait=2, visibility=60, attempt_id="attempt-1")

    assert await transport.receive(QUEUE, limit=1, wait=1, visibility=60, attempt_id="attempt-2") == []


async def test_an_expired_handle_holds_nothing(transport: Transport, rig: Rig) -> None:
    """R16: unlike on standard queues, delete and extension are errors."""
    await send(transport, QUEUE, message("x"))
    delivery = await take_one(transport, QUEUE, visibility=1)
    await rig.elapse(2)

    [deleted] = await transport.delete(QUEUE, [delivery.receipt_handle])
    [extended] = await transport.change_visibility(QUEUE, [(delivery.receipt_handle, 30)])

    assert isinstance(deleted, EntryFailed)
    assert isinstance(extended, EntryFailed)
    assert deleted.lease_over
    assert extended.lease_over
    assert (await take_one(transport, QUEUE)).receive_count == 2
