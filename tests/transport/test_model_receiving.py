"""ReceiveMessage in the model: visibility, counts, delays, redrive, limits, retention."""

from __future__ import annotations

import pytest
from tests.transport.model_world import World, refused

from sqsjobs.transport.model import ReceiveRequest


@pytest.fixture
def world() -> World:
    world = World()
    world.create("jobs")
    return world


def test_a_received_message_is_hidden_until_its_visibility_ends(world: World) -> None:
    world.send("jobs", "a")
    assert world.bodies("jobs", visibility=10) == ["a"]
    assert world.counts("jobs") == (0, 1, 0)
    world.elapse(9.9)
    assert world.bodies("jobs") == []
    world.elapse(0.1)
    assert world.bodies("jobs") == ["a"]


def test_the_queues_own_visibility_is_the_default(world: World) -> None:
    world.create("slow", VisibilityTimeout="100")
    world.send("slow", "a")
    world.receive("slow")
    world.elapse(99)
    assert world.bodies("slow") == []
    world.elapse(1)
    assert world.bodies("slow") == ["a"]


def test_a_receive_with_visibility_0_hides_nothing_and_gives_each_message_once(world: World) -> None:
    """R24: one message is not twice in one answer."""
    for body in "abc":
        world.send("jobs", body)
    assert sorted(world.bodies("jobs", visibility=0)) == ["a", "b", "c"]
    assert sorted(world.bodies("jobs", visibility=0)) == ["a", "b", "c"]


def test_counts_and_timestamps_tell_of_every_receive(world: World) -> None:
    world.send("jobs", "a")
    sent = int(world.clock.wall() * 1000)
    world.elapse(5)
    first = world.receive("jobs", visibility=10)[0]
    world.elapse(20)
    second = world.receive("jobs", visibility=10)[0]
    assert [first.receive_count, second.receive_count] == [1, 2]
    assert first.message_id == second.message_id
    assert first.handle != second.handle
    assert first.sent_wall == second.sent_wall == sent
    assert first.first_received_wall == second.first_received_wall == sent + 5_000


def test_at_most_the_limit_is_given(world: World) -> None:
    for n in range(12):
        world.send("jobs", str(n))
    assert world.bodies("jobs", limit=1) == ["0"]
    assert len(world.receive("jobs", limit=10)) == 10
    assert world.bodies("jobs", limit=10) == ["11"]


def test_a_delayed_message_comes_when_it_is_due(world: World) -> None:
    world.send("jobs", "later", delay=60)
    assert world.counts("jobs") == (0, 0, 1)
    assert world.bodies("jobs") == []
    world.elapse(60)
    assert world.counts("jobs") == (1, 0, 0)
    assert world.bodies("jobs") == ["later"]


def test_a_queues_delay_holds_unless_the_message_has_its_own(world: World) -> None:
    world.create("slow", DelaySeconds="10")
    world.send("slow", "as the queue says")
    world.send("slow", "at once", delay=0)
    world.send("slow", "soon", delay=2)
    assert world.bodies("slow") == ["at once"]
    world.elapse(2)
    assert world.bodies("slow") == ["soon"]
    world.elapse(8)
    assert world.bodies("slow") == ["as the queue says"]


@pytest.mark.parametrize(
    ("request_", "parameter"),
    [
        (ReceiveRequest(limit=0), "MaxNumberOfMessages"),
        (ReceiveRequest(limit=11), "MaxNumberOfMessages"),
        (ReceiveRequest(wait=21), "WaitTimeSeconds"),
        (ReceiveRequest(wait=-1), "WaitTimeSeconds"),
        (ReceiveRequest(visibility=43_201), "VisibilityTimeout"),
        (ReceiveRequest(visibility=-1), "VisibilityTimeout"),
        (ReceiveRequest(attempt_id="a"), "ReceiveRequestAttemptId"),
    ],
)
def test_what_cannot_be_asked_is_refused(world: World, request_: ReceiveRequest, parameter: str) -> None:
    with refused("InvalidParameterValue", parameter):
        world.model.receiving.wait_of("jobs", request_)


def test_the_queues_own_wait_is_the_default(world: World) -> None:
    world.create("patient", ReceiveMessageWaitTimeSeconds="7")
    assert world.model.receiving.wait_of("patient", ReceiveRequest()) == 7
    assert world.model.receiving.wait_of("patient", ReceiveRequest(wait=0)) == 0


