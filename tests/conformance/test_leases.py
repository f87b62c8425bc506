"""Deleting deliveries, hiding them for longer or shorter, and handles that no longer hold anything."""

from __future__ import annotations

import pytest
from tests.conformance.reading import Look, send, take, take_one
from tests.conformance.rigs import Rig

from sqsjobs.transport.base import MAX_VISIBILITY, Done, EntryFailed, EntryResult, OutgoingMessage, Transport


def lease_over(result: EntryResult) -> bool:
    return isinstance(result, EntryFailed) and result.lease_over and not result.retryable


async def test_a_deleted_message_does_not_come_back(transport: Transport, rig: Rig, look: Look) -> None:
    await send(transport, "jobs", "x")
    delivery = await take_one(transport, "jobs", visibility=2)

    assert await transport.delete("jobs", [delivery.receipt_handle]) == [Done()]

    await rig.elapse(2)
    assert await look("jobs") == []


async def test_deleting_twice_is_done_twice(transport: Transport) -> None:
    await send(transport, "jobs", "x")
    handles = [(await take_one(transport, "jobs")).receipt_handle]

    assert await transport.delete("jobs", handles) == [Done()]
    assert await transport.delete("jobs", handles) == [Done()]


async def test_a_batch_of_deletes_is_settled_entry_by_entry(transport: Transport, rig: Rig, look: Look) -> None:
    """R35: a wrong handle does not keep its mates from being deleted; results are in order."""
    await send(transport, "jobs", *"abc")
    handles = [delivery.receipt_handle for delivery in await take(transport, "jobs", 3, visibility=2)]

    results = await transport.delete("jobs", [handles[0], "no handle", *handles[1:]])

    assert results[0] == results[2] == results[3] == Done()
    assert lease_over(results[1])
    await rig.elapse(2)
    assert await look("jobs") == []


async def test_one_message_twice_in_a_batch_is_no_trouble(transport: Transport, rig: Rig, look: Look) -> None:
    """R24: the ids of a batch's entries are their places, since SQS refuses a request in which two are the same."""
    await send(transport, "jobs", *"ab")
    first, second = [delivery.receipt_handle for delivery in await take(transport, "jobs", 2, visibility=2)]

    assert await transport.change_visibility("jobs", [(first, 2), (first, 2)]) == [Done(), Done()]
    assert await transport.delete("jobs", [first, second, first]) == [Done()] * 3

    await rig.elapse(2)
    assert await look("jobs") == []


async def test_a_message_comes_back_when_its_visibility_ends(transport: Transport, rig: Rig, look: Look) -> None:
    """R1: a worker that died gives its messages back by doing nothing."""
    [message_id] = await send(transport, "jobs", "x")
    await take_one(transport, "jobs", visibility=3)
    assert await look("jobs") == []

    await rig.elapse(3)

    again = await take_one(transport, "jobs")
    assert (again.message_id, again.receive_count) == (message_id, 2)


async def test_a_message_is_given_back_at_once_by_a_visibility_of_zero(transport: Transport) -> None:
    await send(transport, "jobs", "x")
    delivery = await take_one(transport, "jobs", visibility=600)

    assert await transport.change_visibility("jobs", [(delivery.receipt_handle, 0)]) == [Done()]

    assert (await take_one(transport, "jobs")).receive_count == 2


async def test_an_extended_message_stays_hidden(transport: Transport, rig: Rig, look: Look) -> None:
    """A heartbeat: it counts from the call, not from the end of the visibility before."""
    await send(transport, "jobs", "x")
    delivery = await take_one(transport, "jobs", visibility=2)

    assert await transport.change_visibility("jobs", [(delivery.receipt_handle, 5)]) == [Done()]

    await rig.elapse(3)
    assert await look("jobs") == []
    await rig.elapse(2)
    assert (await take_one(transport, "jobs")).receive_count == 2


async def test_a_change_is_not_remembered_for_the_next_receive(transport: Transport, rig: Rig) -> None:
    await send(transport, "jobs", "x")
    first = await take_one(transport, "jobs", visibility=600)
    await transport.change_visibility("jobs", [(first.receipt_handle, 0)])
    await take_one(transport, "jobs", visibility=2)

    await rig.elapse(2)

    assert (await take_one(transport, "jobs")).receive_count == 3


