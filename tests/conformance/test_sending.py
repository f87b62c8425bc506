"""What SQS takes, what it refuses, and when what it took can be received."""

from __future__ import annotations

import time

import pytest
from tests.conformance.reading import Look, send, send_refused, take, take_one
from tests.conformance.rigs import Rig

from sqsjobs.errors import QueueNotFound, RequestRejected
from sqsjobs.transport.base import MAX_MESSAGE_BYTES, NotSent, OutgoingMessage, Sent, Transport, message_size


async def test_a_message_arrives_as_it_was_sent(transport: Transport) -> None:
    """Body, attributes, id and the first receipt's count and dates."""
    body = 'tab\tline\nreturn\r "quotes" \\ <&> é 漢字 \U0001f41d'
    [message_id] = await send(transport, "jobs", OutgoingMessage(body, attributes={"reason": "grün", "n.1_-": "x"}))

    delivery = await take_one(transport, "jobs")

    assert delivery.queue == "jobs"
    assert delivery.message_id == message_id
    assert delivery.body == body
    assert delivery.attributes == {"reason": "grün", "n.1_-": "x"}
    assert delivery.receive_count == 1
    assert abs(delivery.sent_at - time.time()) < 300
    assert delivery.sent_at <= delivery.first_received_at <= delivery.sent_at + 60
    assert delivery.group is None


async def test_a_batch_of_ten_gets_one_result_each_in_order(transport: Transport) -> None:
    bodies = [f"body {number}" for number in range(10)]

    ids = await send(transport, "jobs", *bodies)

    received = {delivery.message_id: delivery.body for delivery in await take(transport, "jobs", 10)}
    assert received == dict(zip(ids, bodies, strict=True))


async def test_an_entry_that_is_wrong_does_not_take_its_mates_down(transport: Transport) -> None:
    """R29: SQS answers 200 with a list of failures; each result is in its message's place."""
    results = await transport.send(
        "jobs", [OutgoingMessage("a"), OutgoingMessage("too late", delay=901), OutgoingMessage("b")]
    )

    assert [type(result) for result in results] == [Sent, NotSent, Sent]
    assert isinstance(results[1], NotSent)
    assert not results[1].retryable
    assert {delivery.body for delivery in await take(transport, "jobs", 2)} == {"a", "b"}


async def test_eleven_messages_are_refused_together(transport: Transport) -> None:
    with pytest.raises(RequestRejected):
        await transport.send("jobs", [OutgoingMessage("x")] * 11)


async def test_an_empty_batch_is_refused(transport: Transport) -> None:
    with pytest.raises(RequestRejected):
        await transport.send("jobs", [])


async def test_a_message_of_exactly_one_mebibyte_is_taken(transport: Transport) -> None:
    """R30: bytes of the body and of each attribute's name, type and value."""
    attributes = {"reason": "é" * 100}
    body = "x" * (MAX_MESSAGE_BYTES - message_size(OutgoingMessage("", attributes=attributes)))

    await send(transport, "jobs", OutgoingMessage(body, attributes=attributes))

    assert len((await take_one(transport, "jobs")).body) == len(body)


async def test_one_byte_more_is_refused(transport: Transport) -> None:
    with pytest.raises(RequestRejected):
        await transport.send("jobs", [OutgoingMessage("x" * (MAX_MESSAGE_BYTES + 1))])


async def test_the_attributes_count_as_bytes_of_the_message(transport: Transport) -> None:
    """R30."""
    attributes = {"reason": "x"}
    body = "x" * (MAX_MESSAGE_BYTES - message_size(OutgoingMessage("", attributes=attributes)) + 1)

    with pytest.raises(RequestRejected):
        await transport.send("jobs", [OutgoingMessage(body, attributes=attributes)])