# Redrive ----------------------------------------------------------------------------------------------


def test_the_receive_beyond_the_limit_moves_the_message_to_the_dead_letter_queue(world: World) -> None:
    """Not before it: a message that was received maxReceiveCount times waits for the next receive."""
    world.create_with_dead_letter_queue("work", "dead", max_receive_count=2)
    sent = world.send("work", "a")
    for _ in range(2):
        assert world.bodies("work", visibility=1) == ["a"]
        world.elapse(1)
    assert world.counts("dead") == (0, 0, 0)
    assert world.bodies("work") == []
    dead = world.receive("dead")[0]
    assert dead.message_id == sent.message_id
    assert dead.source_arn == world.model.account.arn_of("work")
    assert dead.receive_count == 3


def test_a_receive_goes_on_behind_dead_letters(world: World) -> None:
    world.create_with_dead_letter_queue("work", "dead", max_receive_count=1)
    for n in range(30):
        world.send("work", f"dead {n}")
    for _ in range(3):
        world.receive("work", visibility=1)
    world.elapse(1)
    world.send("work", "alive")
    assert world.bodies("work") == ["alive"]
    assert world.counts("dead") == (30, 0, 0)


def test_a_standard_dead_letter_keeps_its_age(world: World) -> None:
    """The dead-letter queue's retention counts from the first send."""
    world.create_with_dead_letter_queue("work", "dead", max_receive_count=1)
    world.model.account.set_attributes("dead", {"MessageRetentionPeriod": "100"})
    world.send("work", "a")
    world.receive("work", visibility=90)
    world.elapse(90)
    assert world.bodies("work") == []
    assert world.counts("dead") == (1, 0, 0)
    world.elapse(10)
    assert world.counts("dead") == (0, 0, 0)


def test_without_a_dead_letter_queue_a_message_comes_again_and_again(world: World) -> None:
    world.create_with_dead_letter_queue("work", "dead", max_receive_count=1)
    world.model.account.delete("dead")
    world.send("work", "a")
    for _ in range(5):
        assert world.bodies("work", visibility=0) == ["a"]


# Limits and time --------------------------------------------------------------------------------------


def test_at_the_in_flight_limit_short_polls_are_refused_and_long_ones_get_nothing() -> None:
    """R62."""
    world = World(max_in_flight=3)
    world.create("jobs")
    for n in range(5):
        world.send("jobs", str(n))
    assert len(world.receive("jobs")) == 3
    with refused("OverLimit"):
        world.receive("jobs", wait=0)
    assert world.receive("jobs", wait=5) == []
    world.elapse(30)
    assert len(world.receive("jobs", wait=0)) == 3


def test_delayed_messages_are_not_in_flight() -> None:
    world = World(max_in_flight=1)
    world.create("jobs")
    world.send("jobs", "later", delay=60)
    world.send("jobs", "now")
    assert world.bodies("jobs", wait=0) == ["now"]


def test_a_message_past_retention_is_gone_wherever_it_is(world: World) -> None:
    """R46: visible, in flight or delayed."""
    world.create("short", MessageRetentionPeriod="60")
    world.send("short", "in flight")
    world.receive("short", visibility=1_000)
    world.send("short", "visible")
    world.send("short", "delayed", delay=900)
    assert world.counts("short") == (1, 1, 1)
    world.elapse(60)
    assert world.counts("short") == (0, 0, 0)
    world.elapse(1_000)
    assert world.bodies("short") == []


def test_a_shorter_retention_reaches_messages_that_are_there_already(world: World) -> None:
    world.send("jobs", "a")
    world.elapse(100)
    world.model.account.set_attributes("jobs", {"MessageRetentionPeriod": "60"})
    assert world.counts("jobs") == (0, 0, 0)


def test_everything_happens_in_the_order_of_time(world: World) -> None:
    """Messages that became due while nobody looked come in the order in which they became due."""
    world.send("jobs", "third", delay=30)
    world.send("jobs", "first", delay=10)
    world.send("jobs", "second", delay=20)
    world.elapse(100)
    assert world.bodies("jobs") == ["first", "second", "third"]


def test_the_same_seed_gives_the_same_ids() -> None:
    def ids() -> list[str]:
        world = World()
        world.create("jobs")
        return [world.send("jobs", "x").message_id for _ in range(3)]

    assert ids() == ids()
    assert len(set(ids())) == 3
