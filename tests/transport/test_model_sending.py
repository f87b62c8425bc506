"""SendMessage and SendMessageBatch in the model: what is taken, what is refused, and with which code."""

from __future__ import annotations

import pytest
from tests.transport.model_world import World, refused

from sqsjobs.transport.model import AttributeValue, Fault, NewMessage, Refusal, SentMessage

MIB = 1_048_576


@pytest.fixture
def world() -> World:
    world = World()
    world.create("jobs")
    world.create("jobs.fifo")
    return world


def text(value: str, data_type: str = "String") -> AttributeValue:
    return AttributeValue(data_type, value)


def batch(world: World, *messages: NewMessage, queue: str = "jobs", fault: Fault | None = None):
    entries = [(str(position), message) for position, message in enumerate(messages)]
    return world.model.sending.send_batch(queue, entries, fault or Fault())


def test_the_limit_is_a_mebibyte_of_bytes_not_of_characters(world: World) -> None:
    """R30: the size is that of the UTF-8 text."""
    world.send("jobs", "é" * (MIB // 2))
    with refused("InvalidParameterValue", "shorter than 1048576 bytes"):
        world.send("jobs", "é" * (MIB // 2) + "x")


def test_attributes_count_with_name_type_and_value(world: World) -> None:
    """R30: an attribute ``n`` of type String with a value of 10 bytes takes 17."""
    attributes = {"n": text("v" * 10)}
    world.send("jobs", "x" * (MIB - 17), attributes=attributes)
    with refused("InvalidParameterValue"):
        world.send("jobs", "x" * (MIB - 16), attributes=attributes)


def test_a_queue_can_have_a_lower_limit(world: World) -> None:
    world.create("small", MaximumMessageSize="1024")
    world.send("small", "x" * 1024)
    with refused("InvalidParameterValue", "shorter than 1024 bytes"):
        world.send("small", "x" * 1025)


@pytest.mark.parametrize("body", ["\x00", "a\x01b", "\x0b", "\x1f", "\ufffe", "\uffff", "\ud800"])
def test_characters_outside_xml_are_refused(world: World, body: str) -> None:
    """R31."""
    with refused("InvalidMessageContents"):
        world.send("jobs", body)


@pytest.mark.parametrize(
    "body", ["\t\n\r", " ", "\x7f", "\x85", "\ud7ff", "\ue000", "\ufffd", "\U00010000", "\U0010ffff"]
)
def test_characters_of_xml_are_taken_as_they_are(world: World, body: str) -> None:
    world.send("jobs", body)
    assert world.bodies("jobs") == [body]


def test_an_empty_body_is_a_missing_parameter(world: World) -> None:
    with refused("MissingParameter", "MessageBody"):
        world.send("jobs", "")


@pytest.mark.parametrize("delay", [-1, 901])
def test_a_delay_is_at_most_a_quarter_of_an_hour(world: World, delay: int) -> None:
    with refused("InvalidParameterValue", "DelaySeconds"):
        world.send("jobs", "x", delay=delay)
    assert world.counts("jobs") == (0, 0, 0)


def test_a_queue_that_does_not_exist_is_said_so(world: World) -> None:
    with refused("AWS.SimpleQueueService.NonExistentQueue"):
        world.send("nowhere", "x")


def test_ten_attributes_are_taken_and_eleven_refused(world: World) -> None:
    attributes = {f"a{n}": text("v") for n in range(10)}
    world.send("jobs", "x", attributes=attributes)
    assert world.receive("jobs")[0].attributes == attributes
    with refused("InvalidParameterValue", "[11]"):
        world.send("jobs", "x", attributes={**attributes, "a10": text("v")})


@pytest.mark.parametrize("name", ["", "a b", "é", "AWS.x", "aws.x", "Amazon.x", ".a", "a.", "a..b", "n" * 257, "a/b"])
def test_attribute_names_are_checked(world: World, name: str) -> None:
    with refused("InvalidParameterValue"):
        world.send("jobs", "x", attributes={name: text("v")})


@pytest.mark.parametrize("name", ["a", "A-b_c.9", "n" * 256, "awsome"])
def test_proper_attribute_names_are_taken(world: World, name: str) -> None:
    world.send("jobs", "x", attributes={name: text("v")})


@pytest.mark.parametrize(
    "attribute",
    [
        text(""),
        text("v", "Text"),
        text("v", ""),
        text("v", "String."),
        text("v", "String." + "t" * 260),
        text("\x00"),
        text("ten", "Number"),
        text("v", "Binary"),
        AttributeValue("String", b"v"),
        AttributeValue("Binary", b""),
    ],
)
def test_attribute_values_are_checked(world: World, attribute: AttributeValue) -> None:
    with refused("InvalidParameterValue"):
        world.send("jobs", "x", attributes={"a": attribute})


@pytest.mark.parametrize(
    "attribute",
    [
        text("-1.5e3", "Number"),
        text("v", "String.custom"),
        AttributeValue("Binary.png", b"\x00"),
        text("9", "Number.int"),
    ],
)
def test_proper_attribute_values_are_taken(world: World, attribute: AttributeValue) -> None:
    world.send("jobs", "x", attributes={"a": attribute})


def test_a_group_on_a_standard_queue_is_the_fair_queue_tenant(world: World) -> None:
    world.send("jobs", "x", group="tenant-1")
    assert world.receive("jobs")[0].group == "tenant-1"


@pytest.mark.parametrize("group", ["", "g" * 129, "group 1", "gröup"])
def test_group_ids_are_checked(world: World, group: str) -> None:
    with refused("InvalidParameterValue", "MessageGroupId"):
        world.send("jobs", "x", group=group)


def test_a_deduplication_id_is_not_for_standard_queues(world: World) -> None:
    with refused("InvalidParameterValue", "not valid for this queue type"):
        world.send("jobs", "x", deduplication_id="d")


# Batches ----------------------------------------------------------------------------------------------


def test_a_batch_takes_what_it_can_and_refuses_the_rest_entry_by_entry(world: World) -> None:
    """R29: a 200 with a list of failures."""
    results = batch(
        world, NewMessage("good"), NewMessage("late", delay=901), NewMessage("\x00"), NewMessage(""), NewMessage("too")
    )
    assert [type(result) for result in results] == [SentMessage, Refusal, Refusal, Refusal, SentMessage]
    assert [r.code for r in results if isinstance(r, Refusal)] == [
        "InvalidParameterValue",
        "InvalidMessageContents",
        "MissingParameter",
    ]
    assert all(result.sender_fault for result in results if isinstance(result, Refusal))
    assert world.bodies("jobs") == ["good", "too"]


def test_a_batch_has_one_to_ten_entries(world: World) -> None:
    with refused("AWS.SimpleQueueService.EmptyBatchRequest"):
        batch(world)
    with refused("AWS.SimpleQueueService.TooManyEntriesInBatchRequest", "You have sent 11"):
        batch(world, *[NewMessage("x")] * 11)
    assert len(batch(world, *[NewMessage("x")] * 10)) == 10


@pytest.mark.parametrize("entry_id", ["", "a b", "a.b", "é", "i" * 81])
def test_entry_ids_are_checked(world: World, entry_id: str) -> None:
    with refused("AWS.SimpleQueueService.InvalidBatchEntryId"):
        world.model.sending.send_batch("jobs", [(entry_id, NewMessage("x"))])


def test_entry_ids_are_distinct(world: World) -> None:
    with refused("AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "Id same repeated"):
        world.model.sending.send_batch("jobs", [("same", NewMessage("x")), ("same", NewMessage("y"))])
    assert world.counts("jobs") == (0, 0, 0)


def test_a_batch_is_a_mebibyte_in_all(world: World) -> None:
    """R30."""
    half = NewMessage("x" * (MIB // 2))
    assert len(batch(world, half, half)) == 2
    with refused("AWS.SimpleQueueService.BatchRequestTooLong", "You have sent 1048577 bytes"):
        batch(world, half, NewMessage("x" * (MIB // 2 + 1)))


def test_a_fifo_batch_without_ids_is_refused_as_a_whole(world: World) -> None:
    with refused("InvalidParameterValue", "MessageGroupId"):
        batch(world, NewMessage("x", deduplication_id="d"), queue="jobs.fifo")
    with refused("InvalidParameterValue", "ContentBasedDeduplication"):
        batch(world, NewMessage("x", group="g"), queue="jobs.fifo")


def test_a_fault_can_refuse_single_entries(world: World) -> None:
    """The others are carried out: a partial failure that is not the sender's fault."""
    broken = Refusal("InternalFailure", "We encountered an internal error. Please try again.")
    results = batch(world, NewMessage("a"), NewMessage("b"), NewMessage("c"), fault=Fault(entries={1: broken}))
    assert results[1] is broken
    assert not broken.sender_fault
    assert world.bodies("jobs") == ["a", "c"]
