"""Policies of identities: exactly what each role needs, on exactly the queues, keys and tables of the app."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from tests.access.evaluator import Request, allows

from sqsjobs.access.estate import bucket_of, key_of, queue_pair, table_of
from sqsjobs.access.grants import EnvelopeKey, Grantable, Role, Table
from sqsjobs.access.place import Place
from sqsjobs.access.policies import identity_policy
from sqsjobs.blobs import FileBlobs, S3Blobs
from sqsjobs.errors import ConfigurationError

PLACE = Place("111122223333", "eu-west-1")
SQS = "arn:aws:sqs:eu-west-1:111122223333"
KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ROLES: tuple[Role, ...] = get_args(Role)


def things(*queues: str, prefix: str = "") -> list[Grantable]:
    pairs = [queue_pair(name, PLACE, prefix=prefix) for name in queues]
    return [thing for pair in pairs for thing in (pair.queue, pair.dead_letters)]


EVERYTHING = [
    *things("images", "orders.fifo"),
    key_of(KEY, PLACE),
    *table_of("dynamodb://jobs", PLACE),
    *bucket_of(S3Blobs("shop-jobs"), PLACE),
]


def rights(policy: dict[str, Any]) -> dict[str, set[str]]:
    """The actions by ARN."""
    held: dict[str, set[str]] = {}
    for statement in policy["Statement"]:
        for arn in statement["Resource"]:
            held.setdefault(arn, set()).update(statement["Action"])
    return held


def on_queues(role: Role, *queues: str) -> dict[str, set[str]]:
    held = rights(identity_policy(things(*queues), [role]))
    return {arn.removeprefix(f"{SQS}:"): {it.removeprefix("sqs:") for it in actions} for arn, actions in held.items()}


def test_a_producer_sends_and_nothing_else():
    """S7: to the queues, not to their dead-letter queues."""
    assert on_queues("producer", "images") == {"images": {"GetQueueUrl", "SendMessage"}}


def test_a_worker_takes_jobs_and_leaves_dead_letters():
    """S7: it reads no dead letters, and changes no queue."""
    receiving = {"ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "GetQueueUrl", "ReceiveMessage"}
    assert on_queues("worker", "images") == {"images": {*receiving, "SendMessage"}, "images-dlq": {"SendMessage"}}


def test_a_worker_of_a_fifo_queue_sends_nothing_to_it():
    """S7: on FIFO queues nothing is sent anew, so the right to is not needed."""
    held = on_queues("worker", "orders.fifo")
    assert "SendMessage" not in held["orders.fifo"]
    assert held["orders-dlq.fifo"] == {"SendMessage"}


def test_an_admin_makes_queues_and_sends_dead_letters_back():
    """S7: it receives dead letters, but takes no jobs."""
    provision = {"CreateQueue", "GetQueueAttributes", "GetQueueUrl", "SetQueueAttributes"}
    assert on_queues("admin", "images") == {
        "images": {*provision, "SendMessage"},
        "images-dlq": {*provision, "ChangeMessageVisibility", "DeleteMessage", "PurgeQueue", "ReceiveMessage"},
    }


def test_an_api_reads_records_and_touches_no_queue():
    """S7: the job store alone, and that for reading."""
    held = rights(identity_policy(EVERYTHING, ["api"]))
    table = "arn:aws:dynamodb:eu-west-1:111122223333:table/jobs"
    assert held == {
        table: {"dynamodb:BatchGetItem", "dynamodb:GetItem"},
        f"{table}/index/by_day": {"dynamodb:Query"},
        f"{table}/index/by_end": {"dynamodb:Query"},
        "arn:aws:s3:::shop-jobs/sqsjobs/results/*": {"s3:GetObject"},
        "arn:aws:s3:::shop-jobs": {"s3:ListBucket"},
    }


def test_blobs_by_role():
    """S7: who sends writes arguments, who works reads and drops them and writes results, who shows reads results."""
    arguments, results = (f"arn:aws:s3:::shop-jobs/big/{kind}/*" for kind in ("arguments", "results"))
    held = {
        role: rights(identity_policy([*bucket_of(S3Blobs("shop-jobs", prefix="big/"), PLACE)], [role]))
        for role in ROLES
    }
    listed = {"arn:aws:s3:::shop-jobs": {"s3:ListBucket"}}
    assert held["producer"] == {arguments: {"s3:PutObject"}}
    assert held["worker"] == {arguments: {"s3:DeleteObject", "s3:GetObject"}, results: {"s3:PutObject"}, **listed}
    assert held["admin"] == held["api"] == {results: {"s3:GetObject"}, **listed}


def test_blobs_that_are_not_at_aws_need_no_rights(tmp_path):
    assert [*bucket_of(FileBlobs(tmp_path), PLACE), *bucket_of(None, PLACE)] == []


def test_a_table_in_another_region():
    """S7: the store's URL may name its region."""
    (table,) = table_of("dynamodb://jobs?region=eu-central-1", PLACE)
    assert table == Table("arn:aws:dynamodb:eu-central-1:111122223333:table/jobs")


