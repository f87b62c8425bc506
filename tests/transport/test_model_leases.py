"""Receipt handles in the model: deleting, hiding, and what handles are worth that have been superseded."""

from __future__ import annotations

import pytest
from tests.transport.model_world import World, refused

from sqsjobs.transport.model import Fault, ReceiveRequest, Refusal, StaleHandles

HOUR = 3_600


@pytest.fixture
def world() -> World:
    world = World()
    world.create("jobs")
    return world


def received(world: World, queue: str = "jobs", *, visibility: float = 30) -> str:
    """Send a message, receive it, and return the handle."""
    world.send(queue, "a", **({"group": "g", "deduplication_id": "d"} if queue.endswith(".fifo") else {}))
    return world.receive(queue, visibility=visibility)[0].handle


def received_twice(world: World, queue: str = "jobs") -> tuple[str, str]:
    """Return two handles of one message: of a receipt whose visibility has ended, and of the next one."""
    old = received(world, queue, visibility=10)
    world.elapse(10)
    return old, world.receive(queue, visibility=30)[0].handle


# Deleting ---------------------------------------------------------------------------------------------


def test_a_deleted_message_is_gone(world: World) -> None:
    world.model.leases.delete("jobs", received(world))
    world.elapse(100)
    assert world.counts("jobs") == (0, 0, 0)


def test_deleting_again_succeeds(world: World) -> None:
    handle = received(world)
    world.model.leases.delete("jobs", handle)
    world.model.leases.delete("jobs", handle)


def test_a_handle_deletes_after_its_visibility_while_nobody_else_has_the_message(world: World) -> None:
    handle = received(world, visibility=10)
    world.elapse(50)
    world.model.leases.delete("jobs", handle)
    assert world.counts("jobs") == (0, 0, 0)


@pytest.mark.parametrize("handle", ["garbage", "Z2FyYmFnZQ==", "é", " "])
def test_what_is_no_handle_is_refused(world: World, handle: str) -> None:
    with refused("ReceiptHandleIsInvalid"):
        world.model.leases.delete("jobs", handle)
    with refused("ReceiptHandleIsInvalid"):
        world.model.leases.change_visibility("jobs", handle, 1)


def test_a_handle_is_good_for_its_own_queue_alone(world: World) -> None:
    world.create("other")
    handle = received(world)
    with refused("ReceiptHandleIsInvalid"):
        world.model.leases.delete("other", handle)


def test_a_batch_of_deletes_fails_entry_by_entry(world: World) -> None:
    """R35."""
    handle = received(world)
    results = world.model.leases.delete_batch("jobs", [("a", handle), ("b", "garbage")])
    assert results[0] is None
    assert isinstance(results[1], Refusal)
    assert results[1].code == "ReceiptHandleIsInvalid"
    assert world.counts("jobs") == (0, 0, 0)


def test_batches_of_deletes_and_changes_are_checked_as_such(world: World) -> None:
    with refused("AWS.SimpleQueueService.EmptyBatchRequest"):
        world.model.leases.delete_batch("jobs", [])
    with refused("AWS.SimpleQueueService.BatchEntryIdsNotDistinct"):
        world.model.leases.change_visibility_batch("jobs", [("a", ("x", 1)), ("a", ("y", 1))])
    with refused("AWS.SimpleQueueService.TooManyEntriesInBatchRequest"):
        world.model.leases.delete_batch("jobs", [(str(n), "x") for n in range(11)])


def test_a_resurrected_message_comes_back_after_a_delete_that_succeeded(world: World) -> None:
    """R25: a storage host was away while the message was deleted."""
    handle = received(world, visibility=30)
    world.model.leases.delete("jobs", handle, Fault(resurrect=True))
    assert world.bodies("jobs") == []
    world.elapse(30)
    assert world.bodies("jobs") == ["a"]


# Hiding -----------------------------------------------------------------------------------------------


def test_a_change_counts_from_the_call(world: World) -> None:
    handle = received(world, visibility=60)
    world.elapse(15)
    world.model.leases.change_visibility("jobs", handle, 10)
    world.elapse(9)
    assert world.bodies("jobs") == []
    world.elapse(1)
    assert world.bodies("jobs") == ["a"]


def test_a_change_is_not_remembered_for_the_next_receipt(world: World) -> None:
    handle = received(world, visibility=10)
    world.model.leases.change_visibility("jobs", handle, 500)
    world.elapse(500)
    world.receive("jobs", visibility=10)
    world.elapse(10)
    assert world.bodies("jobs") == ["a"]


def test_visibility_0_shows_the_message_at_once(world: World) -> None:
    world.model.leases.change_visibility("jobs", received(world), 0)
    assert world.counts("jobs") == (1, 0, 0)
    assert world.bodies("jobs") == ["a"]


@pytest.mark.parametrize("seconds", [-1, 43_201])
def test_a_visibility_is_at_most_twelve_hours(world: World, seconds: int) -> None:
    handle = received(world)
    with refused("InvalidParameterValue", "VisibilityTimeout"):
        world.model.leases.change_visibility("jobs", handle, seconds)


