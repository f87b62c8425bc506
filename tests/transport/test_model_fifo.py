"""FIFO queues in the model: order, blocked groups, deduplication, attempts that can be asked for again."""

from __future__ import annotations

import pytest
from tests.transport.model_world import World, refused

from sqsjobs.transport.model import ReceiveRequest

FIVE_MINUTES = 300


@pytest.fixture
def world() -> World:
    world = World()
    world.create("q.fifo")
    return world


# Order ------------------------------------------------------------------------------------------------


def test_one_receive_takes_several_of_a_group_in_order(world: World) -> None:
    """R52: as AWS does; whoever wants one at a time asks for one."""
    world.send_in_group("q.fifo", "1", "2", "3", group="a")
    world.send_in_group("q.fifo", "4", group="b")
    assert world.bodies("q.fifo", limit=2) == ["1", "2"]


def test_a_group_is_blocked_while_one_of_it_is_in_flight(world: World) -> None:
    world.send_in_group("q.fifo", "1", "2", group="a")
    world.send_in_group("q.fifo", "3", group="b")
    assert world.bodies("q.fifo", limit=1) == ["1"]
    assert world.bodies("q.fifo") == ["3"]


def test_a_delete_opens_the_group(world: World) -> None:
    world.send_in_group("q.fifo", "1", "2")
    world.model.leases.delete("q.fifo", world.receive("q.fifo", limit=1)[0].handle)
    assert world.bodies("q.fifo") == ["2"]


def test_a_partial_delete_does_not_open_the_group(world: World) -> None:
    world.send_in_group("q.fifo", "1", "2", "3")
    first, _ = world.receive("q.fifo", limit=2)
    world.model.leases.delete("q.fifo", first.handle)
    assert world.bodies("q.fifo") == []


def test_a_message_that_is_visible_again_comes_before_its_followers(world: World) -> None:
    """R53."""
    world.send_in_group("q.fifo", "1", "2", "3")
    world.receive("q.fifo", limit=1, visibility=10)
    world.elapse(10)
    assert world.bodies("q.fifo") == ["1", "2", "3"]


@pytest.mark.parametrize(("position", "again"), [(0, []), (1, ["1"]), (2, ["1", "2"])])
def test_an_extended_message_holds_back_what_is_behind_it_alone(world: World, position: int, again: list[str]) -> None:
    """Recorded at AWS for each place of the extended message among three."""
    world.send_in_group("q.fifo", "1", "2", "3")
    handle = world.receive("q.fifo", visibility=1)[position].handle
    world.model.leases.change_visibility("q.fifo", handle, 4)
    world.elapse(2.5)
    assert world.bodies("q.fifo") == again


def test_a_released_message_comes_although_a_later_one_is_in_flight(world: World) -> None:
    """Recorded at AWS: the head is visible again, its follower is not."""
    world.send_in_group("q.fifo", "1", "2", group="a")
    world.send_in_group("q.fifo", "3", group="b")
    first, _ = world.receive("q.fifo", limit=2, visibility=30)
    world.model.leases.change_visibility("q.fifo", first.handle, 1)
    world.elapse(2)
    assert world.bodies("q.fifo") == ["3", "1"]


def test_a_group_that_waited_comes_after_those_that_were_open(world: World) -> None:
    world.send_in_group("q.fifo", "1", "2", group="a")
    world.send_in_group("q.fifo", "3", group="b")
    world.model.leases.delete("q.fifo", world.receive("q.fifo", limit=1)[0].handle)
    assert world.bodies("q.fifo") == ["3", "2"]


def test_the_queues_delay_holds_for_every_message_and_none_has_its_own(world: World) -> None:
    world.create("slow.fifo", DelaySeconds="5")
    world.send("slow.fifo", "a", group="g", deduplication_id="1", delay=0)
    with refused("InvalidParameterValue", "not valid for this queue type"):
        world.send("slow.fifo", "b", group="g", deduplication_id="2", delay=2)
    assert world.bodies("slow.fifo") == []
    world.elapse(5)
    assert world.bodies("slow.fifo") == ["a"]