@pytest.mark.parametrize("role", ROLES)
def test_nothing_is_allowed_by_a_wildcard(role):
    """S7: neither in an action nor in a resource, but the names of blobs below their prefix."""
    policy = identity_policy(EVERYTHING, [role])
    words = [word for it in policy["Statement"] for word in (*it["Action"], *it["Resource"])]
    assert words
    blobs = {f"arn:aws:s3:::shop-jobs/sqsjobs/{kind}/*" for kind in ("arguments", "results")}
    assert not [word for word in words if ("*" in word or "?" in word) and word not in blobs]


@pytest.mark.parametrize("role", ROLES)
def test_other_queues_are_out_of_reach(role):
    """S7: a queue whose name begins alike is another queue."""
    policy = identity_policy(EVERYTHING, [role])
    for action in ("SendMessage", "ReceiveMessage", "DeleteMessage", "SetQueueAttributes", "DeleteQueue"):
        assert not allows(policy, Request("", f"sqs:{action}", f"{SQS}:images2"))


@pytest.mark.parametrize("role", ["producer", "worker", "admin"])
def test_a_key_serves_through_sqs_alone(role):
    """S7: with the rights on a queue's key nothing can be decrypted but what comes through SQS."""
    policy = identity_policy(EVERYTHING, [role])
    through_sqs = {"kms:ViaService": "sqs.eu-west-1.amazonaws.com"}
    assert allows(policy, Request("", "kms:Decrypt", KEY, through_sqs))
    assert allows(policy, Request("", "kms:GenerateDataKey", KEY, through_sqs))
    assert not allows(policy, Request("", "kms:Decrypt", KEY))
    assert not allows(policy, Request("", "kms:Encrypt", KEY, through_sqs))


def test_the_key_of_envelopes():
    """S7: a producer encrypts, and reads nothing."""
    held = {role: rights(identity_policy([EnvelopeKey(KEY)], [role])) for role in ("producer", "worker", "admin")}
    assert held["producer"] == {KEY: {"kms:GenerateDataKey"}}
    assert held["worker"] == held["admin"] == {KEY: {"kms:Decrypt", "kms:GenerateDataKey"}}


def test_a_queue_without_a_key_needs_no_right_on_one():
    """S7: SQS's own encryption needs none."""
    assert not [arn for arn in rights(identity_policy(things("images"), ROLES)) if ":kms:" in arn]


def test_roles_add_up():
    """S7: a job that enqueues jobs is a worker and a producer."""
    both = rights(identity_policy(things("orders.fifo"), ["worker", "producer"]))
    assert {"sqs:ReceiveMessage", "sqs:SendMessage"} <= both[f"{SQS}:orders.fifo"]


def test_a_queue_that_is_named_by_url_is_neither_looked_up_nor_made():
    """S7: its account and region are those of the URL, whatever those of the app."""
    url = "https://sqs.eu-central-1.amazonaws.com/444455556666/theirs"
    pair = queue_pair(url, PLACE, prefix="staging-")
    held = rights(identity_policy([pair.queue, pair.dead_letters], ["producer", "admin"]))
    assert held == {
        "arn:aws:sqs:eu-central-1:444455556666:theirs": {"sqs:GetQueueAttributes", "sqs:SendMessage"},
        "arn:aws:sqs:eu-central-1:444455556666:theirs-dlq": {
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:PurgeQueue",
            "sqs:ReceiveMessage",
        },
    }


def test_the_prefix_belongs_to_the_name():
    """S7: staging has no rights on production."""
    assert f"{SQS}:staging-images-dlq" in rights(identity_policy(things("images", prefix="staging-"), ["worker"]))


@pytest.mark.parametrize(("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")])
def test_partitions_apart(region, partition):
    assert Place("111122223333", region).queue("x") == f"arn:{partition}:sqs:{region}:111122223333:x"


@pytest.mark.parametrize("account", ["1111", "*", "11112222333x", "111122223333:*"])
def test_an_account_that_is_none(account):
    """S7: no text makes its way into an ARN that is more than it says."""
    with pytest.raises(ConfigurationError, match="twelve digits"):
        Place(account)


def test_a_region_that_is_none():
    with pytest.raises(ConfigurationError, match="no AWS region"):
        Place(region="*")


def test_a_key_by_its_alias():
    """A policy on an alias allows nothing, so none is printed."""
    with pytest.raises(ConfigurationError, match="alias"):
        key_of("alias/jobs", PLACE)


def test_a_role_without_any_need():
    """IAM takes no empty policy, so it is an error that says why."""
    with pytest.raises(ConfigurationError, match="nothing to allow"):
        identity_policy(things("images"), ["api"])
