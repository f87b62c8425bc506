"""What has to change at SQS so that a queue is as sqsjobs wants it: values, and the pure decision between them.

`admin` reads the queues and carries the changes out; ``sqsjobs queues apply --dry-run`` prints them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, assert_never

from sqsjobs.errors import ConfigurationError
from sqsjobs.transport.address import dead_letter_name
from sqsjobs.transport.base import MAX_VISIBILITY, is_fifo

__all__ = [
    "AcceptDeadLetters",
    "Attributes",
    "Change",
    "CreateQueue",
    "QueueSpec",
    "RequireTls",
    "SendDeadLetters",
    "SetAttribute",
    "SettingChange",
    "attribute_set_by",
    "plan_queue",
    "queues_mentioned",
    "refusal_of_plaintext",
]

DAY: Final = 86_400
MAX_RETENTION: Final = 14 * DAY
"""Seconds (SetQueueAttributes, MessageRetentionPeriod). A dead letter keeps the age it had in its queue, so a
dead-letter queue retains for longer than the queue it serves."""
MAX_RECEIVE_COUNT: Final = 1000
"""SQS developer guide, "Dead-letter queues": the highest value of the redrive policy."""

Attributes: TypeAlias = Mapping[str, str]
"""A queue's attributes, as GetQueueAttributes answers them."""


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """A queue as it should be, with its dead-letter queue (``x-dlq``, for FIFO ``x-dlq.fifo``).

    Both are encrypted with keys of SQS (where no KMS key is set already), refuse requests that come without TLS,
    and the dead-letter queue takes from this queue alone.

    Attributes:
        name: the name at SQS, any prefix included; a FIFO queue's ends in ``.fifo``.
        max_receive_count: deliveries after which SQS itself dead-letters a message. High, because deciding on
            exhaustion is the worker's business, and receives that no job saw count too.
        visibility: seconds; workers send their own with every receive.
        retention: seconds (60 to 14 days) that a message is kept; None leaves the queue's, or SQS's 4 days.
        dead_letter_retention: the same for the dead-letter queue.

    Raises:
        ConfigurationError: for a number that SQS does not take.
    """

    name: str
    max_receive_count: int = 100
    visibility: int = 60
    retention: int | None = None
    dead_letter_retention: int = MAX_RETENTION

    def __post_init__(self) -> None:
        _check(self.name, "max_receive_count", self.max_receive_count, 1, MAX_RECEIVE_COUNT)
        _check(self.name, "visibility", self.visibility, 0, MAX_VISIBILITY)
        _check(self.name, "dead_letter_retention", self.dead_letter_retention, 60, MAX_RETENTION)
        if self.retention is not None:
            _check(self.name, "retention", self.retention, 60, MAX_RETENTION)

    @property
    def dead_letter_queue(self) -> str:
        """The name of its dead-letter queue."""
        return dead_letter_name(self.name)