def test_sequence_numbers_grow(world: World) -> None:
    sent = [world.send("q.fifo", str(n), group=str(n % 3), deduplication_id=str(n)) for n in range(5)]
    numbers = [it.sequence or "" for it in sent]
    assert numbers == sorted(numbers, key=int)
    assert {len(number) for number in numbers} == {20}
    assert [it.sequence for it in world.receive("q.fifo")] == [numbers[n] for n in (0, 3, 1, 4, 2)]


def test_a_head_past_retention_opens_its_group(world: World) -> None:
    world.create("short.fifo", MessageRetentionPeriod="60")
    world.send_in_group("short.fifo", "1")
    world.receive("short.fifo", visibility=1_000)
    world.elapse(30)
    world.send_in_group("short.fifo", "2")
    world.elapse(30)
    assert world.bodies("short.fifo") == ["2"]


def test_a_dead_letter_makes_way_for_its_followers(world: World) -> None:
    """R55: the order is broken by it, as SQS says."""
    world.create_with_dead_letter_queue("work.fifo", "dead.fifo", max_receive_count=1)
    world.send_in_group("work.fifo", "1", "2")
    sent = world.receive("work.fifo", limit=1, visibility=1)[0]
    world.elapse(1)
    assert world.bodies("work.fifo") == ["2"]
    dead = world.receive("dead.fifo")[0]
    assert (dead.body, dead.group, dead.message_id) == ("1", "g", sent.message_id)
    assert dead.deduplication_id == sent.message_id
    assert dead.sent_wall == sent.sent_wall + 1_000, "FIFO: the age starts anew in the dead-letter queue"


def test_at_the_in_flight_limit_a_fifo_queue_just_gives_nothing() -> None:
    """R62."""
    world = World(max_in_flight=2)
    world.create("q.fifo")
    for group in "abc":
        world.send_in_group("q.fifo", group, group=group)
    assert world.bodies("q.fifo") == ["a", "b"]
    assert world.receive("q.fifo", wait=0) == []


# Deduplication ----------------------------------------------------------------------------------------


def test_a_duplicate_is_accepted_and_not_delivered(world: World) -> None:
    """R28: a send whose answer was lost can be made again; its answer is the first one's."""
    first = world.send("q.fifo", "one", group="g", deduplication_id="d")
    again = world.send("q.fifo", "two", group="g", deduplication_id="d")
    assert again == first
    assert world.bodies("q.fifo") == ["one"]


def test_a_deleted_message_is_remembered_for_five_minutes(world: World) -> None:
    world.send("q.fifo", "one", group="g", deduplication_id="d")
    world.model.leases.delete("q.fifo", world.receive("q.fifo")[0].handle)
    world.elapse(FIVE_MINUTES - 0.1)
    world.send("q.fifo", "two", group="g", deduplication_id="d")
    assert world.bodies("q.fifo") == []
    world.elapse(0.1)
    world.send("q.fifo", "three", group="g", deduplication_id="d")
    assert world.bodies("q.fifo") == ["three"]


def test_the_interval_counts_from_the_first_send_not_from_its_repetitions(world: World) -> None:
    for _ in range(3):
        world.send("q.fifo", "one", group="g", deduplication_id="d")
        world.elapse(100)
    world.send("q.fifo", "two", group="g", deduplication_id="d")
    assert world.bodies("q.fifo") == ["one", "two"]


def test_the_scope_is_the_queue_or_the_group(world: World) -> None:
    world.create("groups.fifo", DeduplicationScope="messageGroup")
    for queue in ("q.fifo", "groups.fifo"):
        world.send(queue, "a", group="a", deduplication_id="d")
        world.send(queue, "b", group="b", deduplication_id="d")
    assert world.bodies("q.fifo") == ["a"]
    assert world.bodies("groups.fifo") == ["a", "b"]