async def test_a_batch_of_changes_is_settled_entry_by_entry(transport: Transport) -> None:
    await send(transport, "jobs", *"ab")
    first, second = await take(transport, "jobs", 2, visibility=600)

    results = await transport.change_visibility(
        "jobs", [("no handle", 10), (first.receipt_handle, 0), (second.receipt_handle, 30)]
    )

    assert lease_over(results[0])
    assert results[1:] == [Done(), Done()]
    assert (await take_one(transport, "jobs")).message_id == first.message_id


async def test_a_deleted_message_cannot_be_extended(transport: Transport) -> None:
    """R16, R20: whoever extends it learns that the lease is over."""
    await send(transport, "jobs", "x")
    handle = (await take_one(transport, "jobs")).receipt_handle
    await transport.delete("jobs", [handle])

    [result] = await transport.change_visibility("jobs", [(handle, 30)])

    assert lease_over(result)


async def test_more_than_twelve_hours_is_refused_and_the_lease_goes_on(transport: Transport) -> None:
    """R21."""
    await send(transport, "jobs", "x")
    handle = (await take_one(transport, "jobs")).receipt_handle

    [result] = await transport.change_visibility("jobs", [(handle, MAX_VISIBILITY + 1)])

    assert isinstance(result, EntryFailed)
    assert not result.retryable
    assert not result.lease_over
    assert await transport.change_visibility("jobs", [(handle, 30)]) == [Done()]


async def test_the_twelve_hours_count_from_the_receipt(transport: Transport, rig: Rig) -> None:
    """R21: the time since the receipt counts, that since the sending does not."""
    await send(transport, "jobs", "x")
    await rig.elapse(3)
    handle = (await take_one(transport, "jobs", visibility=600)).receipt_handle

    assert await transport.change_visibility("jobs", [(handle, MAX_VISIBILITY - 2)]) == [Done()]
    await rig.elapse(3)
    [result] = await transport.change_visibility("jobs", [(handle, MAX_VISIBILITY - 2)])

    assert isinstance(result, EntryFailed)
    assert not result.retryable
    assert not result.lease_over


async def test_a_superseded_handle_is_answered_and_not_an_error_of_the_call(transport: Transport, rig: Rig) -> None:
    """What SQS does on a standard queue is its choice; it says so entry by entry."""
    await send(transport, "jobs", "x")
    old = await take_one(transport, "jobs", visibility=1)
    await rig.elapse(1)
    await take_one(transport, "jobs", visibility=600)

    [result] = await transport.delete("jobs", [old.receipt_handle])

    assert result == Done() or lease_over(result)


async def test_a_superseded_handle_does_not_end_the_lease_of_another(
    transport: Transport, rig: Rig, look: Look
) -> None:
    await send(transport, "jobs", "x")
    old = await take_one(transport, "jobs", visibility=1)
    await rig.elapse(1)
    await take_one(transport, "jobs", visibility=600)

    await transport.change_visibility("jobs", [(old.receipt_handle, 0)])

    assert await look("jobs") == []


async def test_an_expired_message_that_nobody_has_received_can_be_extended(
    transport: Transport, rig: Rig, look: Look
) -> None:
    """On a standard queue; the worker does not rely on it."""
    await send(transport, "jobs", "x")
    delivery = await take_one(transport, "jobs", visibility=1)
    await rig.elapse(1)

    assert await transport.change_visibility("jobs", [(delivery.receipt_handle, 30)]) == [Done()]
    assert await look("jobs") == []


@pytest.mark.moves_clock
async def test_a_message_is_dropped_at_the_end_of_its_retention(transport: Transport, rig: Rig, look: Look) -> None:
    """R46."""
    await send(transport, "jobs", "x")

    await rig.elapse(4 * 86_400 + 1)

    assert await look("jobs") == []


async def test_a_message_moves_to_the_dead_letter_queue_after_its_receives(
    transport: Transport, rig: Rig, look: Look
) -> None:
    """The backstop: the same message, with its id and its attributes, when it would be received once more."""
    await rig.create_queue("work-dlq")
    await rig.create_queue("work", dead_letter_queue="work-dlq")
    [message_id] = await send(transport, "work", OutgoingMessage("x", attributes={"a": "b"}))
    for count in (1, 2):
        delivery = await take_one(transport, "work")
        assert delivery.receive_count == count
        await transport.change_visibility("work", [(delivery.receipt_handle, 0)])

    assert await transport.receive("work", limit=1, wait=1, visibility=30) == []

    dead_letter = await take_one(transport, "work-dlq")
    assert dead_letter.message_id == message_id
    assert (dead_letter.body, dict(dead_letter.attributes)) == ("x", {"a": "b"})