async def test_bytes_are_counted_and_not_characters(transport: Transport) -> None:
    """R30."""
    with pytest.raises(RequestRejected):
        await transport.send("jobs", [OutgoingMessage("é" * (MAX_MESSAGE_BYTES // 2) + "x")])


async def test_a_batch_of_more_than_one_mebibyte_is_refused_together(transport: Transport, look: Look) -> None:
    half = OutgoingMessage("x" * (MAX_MESSAGE_BYTES // 2 + 1))

    with pytest.raises(RequestRejected):
        await transport.send("jobs", [half, half])

    assert await look("jobs") == []


@pytest.mark.parametrize("character", ["\x00", "\x08", "\x0b", "\x1f", "\ufffe", "\uffff"])
async def test_characters_outside_xml_are_refused(transport: Transport, character: str) -> None:
    """R31: they would arrive at nobody. (SQS developer guide: #x9, #xA, #xD, #x20-#xD7FF, #xE000-#xFFFD, …)"""
    assert not (await send_refused(transport, "jobs", OutgoingMessage(f"a{character}b"))).retryable


@pytest.mark.parametrize("character", ["\t", "\n", "\r", "\x7f", "\x85", "\ud7ff", "\ue000", "\ufffd", "\U0010ffff"])
async def test_characters_of_xml_arrive(transport: Transport, character: str) -> None:
    await send(transport, "jobs", f"a{character}b")

    assert (await take_one(transport, "jobs")).body == f"a{character}b"


async def test_an_empty_body_is_refused(transport: Transport) -> None:
    try:
        results = await transport.send("jobs", [OutgoingMessage("")])
    except RequestRejected:
        results = []
    assert not any(isinstance(result, Sent) for result in results)


async def test_ten_attributes_are_taken(transport: Transport) -> None:
    attributes = {f"a{number}": str(number) for number in range(10)}

    await send(transport, "jobs", OutgoingMessage("x", attributes=attributes))

    assert (await take_one(transport, "jobs")).attributes == attributes


async def test_eleven_attributes_are_refused(transport: Transport) -> None:
    attributes = {f"a{number}": str(number) for number in range(11)}

    assert not (await send_refused(transport, "jobs", OutgoingMessage("x", attributes=attributes))).retryable


async def test_a_delayed_message_is_not_there_before_its_time(transport: Transport, rig: Rig, look: Look) -> None:
    await send(transport, "jobs", OutgoingMessage("later", delay=3), "now")

    assert (await take_one(transport, "jobs")).body == "now"
    assert await look("jobs") == []
    await rig.elapse(3)
    assert (await take_one(transport, "jobs")).body == "later"


async def test_a_queue_can_delay_all_messages(transport: Transport, rig: Rig, look: Look) -> None:
    """A message that asks for no delay has its queue's."""
    await rig.create_queue("slow", {"DelaySeconds": "3"})
    await send(transport, "slow", "later")

    assert await look("slow") == []
    await rig.elapse(3)
    assert (await take_one(transport, "slow")).body == "later"


async def test_a_group_on_a_standard_queue_is_told_to_the_receiver(transport: Transport) -> None:
    """A fair-queue tenant: it orders nothing and blocks nothing."""
    await send(transport, "jobs", *(OutgoingMessage(str(number), group="tenant-7") for number in range(3)))

    assert [delivery.group for delivery in await take(transport, "jobs", 3)] == ["tenant-7"] * 3


async def test_a_queue_that_is_not_there_is_told_as_such(transport: Transport) -> None:
    """R61."""
    with pytest.raises(QueueNotFound) as caught:
        await transport.send("nowhere", [OutgoingMessage("x")])

    assert caught.value.queue == "nowhere"


async def test_a_queue_that_has_been_deleted_is_told_as_such(transport: Transport, rig: Rig) -> None:
    """R61, in the middle of things: its URL is known already."""
    await rig.create_queue("short-lived")
    await send(transport, "short-lived", "x")
    await rig.delete_queue("short-lived")

    with pytest.raises(QueueNotFound):
        await transport.receive("short-lived", limit=1, wait=0, visibility=30)
