"""Policies of queues, judged by an evaluator of our own: moto enforces none."""

from __future__ import annotations

from typing import Any

import pytest
from tests.access.evaluator import Request, allows, denies

from sqsjobs.access.estate import queue_pair
from sqsjobs.access.place import Place
from sqsjobs.access.policies import Sources, queue_attributes
from sqsjobs.errors import ConfigurationError

PLACE = Place("111122223333", "eu-west-1")
IMAGES = "arn:aws:sqs:eu-west-1:111122223333:images"
DEAD = f"{IMAGES}-dlq"
WEB = "arn:aws:iam::444455556666:role/web"
WORK = "arn:aws:iam::444455556666:role/work"
TOPIC = "arn:aws:sns:eu-west-1:444455556666:uploads"
TLS = {"aws:SecureTransport": "true"}

SOURCES = Sources({"producer": [WEB], "worker": [WORK]}, services=[TOPIC, "arn:aws:s3:::pictures"])


def policies(sources: Sources = SOURCES) -> tuple[dict[str, Any], dict[str, Any]]:
    attributes = queue_attributes(queue_pair("images", PLACE), PLACE, sources)
    return attributes["images"]["Policy"], attributes["images-dlq"]["Policy"]


def test_without_tls_nobody_gets_in():
    """S8: neither who is named nor who is not, for no action."""
    for policy, arn in zip(policies(), (IMAGES, DEAD), strict=True):
        for who in (WEB, WORK, "sns.amazonaws.com", "anybody"):
            for action in ("sqs:SendMessage", "sqs:ReceiveMessage", "sqs:SetQueueAttributes"):
                assert denies(policy, Request(who, action, arn, {"aws:SecureTransport": "false"}))


def test_who_is_named_does_what_its_role_does():
    """S8: named principals, each with the rights of its role."""
    queue, dead = policies()
    assert allows(queue, Request(WEB, "sqs:SendMessage", IMAGES, TLS))
    assert allows(queue, Request(WORK, "sqs:ReceiveMessage", IMAGES, TLS))
    assert allows(dead, Request(WORK, "sqs:SendMessage", DEAD, TLS))
    assert not allows(queue, Request(WEB, "sqs:ReceiveMessage", IMAGES, TLS))
    assert not allows(dead, Request(WEB, "sqs:SendMessage", DEAD, TLS))
    assert not allows(dead, Request(WORK, "sqs:ReceiveMessage", DEAD, TLS))


@pytest.mark.parametrize("action", ["sqs:SendMessage", "sqs:ReceiveMessage", "sqs:PurgeQueue", "sqs:DeleteQueue"])
def test_a_queue_is_not_public(action):
    """S8: who is not named is not let in."""
    for policy, arn in zip(policies(), (IMAGES, DEAD), strict=True):
        assert not allows(policy, Request("arn:aws:iam::999999999999:role/stranger", action, arn, TLS))


def test_a_service_sends_for_its_source_alone():
    """S8: the confused deputy: the same service, asked by somebody else's topic, sends nothing."""
    queue, _ = policies()
    ours = TLS | {"aws:SourceArn": TOPIC, "aws:SourceAccount": "444455556666"}
    theirs = ours | {"aws:SourceArn": TOPIC.replace("uploads", "evil")}
    assert allows(queue, Request("sns.amazonaws.com", "sqs:SendMessage", IMAGES, ours))
    assert not allows(queue, Request("sns.amazonaws.com", "sqs:SendMessage", IMAGES, theirs))
    assert not allows(queue, Request("sns.amazonaws.com", "sqs:SendMessage", IMAGES, TLS))
    assert not allows(queue, Request("sns.amazonaws.com", "sqs:ReceiveMessage", IMAGES, ours))


def test_a_bucket_is_bound_to_its_account():
    """S8: an S3 ARN names no account, and a bucket's name can be taken over; so the account is asked for as well."""
    queue, _ = policies()
    bucket = TLS | {"aws:SourceArn": "arn:aws:s3:::pictures", "aws:SourceAccount": "111122223333"}
    assert allows(queue, Request("s3.amazonaws.com", "sqs:SendMessage", IMAGES, bucket))
    taken_over = bucket | {"aws:SourceAccount": "999999999999"}
    assert not allows(queue, Request("s3.amazonaws.com", "sqs:SendMessage", IMAGES, taken_over))


def test_messages_take_the_vpc_endpoint():
    """S8: messages come and go through it, while administration and AWS's own services stay possible."""
    queue, _ = policies(Sources({"producer": [WEB]}, vpc_endpoints=["vpce-0123456789abcdef0"]))
    person = TLS | {"aws:PrincipalIsAWSService": "false"}
    inside = person | {"aws:SourceVpce": "vpce-0123456789abcdef0"}
    assert allows(queue, Request(WEB, "sqs:SendMessage", IMAGES, inside))
    assert denies(queue, Request(WEB, "sqs:SendMessage", IMAGES, person))
    assert denies(queue, Request(WEB, "sqs:ReceiveMessage", IMAGES, person | {"aws:SourceVpce": "vpce-11111111"}))
    assert not denies(queue, Request(WEB, "sqs:SetQueueAttributes", IMAGES, person))
    service = TLS | {"aws:PrincipalIsAWSService": "true"}
    assert not denies(queue, Request("sns.amazonaws.com", "sqs:SendMessage", IMAGES, service))


def test_dead_letters_come_from_their_queue():
    """S8: RedriveAllowPolicy=byQueue."""
    attributes = queue_attributes(queue_pair("images", PLACE), PLACE, SOURCES)
    assert attributes["images-dlq"]["RedriveAllowPolicy"] == {
        "redrivePermission": "byQueue",
        "sourceQueueArns": [IMAGES],
    }


@pytest.mark.parametrize("everybody", ["*", "arn:aws:iam::444455556666:root", "444455556666", "arn:aws:iam::4:role/*"])
def test_nobody_in_particular_is_not_let_in(everybody):
    """S8: no wildcard, no whole account."""
    with pytest.raises(ConfigurationError, match="no one role or user"):
        Sources({"producer": [everybody]})


@pytest.mark.parametrize(
    "source", ["arn:aws:sns:eu-west-1:444455556666:*", "sns.amazonaws.com", "arn:aws:lambda:eu-west-1:444455556666:x"]
)
def test_a_source_is_one_thing(source):
    """S8: a service without its source would be a deputy of everybody."""
    with pytest.raises(ConfigurationError, match="no source"):
        Sources({}, services=[source])


def test_no_statement_that_allows_has_a_wildcard():
    """S8: as in policies of identities."""
    for policy in policies():
        for statement in policy["Statement"]:
            words = (*statement["Action"], *statement["Resource"]) if statement["Effect"] == "Allow" else ()
            assert not [word for word in words if "*" in word]
