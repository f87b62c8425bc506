"""Queues in the model: creating, configuring, listing, purging, moving their messages, deleting them."""

from __future__ import annotations

import json

import pytest
from tests.transport.model_world import World, refused


@pytest.fixture
def world() -> World:
    world = World()
    world.create("jobs")
    return world


def attributes(world: World, queue: str, *names: str) -> dict[str, str]:
    return world.model.account.attributes(queue, names or ["All"])


# Creating and deleting --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "a b", "a/b", "é", "a.fifo.b", "q" * 81])
def test_names_of_standard_queues_are_checked(world: World, name: str) -> None:
    with refused("InvalidParameterValue", "1 to 80 in length"):
        world.model.account.create(name, {}, {})


def test_the_ending_fifo_and_the_attribute_go_together(world: World) -> None:
    with refused("InvalidParameterValue"):
        world.model.account.create("a.fifo", {}, {})
    with refused("InvalidParameterValue", "must end with .fifo"):
        world.model.account.create("a", {"FifoQueue": "true"}, {})
    with refused("InvalidParameterValue"):
        world.model.account.create("q" * 76 + ".fifo", {"FifoQueue": "true"}, {})
    world.model.account.create("q" * 75 + ".fifo", {"FifoQueue": "true"}, {})


def test_creating_a_queue_again_gives_the_same_if_its_attributes_are(world: World) -> None:
    queue = world.model.account.create("a", {"DelaySeconds": "5"}, {})
    assert world.model.account.create("a", {"DelaySeconds": "5"}, {}) is queue
    assert world.model.account.create("a", {}, {}) is queue
    with refused("QueueAlreadyExists", "different value for attribute DelaySeconds"):
        world.model.account.create("a", {"DelaySeconds": "6"}, {})


def test_a_deleted_queue_is_gone_with_its_messages(world: World) -> None:
    world.send("jobs", "a")
    world.model.account.delete("jobs")
    with refused("AWS.SimpleQueueService.NonExistentQueue"):
        world.receive("jobs")
    with refused("AWS.SimpleQueueService.NonExistentQueue"):
        world.model.account.delete("jobs")


def test_a_name_is_free_again_a_minute_after_the_deletion(world: World) -> None:
    world.send("jobs", "a")
    handle = world.receive("jobs")[0].handle
    world.model.account.delete("jobs")
    world.elapse(59)
    with refused("AWS.SimpleQueueService.QueueDeletedRecently"):
        world.create("jobs")
    world.elapse(1)
    world.create("jobs")
    assert world.counts("jobs") == (0, 0, 0)
    with refused("ReceiptHandleIsInvalid"):
        world.model.leases.delete("jobs", handle)


def test_queues_are_listed_by_name_prefix_and_page(world: World) -> None:
    for name in ("b2", "b1", "b3", "a"):
        world.create(name)
    account = world.model.account

    def names(**page: object) -> list[str]:
        return [queue.name for queue in account.list_queues(**page).queues]  # type: ignore[arg-type]

    assert names() == ["a", "b1", "b2", "b3", "jobs"]
    assert names(prefix="b") == ["b1", "b2", "b3"]
    first = account.list_queues(prefix="b", limit=2)
    assert [queue.name for queue in first.queues] == ["b1", "b2"]
    second = account.list_queues(prefix="b", limit=2, after=first.next_token)
    assert [queue.name for queue in second.queues] == ["b3"]
    assert second.next_token is None
    with refused("InvalidParameterValue", "MaxResults"):
        account.list_queues(limit=1_001)


# Attributes -------------------------------------------------------------------------------------------


def test_defaults_are_those_of_sqs(world: World) -> None:
    world.create("q.fifo")
    told = attributes(world, "q.fifo")
    assert told.pop("CreatedTimestamp") == told.pop("LastModifiedTimestamp") == "1800001000"
    assert told == {
        "ApproximateNumberOfMessages": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "ContentBasedDeduplication": "false",
        "DeduplicationScope": "queue",
        "DelaySeconds": "0",
        "FifoQueue": "true",
        "FifoThroughputLimit": "perQueue",
        "MaximumMessageSize": "1048576",
        "MessageRetentionPeriod": "345600",
        "QueueArn": "arn:aws:sqs:us-east-1:000000000000:q.fifo",
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true",
        "VisibilityTimeout": "30",
    }
    assert "FifoQueue" not in attributes(world, "jobs")


