"""What has to change at SQS so that a queue is as it should be: decided on attributes alone."""

from __future__ import annotations

import json

import pytest

from sqsjobs.errors import ConfigurationError
from sqsjobs.transport.provision import (
    AcceptDeadLetters,
    Change,
    CreateQueue,
    QueueSpec,
    RequireTls,
    SendDeadLetters,
    SetAttribute,
    attribute_set_by,
    plan_queue,
    queues_mentioned,
)

SPEC = QueueSpec("jobs", retention=86_400)


def arn(queue: str) -> str:
    return f"arn:aws:sqs:eu-west-1:123456789012:{queue}"


def carried_out(changes: list[Change], queue: str, attributes: dict[str, str]) -> dict[str, str]:
    """Return the attributes of `queue` as they are after `changes`."""
    after = dict(attributes)
    for change in changes:
        if change.queue != queue:
            continue
        if isinstance(change, CreateQueue):
            after.update(change.attributes)
        else:
            after.update([attribute_set_by(change, {name: arn(name) for name in queues_mentioned(change)})])
    return after


@pytest.mark.parametrize("name", ["jobs", "jobs.fifo"])
def test_a_new_queue_is_created_with_its_dead_letter_queue_and_needs_nothing_afterwards(name: str) -> None:
    spec = QueueSpec(name)
    changes = plan_queue(spec, None, None)

    queue = carried_out(changes, name, {})
    dead_letters = carried_out(changes, spec.dead_letter_queue, {})

    assert plan_queue(spec, queue, dead_letters) == []
    assert json.loads(queue["RedrivePolicy"]) == {
        "deadLetterTargetArn": arn(spec.dead_letter_queue),
        "maxReceiveCount": 100,
    }
    assert json.loads(dead_letters["RedriveAllowPolicy"]) == {
        "redrivePermission": "byQueue",
        "sourceQueueArns": [arn(name)],
    }
    assert dead_letters["MessageRetentionPeriod"] == "1209600"
    for attributes in (queue, dead_letters):
        assert attributes["SqsManagedSseEnabled"] == "true"
        assert attributes.get("FifoQueue") == ("true" if name.endswith(".fifo") else None)


def test_the_dead_letter_queue_is_there_and_accepts_before_it_is_named() -> None:
    """In another order SQS refuses the redrive policy."""
    steps = [(type(change), change.queue) for change in plan_queue(SPEC, None, None)]

    accept, send = steps.index((AcceptDeadLetters, "jobs-dlq")), steps.index((SendDeadLetters, "jobs"))
    assert steps.index((CreateQueue, "jobs-dlq")) < steps.index((CreateQueue, "jobs")) < accept < send


def test_only_what_differs_is_changed() -> None:
    changes = plan_queue(SPEC, None, None)
    queue = carried_out(changes, "jobs", {}) | {"VisibilityTimeout": "30"}
    dead_letters = carried_out(changes, "jobs-dlq", {})

    assert plan_queue(SPEC, queue, dead_letters) == [SetAttribute("jobs", "VisibilityTimeout", "30", "60")]


def test_a_retention_that_nobody_asked_for_is_left_alone() -> None:
    changes = plan_queue(QueueSpec("jobs"), {"MessageRetentionPeriod": "1209600"}, None)

    assert not any(isinstance(change, SetAttribute) and "Retention" in change.attribute for change in changes)


def test_a_kms_key_is_not_taken_away() -> None:
    changes = plan_queue(SPEC, {"KmsMasterKeyId": "alias/mine", "SqsManagedSseEnabled": "false"}, None)

    assert not any(isinstance(change, SetAttribute) and "Sse" in change.attribute for change in changes)


def test_other_statements_of_a_policy_stay() -> None:
    """S8: what a person allowed goes on being allowed, over TLS."""
    theirs = {"Sid": "S3", "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage"}
    old = json.dumps({"Version": "2012-10-17", "Statement": theirs})

    _, policy = attribute_set_by(RequireTls("jobs", old), {"jobs": arn("jobs")})

    assert json.loads(policy)["Statement"] == [
        theirs,
        {
            "Sid": "SqsjobsTlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sqs:*",
            "Resource": arn("jobs"),
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    ]


def test_a_policy_that_refuses_plaintext_already_is_left_alone() -> None:
    theirs = {"Sid": "Mine", "Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    policy = json.dumps({"Statement": [theirs]})

    assert RequireTls("jobs", policy) not in plan_queue(SPEC, {"Policy": policy}, None)


def test_other_sources_of_a_shared_dead_letter_queue_stay() -> None:
    old = json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": [arn("other")]})
    change = AcceptDeadLetters("jobs-dlq", "jobs", old)

    assert change in plan_queue(SPEC, None, {"RedriveAllowPolicy": old})
    _, policy = attribute_set_by(change, {"jobs": arn("jobs")})
    assert json.loads(policy)["sourceQueueArns"] == [arn("other"), arn("jobs")]


@pytest.mark.parametrize(
    "policy",
    [
        {"deadLetterTargetArn": arn("elsewhere"), "maxReceiveCount": 100},
        {"deadLetterTargetArn": arn("jobs-dlq"), "maxReceiveCount": 3},
    ],
)
def test_another_redrive_policy_is_replaced_and_shown(policy: dict[str, object]) -> None:
    old = json.dumps(policy)
    change = SendDeadLetters("jobs", "jobs-dlq", 100, old)

    assert change in plan_queue(SPEC, {"RedrivePolicy": old}, None)
    assert old in str(change)


def test_a_count_that_aws_tells_as_text_is_the_same_count() -> None:
    old = json.dumps({"deadLetterTargetArn": arn("jobs-dlq"), "maxReceiveCount": "100"})

    assert not any(isinstance(change, SendDeadLetters) for change in plan_queue(SPEC, {"RedrivePolicy": old}, None))


def test_changes_are_lines_for_people() -> None:
    lines = [str(change) for change in plan_queue(SPEC, None, None)]

    assert lines == [
        "jobs-dlq: create (SqsManagedSseEnabled=true, MessageRetentionPeriod=1209600)",
        "jobs: create (SqsManagedSseEnabled=true, VisibilityTimeout=60, MessageRetentionPeriod=86400)",
        "jobs-dlq: RedriveAllowPolicy unset -> byQueue, from jobs",
        "jobs: RedrivePolicy unset -> to jobs-dlq after 100 receives",
        "jobs-dlq: Policy refuses requests without TLS",
        "jobs: Policy refuses requests without TLS",
    ]
    assert str(SetAttribute("jobs", "VisibilityTimeout", "30", "60")) == "jobs: VisibilityTimeout 30 -> 60"


@pytest.mark.parametrize(
    "option",
    [{"max_receive_count": 0}, {"max_receive_count": 1001}, {"visibility": 43_201}, {"retention": 59},
     {"dead_letter_retention": 1_209_601}],
)  # fmt: skip
def test_numbers_that_sqs_does_not_take_are_refused(option: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(option))):
        QueueSpec("jobs", **option)