def test_an_id_can_be_made_from_the_content(world: World) -> None:
    """The SHA-256 of the body, without the attributes; an id of one's own overrides it."""
    world.create("content.fifo", ContentBasedDeduplication="true")
    world.send("content.fifo", "same", group="g")
    world.send("content.fifo", "same", group="g")
    world.send("content.fifo", "same", group="g", deduplication_id="other")
    received = world.receive("content.fifo")
    assert [it.body for it in received] == ["same", "same"]
    assert received[0].deduplication_id == "0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5"


def test_group_and_deduplication_id_are_required(world: World) -> None:
    with refused("MissingParameter", "MessageGroupId"):
        world.send("q.fifo", "x", deduplication_id="d")
    with refused("InvalidParameterValue", "ContentBasedDeduplication"):
        world.send("q.fifo", "x", group="g")


@pytest.mark.parametrize("deduplication_id", ["", "d" * 129, "d d"])
def test_deduplication_ids_are_checked(world: World, deduplication_id: str) -> None:
    with refused("InvalidParameterValue", "MessageDeduplicationId"):
        world.send("q.fifo", "x", group="g", deduplication_id=deduplication_id)


def test_a_purge_forgets_what_was_sent(world: World) -> None:
    world.send("q.fifo", "one", group="g", deduplication_id="d")
    world.model.account.purge("q.fifo")
    world.send("q.fifo", "two", group="g", deduplication_id="d")
    assert world.bodies("q.fifo") == ["two"]


# Attempts ---------------------------------------------------------------------------------------------


def test_a_lost_answer_can_be_asked_for_again(world: World) -> None:
    """R26: the same messages, handles and counts, and the visibility starts anew."""
    world.send_in_group("q.fifo", "1", "2")
    lost = world.receive("q.fifo", attempt_id="try", visibility=30)
    world.elapse(20)
    assert world.receive("q.fifo", attempt_id="try", visibility=30) == lost
    assert world.receive("q.fifo", attempt_id="another") == []
    world.elapse(29)
    assert world.bodies("q.fifo") == []
    world.elapse(1)
    assert world.bodies("q.fifo") == ["1", "2"]


def test_an_attempt_that_found_nothing_can_find_something_later(world: World) -> None:
    assert world.receive("q.fifo", attempt_id="try") == []
    world.send_in_group("q.fifo", "1")
    assert world.bodies("q.fifo", attempt_id="try") == ["1"]


@pytest.mark.parametrize("change", ["delete", "visibility", "expiry", "another receive"])
def test_an_attempt_is_void_once_one_of_its_messages_has_changed(world: World, change: str) -> None:
    world.send_in_group("q.fifo", "1", "2")
    handle = world.receive("q.fifo", attempt_id="try", visibility=30)[0].handle
    match change:
        case "delete":
            world.model.leases.delete("q.fifo", handle)
        case "visibility":
            world.model.leases.change_visibility("q.fifo", handle, 60)
        case "expiry":
            world.elapse(30)
        case "another receive":
            world.elapse(30)
            world.receive("q.fifo")
    with refused("InvalidParameterValue", "not retryable"):
        world.receive("q.fifo", attempt_id="try")


def test_an_attempt_is_forgotten_after_five_minutes(world: World) -> None:
    world.send_in_group("q.fifo", "1", "2")
    world.receive("q.fifo", attempt_id="try", limit=1, visibility=1_000)
    world.elapse(FIVE_MINUTES)
    assert world.receive("q.fifo", attempt_id="try") == []


def test_an_attempt_that_was_throttled_is_void(world: World) -> None:
    """R26: after RequestThrottled a new id is needed."""
    world.model.receiving.throttled("q.fifo", "try")
    with refused("InvalidParameterValue", "not retryable"):
        world.receive("q.fifo", attempt_id="try")


@pytest.mark.parametrize("attempt_id", ["", "a" * 129, "a a"])
def test_attempt_ids_are_checked(world: World, attempt_id: str) -> None:
    with refused("InvalidParameterValue", "ReceiveRequestAttemptId"):
        world.model.receiving.wait_of("q.fifo", ReceiveRequest(attempt_id=attempt_id))