def test_attributes_are_told_by_name(world: World) -> None:
    assert attributes(world, "jobs", "DelaySeconds", "Policy") == {"DelaySeconds": "0"}
    assert world.model.account.attributes("jobs", []) == {}
    with refused("InvalidAttributeName", "Unknown Attribute Nonsense"):
        attributes(world, "jobs", "Nonsense")


def test_counts_are_exact_here(world: World) -> None:
    for delay in (0, 0, 60):
        world.send("jobs", "x", delay=delay)
    world.receive("jobs", limit=1)
    told = attributes(world, "jobs")
    assert told["ApproximateNumberOfMessages"] == "1"
    assert told["ApproximateNumberOfMessagesNotVisible"] == "1"
    assert told["ApproximateNumberOfMessagesDelayed"] == "1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VisibilityTimeout", "43201"),
        ("VisibilityTimeout", "-1"),
        ("VisibilityTimeout", "soon"),
        ("VisibilityTimeout", ""),
        ("DelaySeconds", "901"),
        ("MaximumMessageSize", "1023"),
        ("MaximumMessageSize", "1048577"),
        ("MessageRetentionPeriod", "59"),
        ("MessageRetentionPeriod", "1209601"),
        ("ReceiveMessageWaitTimeSeconds", "21"),
        ("KmsDataKeyReusePeriodSeconds", "59"),
        ("SqsManagedSseEnabled", "perhaps"),
    ],
)
def test_values_out_of_range_are_refused(world: World, name: str, value: str) -> None:
    with refused("InvalidAttributeValue", name):
        world.model.account.set_attributes("jobs", {name: value})
    with refused("InvalidAttributeValue", name):
        world.create("another", **{name: value})


