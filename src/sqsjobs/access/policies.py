"""Policies as IAM takes them: what identities may do, and what a queue lets others do.

No statement that allows has a wildcard in its actions or its resources.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from sqsjobs.access.estate import QueuePair
from sqsjobs.access.grants import Grant, Grantable, Role, condition_of
from sqsjobs.access.place import Place
from sqsjobs.errors import ConfigurationError
from sqsjobs.transport.provision import refusal_of_plaintext

__all__ = ["Policy", "Sources", "identity_policy", "queue_attributes"]

Policy: TypeAlias = dict[str, Any]
"""A policy document."""

_VERSION: Final = "2012-10-17"
"""Of the policy language; the only other one is older (IAM, "Version" element)."""
_PRINCIPAL: Final = re.compile(r"arn:aws(-cn|-us-gov)?:iam::[0-9]{12}:(role|user)/[\w+=,.@/-]+", re.ASCII)
_SOURCE: Final = re.compile(r"arn:aws(-cn|-us-gov)?:(?P<service>[a-z0-9-]+):[a-z0-9-]*:(?P<account>[0-9]{12})?:.+")
_SENDERS: Final = ("events", "s3", "sns")
"""The services of AWS that send to a queue in their own name; others, such as EventBridge Scheduler, do it as a role."""
_MESSAGE_ACTIONS: Final = ("sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage", "sqs:SendMessage")


def identity_policy(things: Iterable[Grantable], roles: Sequence[Role]) -> Policy:
    """Return the policy for an identity that has all of `roles`.

    Raises:
        ConfigurationError: if there is nothing that it has to be allowed.
    """
    held: dict[tuple[str, Any], set[str]] = {}
    for thing in things:
        for grant in (grant for role in dict.fromkeys(roles) for grant in thing.grants(role)):
            held.setdefault((grant.arn, grant.condition), set()).update(grant.actions)
    if not held:
        raise ConfigurationError(
            f"there is nothing to allow for {' and '.join(roles)}: it uses no queue, and the job store is not at AWS"
        )
    alike: dict[tuple[frozenset[str], Any], list[str]] = {}
    for (arn, condition), actions in held.items():
        alike.setdefault((frozenset(actions), condition), []).append(arn)
    return _policy(_allowed(Grant("", actions, condition), arns) for (actions, condition), arns in alike.items())


def _allowed(grant: Grant, arns: list[str]) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": sorted(grant.actions), "Resource": sorted(arns)}
    return statement | ({"Condition": condition_of(grant)} if grant.condition else {})


def _policy(statements: Iterable[dict[str, Any]]) -> Policy:
    return {"Version": _VERSION, "Statement": list(statements)}


# What a queue lets others do ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sources:
    """Who may come to queues, and from where.

    Attributes:
        principals: ARNs of IAM roles and users, by what they do.
        services: ARNs of topics, rules and buckets that send to the queues (not to their dead-letter queues).
        vpc_endpoints: ids; messages then go through these alone.

    Raises:
        ConfigurationError: if one of them names nobody in particular.
    """

    principals: Mapping[Role, Sequence[str]]
    services: Sequence[str] = ()
    vpc_endpoints: Sequence[str] = ()

    def __post_init__(self) -> None:
        for arn in (arn for arns in self.principals.values() for arn in arns):
            if not _PRINCIPAL.fullmatch(arn):
                raise ConfigurationError(
                    f"{arn!r} names no one role or user: write arn:aws:iam::111122223333:role/name; "
                    f"a whole account, or everybody, is not let in"
                )
        for arn in self.services:
            found = _SOURCE.fullmatch(arn)
            if not found or found["service"] not in _SENDERS or "*" in arn or "?" in arn:
                raise ConfigurationError(
                    f"{arn!r} is no source: the ARN of one SNS topic, EventBridge rule or S3 bucket is "
                    f"(EventBridge Scheduler sends as a role: name it as a producer)"
                )
        for endpoint in self.vpc_endpoints:
            if not re.fullmatch(r"vpce-[0-9a-f]{8,17}", endpoint):
                raise ConfigurationError(f"{endpoint!r} is no VPC endpoint: its id begins with vpce-")


def queue_attributes(pair: QueuePair, place: Place, sources: Sources) -> dict[str, dict[str, Policy]]:
    """Return, for a queue and its dead-letter queue, the attributes that say who may come: by queue, by attribute.

    Both refuse requests without TLS; the dead-letter queue takes dead letters from this queue alone.
    """
    statements = [
        [
            refusal_of_plaintext(thing.arn),
            *_detours_refused(thing.arn, sources.vpc_endpoints),
            *_named(thing, sources.principals),
        ]
        for thing in (pair.queue, pair.dead_letters)
    ]
    statements[0] += [_from_service(pair.queue.arn, source, place) for source in sources.services]
    accepted = {"redrivePermission": "byQueue", "sourceQueueArns": [pair.queue.arn]}
    return {
        pair.name: {"Policy": _policy(statements[0])},
        pair.dead_letter_name: {"Policy": _policy(statements[1]), "RedriveAllowPolicy": accepted},
    }


def _named(thing: Grantable, principals: Mapping[Role, Sequence[str]]) -> Iterable[dict[str, Any]]:
    for role, arns in principals.items():
        for grant in thing.grants(role) if arns else ():
            # Queues are created by their own account alone, which a policy on the queue has no say in.
            actions = frozenset(grant.actions - {"sqs:CreateQueue"})
            yield _allowed(Grant(grant.arn, actions), [grant.arn]) | {
                "Sid": f"Sqsjobs{role.capitalize()}",
                "Principal": {"AWS": sorted(arns)},
            }


def _from_service(queue: str, source: str, place: Place) -> dict[str, Any]:
    """Let a service send for the sake of `source`, and not for somebody else's (the confused deputy)."""
    found = _SOURCE.fullmatch(source)
    assert found
    return {
        "Effect": "Allow",
        "Principal": {"Service": f"{found['service']}.amazonaws.com"},
        "Action": ["sqs:SendMessage"],
        "Resource": [queue],
        "Condition": {
            "ArnEquals": {"aws:SourceArn": source},
            "StringEquals": {"aws:SourceAccount": found["account"] or place.account},
        },
    }


def _detours_refused(queue: str, vpc_endpoints: Sequence[str]) -> Iterable[dict[str, Any]]:
    """Refuse messages that take another way; administration stays possible, and so do services of AWS."""
    if vpc_endpoints:
        yield {
            "Sid": "SqsjobsVpcOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": list(_MESSAGE_ACTIONS),
            "Resource": [queue],
            "Condition": {
                "StringNotEquals": {"aws:SourceVpce": sorted(vpc_endpoints)},
                "Bool": {"aws:PrincipalIsAWSService": "false"},
            },
        }