def test_twelve_hours_count_from_the_receipt_and_not_from_the_send(world: World) -> None:
    """R21: what is too long is an error, not cut down."""
    world.send("jobs", "a")
    world.elapse(5 * HOUR)
    handle = world.receive("jobs", visibility=12 * HOUR)[0].handle
    world.elapse(11 * HOUR)
    world.model.leases.change_visibility("jobs", handle, HOUR)
    with refused("InvalidParameterValue", "Total VisibilityTimeout"):
        world.model.leases.change_visibility("jobs", handle, HOUR + 1)
    world.elapse(HOUR)
    assert world.bodies("jobs") == ["a"]


def test_a_new_receipt_has_twelve_hours_of_its_own(world: World) -> None:
    received(world, visibility=11 * HOUR)
    world.elapse(11 * HOUR)
    handle = world.receive("jobs")[0].handle
    world.model.leases.change_visibility("jobs", handle, 12 * HOUR)


def test_a_deleted_message_cannot_be_hidden(world: World) -> None:
    handle = received(world)
    world.model.leases.delete("jobs", handle)
    with refused("InvalidParameterValue", "does not exist or is not available"):
        world.model.leases.change_visibility("jobs", handle, 10)


def test_on_a_standard_queue_a_lease_can_be_taken_up_again_while_nobody_has_the_message(world: World) -> None:
    """As recorded at AWS: a change after the visibility has ended succeeds, if the message was not received again."""
    handle = received(world, visibility=10)
    world.elapse(20)
    world.model.leases.change_visibility("jobs", handle, 30)
    assert world.bodies("jobs") == []
    world.elapse(30)
    assert world.bodies("jobs") == ["a"]


def test_a_batch_of_changes_fails_entry_by_entry(world: World) -> None:
    handle = received(world)
    results = world.model.leases.change_visibility_batch("jobs", [("a", (handle, 0)), ("b", (handle, 50_000))])
    assert results[0] is None
    assert isinstance(results[1], Refusal)
    assert world.counts("jobs") == (1, 0, 0)


# Stale handles ----------------------------------------------------------------------------------------


def test_ignored_a_stale_handle_deletes_nothing_and_hides_nothing() -> None:
    """What the documentation says, and the default."""
    world = World()
    world.create("jobs")
    old, new = received_twice(world)
    world.model.leases.delete("jobs", old)
    assert world.counts("jobs") == (0, 1, 0)
    with refused("InvalidParameterValue", "not available for visibility timeout change"):
        world.model.leases.change_visibility("jobs", old, 0)
    world.model.leases.delete("jobs", new)
    assert world.counts("jobs") == (0, 0, 0)


def test_honoured_a_stale_handle_takes_the_message_from_who_has_it() -> None:
    """What moto and LocalStack do: the worst that a client has to reckon with."""
    world = World(stale_handles=StaleHandles.HONOURED)
    world.create("jobs")
    old, _ = received_twice(world)
    world.model.leases.change_visibility("jobs", old, 0)
    assert world.counts("jobs") == (1, 0, 0)
    world.model.leases.delete("jobs", old)
    assert world.counts("jobs") == (0, 0, 0)


def test_refused_a_stale_handle_is_an_error() -> None:
    world = World(stale_handles=StaleHandles.REFUSED)
    world.create("jobs")
    old, _ = received_twice(world)
    with refused("InvalidParameterValue", "expired"):
        world.model.leases.delete("jobs", old)
    with refused("InvalidParameterValue"):
        world.model.leases.change_visibility("jobs", old, 0)
    assert world.counts("jobs") == (0, 1, 0)


def test_refused_a_handle_is_stale_when_its_visibility_has_ended() -> None:
    world = World(stale_handles=StaleHandles.REFUSED)
    world.create("jobs")
    handle = received(world, visibility=10)
    world.elapse(10)
    with refused("AWS.SimpleQueueService.MessageNotInflight"):
        world.model.leases.change_visibility("jobs", handle, 10)
    with refused("InvalidParameterValue", "expired"):
        world.model.leases.delete("jobs", handle)
    assert world.counts("jobs") == (1, 0, 0)


@pytest.mark.parametrize("stale_handles", StaleHandles)
def test_a_fifo_queue_refuses_handles_that_have_expired(stale_handles: StaleHandles) -> None:
    """Under any option: that is what AWS does, to the word."""
    world = World(stale_handles=stale_handles)
    world.create("jobs.fifo")
    handle = received(world, "jobs.fifo", visibility=10)
    world.elapse(10)
    with refused("InvalidParameterValue", "The receipt handle has expired."):
        world.model.leases.delete("jobs.fifo", handle)
    with refused("InvalidParameterValue", "The receipt handle has expired."):
        world.model.leases.change_visibility("jobs.fifo", handle, 10)
    new = world.receive("jobs.fifo")[0].handle
    with refused("InvalidParameterValue", "The receipt handle has expired."):
        world.model.leases.delete("jobs.fifo", handle)
    world.model.leases.delete("jobs.fifo", new)


def test_a_duplicate_delivery_supersedes_the_first(world: World) -> None:
    """R23: a standard queue gives a message out that is in flight already."""
    world.send("jobs", "a")
    first = world.model.receiving.receive("jobs", ReceiveRequest(), fault=Fault(duplicate=True))[0]
    second = world.receive("jobs")[0]
    assert first.message_id == second.message_id
    assert second.receive_count == 2