@pytest.mark.parametrize(
    "name",
    ["Nonsense", "QueueArn", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit", "FifoQueue"],
)
def test_unknown_attributes_and_those_of_fifo_queues_are_refused_on_standard_ones(world: World, name: str) -> None:
    with refused("InvalidAttributeName"):
        world.model.account.set_attributes("jobs", {name: "true"})


def test_the_type_of_a_queue_is_for_ever(world: World) -> None:
    world.create("q.fifo")
    with refused("InvalidAttributeValue", "Modifying queue type is not supported"):
        world.model.account.set_attributes("q.fifo", {"FifoQueue": "true"})


def test_high_throughput_needs_deduplication_by_group(world: World) -> None:
    with refused("InvalidAttributeValue", "FifoThroughputLimit"):
        world.create("a.fifo", FifoThroughputLimit="perMessageGroupId")
    world.create("a.fifo", FifoThroughputLimit="perMessageGroupId", DeduplicationScope="messageGroup")
    with refused("InvalidAttributeValue"):
        world.model.account.set_attributes("a.fifo", {"DeduplicationScope": "queue"})


def test_a_queue_has_one_kind_of_encryption(world: World) -> None:
    account = world.model.account
    with refused("InvalidAttributeName", "one type of server-side encryption"):
        account.set_attributes("jobs", {"KmsMasterKeyId": "key", "SqsManagedSseEnabled": "true"})
    account.set_attributes("jobs", {"KmsMasterKeyId": "key"})
    told = attributes(world, "jobs")
    assert (told["SqsManagedSseEnabled"], told["KmsDataKeyReusePeriodSeconds"]) == ("false", "300")
    account.set_attributes("jobs", {"SqsManagedSseEnabled": "true"})
    told = attributes(world, "jobs")
    assert told["SqsManagedSseEnabled"] == "true"
    assert "KmsMasterKeyId" not in told
    assert "KmsDataKeyReusePeriodSeconds" not in told


def test_a_change_is_dated(world: World) -> None:
    world.elapse(5)
    world.model.account.set_attributes("jobs", {"DelaySeconds": "1"})
    assert attributes(world, "jobs")["LastModifiedTimestamp"] == "1800001005"


def test_permissions_are_statements_of_the_policy(world: World) -> None:
    account = world.model.account
    account.add_permission("jobs", "readers", ["111122223333"], ["ReceiveMessage"])
    statement = json.loads(attributes(world, "jobs")["Policy"])["Statement"][0]
    assert statement["Principal"] == {"AWS": "arn:aws:iam::111122223333:root"}
    assert statement["Action"] == ["SQS:ReceiveMessage"]
    with refused("InvalidParameterValue", "Already exists"):
        account.add_permission("jobs", "readers", ["111122223333"], ["ReceiveMessage"])
    account.remove_permission("jobs", "readers")
    assert "Policy" not in attributes(world, "jobs")
    with refused("InvalidParameterValue", "can't find label"):
        account.remove_permission("jobs", "readers")


# Dead-letter queues -----------------------------------------------------------------------------------


def test_a_redrive_policy_names_a_queue_of_the_same_type_that_exists(world: World) -> None:
    world.create("dead.fifo")
    for arn, reason in [("nonsense", "does not exist"), (world.model.account.arn_of("dead.fifo"), "same type")]:
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
        with refused("InvalidParameterValue", reason):
            world.model.account.set_attributes("jobs", {"RedrivePolicy": policy})


@pytest.mark.parametrize(
    "policy",
    [
        "nonsense",
        "[]",
        "{}",
        '{"maxReceiveCount": 1}',
        '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:jobs"}',
        '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:jobs", "maxReceiveCount": 0}',
        '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:jobs", "maxReceiveCount": 1001}',
        '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:jobs", "maxReceiveCount": "many"}',
    ],
)
def test_redrive_policies_are_checked(world: World, policy: str) -> None:
    with refused("InvalidParameterValue", "RedrivePolicy"):
        world.create("work", RedrivePolicy=policy)


def test_a_redrive_policy_is_told_and_can_be_taken_away(world: World) -> None:
    world.create_with_dead_letter_queue("work", "dead", max_receive_count=3)
    told = json.loads(attributes(world, "work")["RedrivePolicy"])
    assert told == {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead", "maxReceiveCount": 3}
    world.model.account.set_attributes("work", {"RedrivePolicy": ""})
    assert "RedrivePolicy" not in attributes(world, "work")


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [
        ({"redrivePermission": "allowAll"}, True),
        ({"redrivePermission": "denyAll"}, False),
        ({"redrivePermission": "byQueue", "sourceQueueArns": ["arn:aws:sqs:us-east-1:000000000000:work"]}, True),
        ({"redrivePermission": "byQueue", "sourceQueueArns": ["arn:aws:sqs:us-east-1:000000000000:other"]}, False),
    ],
)
def test_a_dead_letter_queue_says_whose_it_is(world: World, policy: dict[str, object], allowed: bool) -> None:
    world.create("dead", RedriveAllowPolicy=json.dumps(policy))
    if allowed:
        world.create_with_dead_letter_queue("work", "dead", max_receive_count=1)
    else:
        with refused("InvalidParameterValue", "does not allow"):
            world.create_with_dead_letter_queue("work", "dead", max_receive_count=1)


@pytest.mark.parametrize(
    "policy",
    [
        "nonsense",
        '{"redrivePermission": "perhaps"}',
        '{"redrivePermission": "byQueue"}',
        '{"redrivePermission": "byQueue", "sourceQueueArns": []}',
        '{"redrivePermission": "denyAll", "sourceQueueArns": ["a"]}',
    ],
)
def test_redrive_allow_policies_are_checked(world: World, policy: str) -> None:
    with refused("InvalidParameterValue", "RedriveAllowPolicy"):
        world.create("dead", RedriveAllowPolicy=policy)


def test_the_sources_of_a_dead_letter_queue_are_listed(world: World) -> None:
    world.create_with_dead_letter_queue("b", "dead", max_receive_count=1)
    world.create_with_dead_letter_queue("a", "dead", max_receive_count=1)
    assert [queue.name for queue in world.model.account.sources_of("dead").queues] == ["a", "b"]
    assert world.model.account.sources_of("a").queues == ()


# Purging ----------------------------------------------------------------------------------------------


def test_a_purge_takes_everything_delayed_and_in_flight_too(world: World) -> None:
    world.send("jobs", "in flight")
    handle = world.receive("jobs", visibility=5)[0].handle
    world.send("jobs", "visible")
    world.send("jobs", "delayed", delay=5)
    world.model.account.purge("jobs")
    assert world.counts("jobs") == (0, 0, 0)
    world.send("jobs", "after")
    world.elapse(10)
    assert world.bodies("jobs") == ["after"]
    world.model.leases.delete("jobs", handle)


def test_a_purge_is_possible_once_a_minute(world: World) -> None:
    world.model.account.purge("jobs")
    world.elapse(59)
    with refused("AWS.SimpleQueueService.PurgeQueueInProgress", "jobs"):
        world.model.account.purge("jobs")
    world.elapse(1)
    world.model.account.purge("jobs")


# Moving -----------------------------------------------------------------------------------------------


def dead_lettered(world: World, *bodies: str, queue: str = "work", dead_letter_queue: str = "dead") -> tuple[str, str]:
    """Leave messages in the dead-letter queue; return its ARN and that of the queue."""
    world.create_with_dead_letter_queue(queue, dead_letter_queue, max_receive_count=1)
    for body in bodies:
        world.send(queue, body)
    world.receive(queue, visibility=0)
    world.receive(queue)
    account = world.model.account
    return account.arn_of(dead_letter_queue), account.arn_of(queue)


def test_dead_letters_go_back_where_they_came_from_as_new_messages(world: World) -> None:
    dead_arn, _ = dead_lettered(world, "a", "b")
    before = {message.message_id for message in world.receive("dead", visibility=0)}
    world.elapse(10)
    task = world.model.moves.start(dead_arn)
    assert (task.status, task.moved, task.to_move) == ("COMPLETED", 2, 2)
    back = world.receive("work")
    assert [message.body for message in back] == ["a", "b"]
    assert [message.receive_count for message in back] == [1, 1]
    assert not before & {message.message_id for message in back}
    assert {message.sent_wall for message in back} == {int(world.clock.wall() * 1000)}
    assert {message.source_arn for message in back} == {None}


def test_dead_letters_can_go_to_another_queue(world: World) -> None:
    dead_arn, _ = dead_lettered(world, "a")
    world.model.moves.start(dead_arn, world.model.account.arn_of("jobs"))
    assert world.bodies("jobs") == ["a"]


def test_what_is_in_flight_stays(world: World) -> None:
    dead_arn, _ = dead_lettered(world, "a", "b")
    world.receive("dead", limit=1)
    assert world.model.moves.start(dead_arn).moved == 1
    assert world.counts("dead") == (0, 1, 0)


def test_a_message_that_came_from_nowhere_ends_the_task(world: World) -> None:
    """It was sent to the dead-letter queue by a client, so there is no source to go back to."""
    dead_arn, work_arn = dead_lettered(world, "a")
    world.send("dead", "b")
    task = world.model.moves.start(dead_arn)
    assert (task.status, task.moved, task.failure) == ("FAILED", 1, "CouldNotDetermineMessageSource")
    assert world.model.moves.start(dead_arn, work_arn).moved == 1
    latest, first = world.model.moves.tasks(dead_arn, 10)
    assert (latest.status, first.status) == ("COMPLETED", "FAILED")


def test_fifo_dead_letters_keep_their_group(world: World) -> None:
    world.create_with_dead_letter_queue("work.fifo", "dead.fifo", max_receive_count=1)
    world.send_in_group("work.fifo", "1", "2", group="a")
    world.receive("work.fifo", visibility=0)
    assert world.bodies("work.fifo") == []
    world.model.moves.start(world.model.account.arn_of("dead.fifo"))
    assert [(it.body, it.group) for it in world.receive("work.fifo")] == [("1", "a"), ("2", "a")]


def test_moves_are_checked(world: World) -> None:
    dead_arn, work_arn = dead_lettered(world)
    world.create("other.fifo")
    moves = world.model.moves
    with refused("InvalidParameterValue", "must be configured as a Dead Letter Queue"):
        moves.start(work_arn)
    with refused("ResourceNotFoundException", "SourceArn"):
        moves.start("arn:aws:sqs:us-east-1:000000000000:nowhere")
    with refused("ResourceNotFoundException", "DestinationArn"):
        moves.start(dead_arn, "arn:aws:sqs:us-east-1:000000000000:nowhere")
    with refused("InvalidParameterValue", "same type"):
        moves.start(dead_arn, world.model.account.arn_of("other.fifo"))
    with refused("InvalidParameterValue", "MaxNumberOfMessagesPerSecond"):
        moves.start(dead_arn, rate=501)
    with refused("InvalidParameterValue", "MaxResults"):
        moves.tasks(dead_arn, 11)


def test_a_task_that_has_ended_cannot_be_cancelled(world: World) -> None:
    dead_arn, _ = dead_lettered(world)
    handle = world.model.moves.start(dead_arn).handle
    with refused("ResourceNotFoundException", "Task does not exist"):
        world.model.moves.cancel(handle)
    with refused("InvalidParameterValue", "TaskHandle"):
        world.model.moves.cancel("garbage")
