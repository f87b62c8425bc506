"""What each role may do with each kind of thing: the one table behind every policy that is printed.

Sources: "Actions, resources, and condition keys for Amazon SQS" (and for DynamoDB, KMS) in the Service Authorization
Reference: a batch needs the right of the single action; "Key management" in the SQS developer guide: who sends to a
queue with a KMS key needs GenerateDataKey and Decrypt, who receives from it Decrypt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeAlias

from sqsjobs.access.place import Place

__all__ = ["Bucket", "DeadLetters", "EnvelopeKey", "Grant", "Grantable", "Key", "Queue", "Role", "Table"]

Role: TypeAlias = Literal["producer", "worker", "admin", "api"]
"""What a process does: it enqueues, runs jobs, administers queues and dead letters, or reads records for a web API."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to do `actions` with the thing of that ARN, under `condition` if there is one."""

    arn: str
    actions: frozenset[str]
    condition: tuple[tuple[str, str, str], ...] = ()
    """Operator, key and value of each."""


class Grantable(Protocol):
    """A thing at AWS that an app uses."""

    def grants(self, role: Role) -> Iterator[Grant]:
        """Yield what `role` needs to do with it; nothing where it needs nothing."""
        ...


_PROVISION: Final = ("sqs:CreateQueue", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SetQueueAttributes")
_FIND: Final = "sqs:GetQueueUrl"


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue that jobs go to.

    Attributes:
        arn: its ARN.
        fifo: whether it is FIFO: workers never send its messages anew.
        by_name: whether it is looked up and may be created by its name; else it was given by its URL.
        calls_back: whether workers send the jobs that post callbacks to it.
    """

    arn: str
    fifo: bool = False
    by_name: bool = True
    calls_back: bool = False

    def grants(self, role: Role) -> Iterator[Grant]:
        if actions := {f"sqs:{action}" for action in _ON_QUEUE[role]}:
            if role == "admin" and self.by_name:
                actions |= set(_PROVISION)
            if role == "worker" and (self.calls_back or not self.fifo):
                actions.add(
                    "sqs:SendMessage"
                )  # what is due after more than an hour, or in a crowded queue, is sent anew
            yield Grant(self.arn, frozenset(actions if self.by_name else actions - {_FIND}))


_ON_QUEUE: Final[Mapping[Role, tuple[str, ...]]] = {
    "producer": ("GetQueueUrl", "SendMessage"),
    "worker": ("ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "GetQueueUrl", "ReceiveMessage"),
    "admin": ("GetQueueAttributes", "GetQueueUrl", "SendMessage"),
    "api": (),
}


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The dead-letter queue of a queue; `by_name` if it may be created."""

    arn: str
    by_name: bool = True

    def grants(self, role: Role) -> Iterator[Grant]:
        match role:
            case "worker":
                yield Grant(self.arn, frozenset({"sqs:SendMessage"}))
            case "admin":
                read = {
                    "sqs:ChangeMessageVisibility",
                    "sqs:DeleteMessage",
                    "sqs:GetQueueAttributes",
                    "sqs:PurgeQueue",
                    "sqs:ReceiveMessage",
                }
                yield Grant(self.arn, frozenset(read.union(_PROVISION if self.by_name else ())))


@dataclass(frozen=True, slots=True)
class Key:
    """The KMS key of queues: used by SQS in the name of who sends and receives, and in no other way."""

    arn: str
    place: Place

    def grants(self, role: Role) -> Iterator[Grant]:
        if role != "api":
            domain = "amazonaws.com.cn" if self.place.partition == "aws-cn" else "amazonaws.com"
            via = ("StringEquals", "kms:ViaService", f"sqs.{self.place.region}.{domain}")
            # A worker and an admin send, too: dead letters, and back.
            yield Grant(self.arn, frozenset({"kms:Decrypt", "kms:GenerateDataKey"}), (via,))


@dataclass(frozen=True, slots=True)
class EnvelopeKey:
    """The KMS key with which the app itself encrypts envelopes."""

    arn: str

    def grants(self, role: Role) -> Iterator[Grant]:
        match role:
            case "producer":
                yield Grant(self.arn, frozenset({"kms:GenerateDataKey"}))
            case "worker" | "admin":  # which send what they have decrypted anew: long delays, dead letters
                yield Grant(self.arn, frozenset({"kms:Decrypt", "kms:GenerateDataKey"}))


@dataclass(frozen=True, slots=True)
class Table:
    """The DynamoDB table of a job store, and the indexes by which it lists jobs."""

    arn: str

    def grants(self, role: Role) -> Iterator[Grant]:
        yield Grant(self.arn, frozenset(f"dynamodb:{action}" for action in _ON_TABLE[role]))
        if role in ("admin", "api"):
            for index in ("by_day", "by_end"):
                yield Grant(f"{self.arn}/index/{index}", frozenset({"dynamodb:Query"}))


_ON_TABLE: Final[Mapping[Role, tuple[str, ...]]] = {
    "producer": ("BatchGetItem", "DeleteItem", "GetItem", "PutItem"),
    "worker": ("BatchGetItem", "DeleteItem", "GetItem", "PutItem", "UpdateItem"),
    "admin": (
        *("CreateTable", "DescribeTable", "DescribeTimeToLive", "UpdateTable", "UpdateTimeToLive"),
        *("BatchGetItem", "DeleteItem", "GetItem", "PutItem", "UpdateItem"),
    ),
    "api": ("BatchGetItem", "GetItem"),
}


@dataclass(frozen=True, slots=True)
class Bucket:
    """The S3 bucket of large arguments and results, of which an app uses the keys below its prefix."""

    arn: str
    prefix: str

    def grants(self, role: Role) -> Iterator[Grant]:
        for kind, actions in _ON_BLOBS[role].items():
            yield Grant(f"{self.arn}/{self.prefix}{kind}/*", frozenset(f"s3:{action}" for action in actions))
        if any("GetObject" in actions for actions in _ON_BLOBS[role].values()):
            # Without it S3 says of what is gone that it is forbidden (S3 API reference, GetObject).
            yield Grant(self.arn, frozenset({"s3:ListBucket"}))


_ON_BLOBS: Final[Mapping[Role, Mapping[str, tuple[str, ...]]]] = {
    "producer": {"arguments": ("PutObject",)},
    "worker": {"arguments": ("DeleteObject", "GetObject"), "results": ("PutObject",)},
    "admin": {"results": ("GetObject",)},
    "api": {"results": ("GetObject",)},
}


def condition_of(grant: Grant) -> dict[str, Any]:
    """Return a grant's condition as policies have it."""
    condition: dict[str, dict[str, str]] = {}
    for operator, key, value in grant.condition:
        condition.setdefault(operator, {})[key] = value
    return condition