def _check(queue: str, option: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ConfigurationError(f"queue {queue!r}: {option} is {value}, SQS takes {least:,} to {most:,}")


@dataclass(frozen=True, slots=True)
class CreateQueue:
    """There is no such queue yet; it is created with `attributes`."""

    queue: str
    attributes: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"{self.queue}: create ({', '.join(f'{name}={value}' for name, value in self.attributes)})"


@dataclass(frozen=True, slots=True)
class SetAttribute:
    """An attribute of the queue is `old` and should be `new`."""

    queue: str
    attribute: str
    old: str | None
    new: str

    def __str__(self) -> str:
        return f"{self.queue}: {self.attribute} {self.old or 'unset'} -> {self.new}"


@dataclass(frozen=True, slots=True)
class RequireTls:
    """The queue's policy, `old`, does not refuse requests without TLS; its other statements stay."""

    queue: str
    old: str | None

    def __str__(self) -> str:
        return f"{self.queue}: Policy refuses requests without TLS"


@dataclass(frozen=True, slots=True)
class AcceptDeadLetters:
    """The dead-letter queue's RedriveAllowPolicy, `old`, does not name `source`."""

    queue: str
    source: str
    old: str | None

    def __str__(self) -> str:
        return f"{self.queue}: RedriveAllowPolicy {self.old or 'unset'} -> byQueue, from {self.source}"


@dataclass(frozen=True, slots=True)
class SendDeadLetters:
    """The queue's RedrivePolicy, `old`, is another one."""

    queue: str
    target: str
    max_receive_count: int
    old: str | None

    def __str__(self) -> str:
        new = f"to {self.target} after {self.max_receive_count} receives"
        return f"{self.queue}: RedrivePolicy {self.old or 'unset'} -> {new}"


SettingChange: TypeAlias = SetAttribute | RequireTls | AcceptDeadLetters | SendDeadLetters
"""A change of one attribute of a queue that is there."""
Change: TypeAlias = CreateQueue | SettingChange
"""One step towards a `QueueSpec`. ``str()`` of it is a line for people."""


def plan_queue(spec: QueueSpec, found: Attributes | None, dead_letters: Attributes | None) -> list[Change]:
    """Return what brings a queue and its dead-letter queue to `spec`, in the order in which SQS takes it.

    Args:
        spec: what is wanted.
        found: the queue's attributes, None if there is no such queue.
        dead_letters: the same for its dead-letter queue.
    """
    target = spec.dead_letter_queue
    return [
        *_existence(target, dead_letters, _wanted(target, retention=spec.dead_letter_retention)),
        *_existence(spec.name, found, _wanted(spec.name, visibility=spec.visibility, retention=spec.retention)),
        # A dead-letter queue that does not accept the source makes SQS refuse the source's redrive policy.
        *_acceptance(target, spec.name, dead_letters),
        *_redrive(spec, found),
        *_tls(target, dead_letters),
        *_tls(spec.name, found),
    ]


def _wanted(queue: str, *, visibility: int | None = None, retention: int | None = None) -> dict[str, str]:
    wanted = {"SqsManagedSseEnabled": "true"}
    if is_fifo(queue):
        wanted["FifoQueue"] = "true"
    if visibility is not None:
        wanted["VisibilityTimeout"] = str(visibility)
    if retention is not None:
        wanted["MessageRetentionPeriod"] = str(retention)
    return wanted


def _existence(queue: str, found: Attributes | None, wanted: dict[str, str]) -> Iterator[Change]:
    if found is None:
        yield CreateQueue(queue, tuple(wanted.items()))
        return
    if found.get("KmsMasterKeyId"):
        del wanted["SqsManagedSseEnabled"]  # a KMS key is the stronger choice, and there can be one only
    for attribute, new in wanted.items():
        if (old := found.get(attribute)) != new:
            yield SetAttribute(queue, attribute, old, new)


def _tls(queue: str, found: Attributes | None) -> Iterator[Change]:
    old = (found or {}).get("Policy") or None
    if not any(_refuses_plaintext(statement) for statement in _statements(old)):
        yield RequireTls(queue, old)


def _acceptance(queue: str, source: str, found: Attributes | None) -> Iterator[Change]:
    old = (found or {}).get("RedriveAllowPolicy") or None
    if source not in {_name(arn) for arn in _accepted(old)}:
        yield AcceptDeadLetters(queue, source, old)


def _redrive(spec: QueueSpec, found: Attributes | None) -> Iterator[Change]:
    old = (found or {}).get("RedrivePolicy") or None
    policy = json.loads(old or "{}")
    now = _name(policy.get("deadLetterTargetArn", "")), int(policy.get("maxReceiveCount", 0))
    if now != (spec.dead_letter_queue, spec.max_receive_count):
        yield SendDeadLetters(spec.name, spec.dead_letter_queue, spec.max_receive_count, old)


def queues_mentioned(change: SettingChange) -> tuple[str, ...]:
    """Return the names of the queues whose ARNs the new value of `change` contains."""
    match change:
        case SetAttribute():
            return ()
        case RequireTls(queue=queue):
            return (queue,)
        case AcceptDeadLetters(source=source):
            return (source,)
        case SendDeadLetters(target=target):
            return (target,)
        case _:
            assert_never(change)


def attribute_set_by(change: SettingChange, arns: Mapping[str, str]) -> tuple[str, str]:
    """Return the attribute that `change` sets and its new value; `arns` has those of the queues it mentions."""
    match change:
        case SetAttribute(attribute=attribute, new=new):
            return attribute, new
        case RequireTls(queue=queue, old=old):
            statements = [*_statements(old), refusal_of_plaintext(arns[queue])]
            return "Policy", json.dumps({"Version": "2012-10-17", "Statement": statements})
        case AcceptDeadLetters(source=source, old=old):
            sources = [*_accepted(old), arns[source]]
            return "RedriveAllowPolicy", json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": sources})
        case SendDeadLetters(target=target, max_receive_count=count):
            return "RedrivePolicy", json.dumps({"deadLetterTargetArn": arns[target], "maxReceiveCount": count})
        case _:
            assert_never(change)


def refusal_of_plaintext(arn: str) -> dict[str, Any]:
    """Return the policy statement by which the queue of that ARN refuses requests without TLS."""
    return {
        "Sid": "SqsjobsTlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": arn,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def _refuses_plaintext(statement: Mapping[str, Any]) -> bool:
    ours = refusal_of_plaintext("")
    return all(statement.get(part) == ours[part] for part in ("Effect", "Condition"))


def _statements(policy: str | None) -> list[dict[str, Any]]:
    statements = json.loads(policy).get("Statement", []) if policy else []
    return statements if isinstance(statements, list) else [statements]


def _accepted(redrive_allow_policy: str | None) -> list[str]:
    policy = json.loads(redrive_allow_policy or "{}")
    return list(policy.get("sourceQueueArns", ())) if policy.get("redrivePermission") == "byQueue" else []


def _name(arn: str) -> str:
    return arn.rpartition(":")[2]
