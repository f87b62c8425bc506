"""``sqsjobs iam`` and ``sqsjobs queues policy``: the least rights that an app's processes need at AWS, as policies."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, get_args

import msgspec
from cyclopts import Parameter

from sqsjobs.access.estate import QueuePair, bucket_of, checked_key, key_of, queue_pair, table_of
from sqsjobs.access.grants import EnvelopeKey, Grantable, Role
from sqsjobs.access.place import ACCOUNT, REGION, Place
from sqsjobs.access.policies import Sources, identity_policy, queue_attributes
from sqsjobs.app import App
from sqsjobs.blobs import FileBlobs, S3Blobs
from sqsjobs.cli.console import note
from sqsjobs.cli.options import NO_BACKENDS, AppPath, Backends, app_path, open_later
from sqsjobs.errors import ConfigurationError
from sqsjobs.transport.address import SqsEndpoint

__all__ = ["iam", "print_queue_policies"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Estate:
    """What the rights are on.

    Attributes:
        queue: Only this queue; by default those of all the app's tasks. May be repeated.
        dead_letters: The dead-letter queue of a queue, as queue=name, where it is not the queue's name with -dlq.
        account: The AWS account; by default that of the credentials, as STS tells it.
    """

    queue: Annotated[tuple[str, ...], Parameter(alias="-q")] = ()
    dead_letters: tuple[str, ...] = ()
    account: str = ""


def iam(
    app: AppPath = "",
    /,
    *,
    role: Annotated[
        tuple[Role, ...], Parameter(alias="-r", help="What the process does. Repeated, one policy for all of it.")
    ],
    estate: Estate = Estate(),
    kms_key: Annotated[
        tuple[str, ...], Parameter(help="The ARN of a customer-managed key of the queues. May be repeated.")
    ] = (),
    envelope_key: Annotated[
        tuple[str, ...], Parameter(help="The ARN of a KMS key by which the app encrypts. May be repeated.")
    ] = (),
    backends: Backends = NO_BACKENDS,
) -> None:
    """Print the least rights that a role needs at AWS, as an IAM policy.

    A producer enqueues; a worker runs jobs; an admin makes queues and sends dead
    letters back; an api reads records from the job store. What does several of
    these gets them all: a job that enqueues jobs is a worker and a producer.
    Nothing is allowed by a wildcard but the keys below the prefix of S3Blobs.

        sqsjobs iam shop.jobs:app --role worker > worker.json
        sqsjobs iam shop.jobs:app --role producer --role api --store dynamodb://jobs
        sqsjobs iam shop.jobs:app --role admin --account 111122223333 --region eu-west-1
    """
    if not role:
        raise ConfigurationError(f"which role? --role is one of {', '.join(get_args(Role))}, and may be repeated")
    loaded = open_later(app_path(app), backends)
    place = _place(loaded, estate.account)
    things: list[Grantable] = []
    for pair in _pairs(loaded, estate, place):
        things += [pair.queue, pair.dead_letters]
    things += [key_of(arn, place) for arn in kms_key]
    things += [EnvelopeKey(checked_key(arn)) for arn in envelope_key]
    _print(identity_policy([*things, *_table(loaded, place), *_bucket(loaded, place)], role), place)


def print_queue_policies(
    app: AppPath = "",
    /,
    *,
    principal: Annotated[
        tuple[str, ...],
        Parameter(alias="-p", help="Let in an IAM role or user, as role=ARN: worker=arn:… May be repeated."),
    ] = (),
    source: Annotated[
        tuple[str, ...],
        Parameter(help="The ARN of an SNS topic, EventBridge rule or S3 bucket that sends. May be repeated."),
    ] = (),
    vpc_endpoint: Annotated[
        tuple[str, ...], Parameter(help="The only way that messages may take, vpce-… May be repeated.")
    ] = (),
    estate: Estate = Estate(),
    backends: Backends = NO_BACKENDS,
) -> None:
    """Print who may come to an app's queues, as attributes for SetQueueAttributes.

    Each queue and its dead-letter queue refuse plain HTTP, and let in whom you
    name and nobody else; the dead-letter queue takes from its queue alone.
    Roles of the queues' own account need no place here: their IAM policies do.

        sqsjobs queues policy shop.jobs:app
        sqsjobs queues policy shop.jobs:app -q images --principal producer=arn:aws:iam::444455556666:role/web
        sqsjobs queues policy shop.jobs:app -q images --source arn:aws:sns:eu-west-1:111122223333:uploads
    """
    loaded = open_later(app_path(app), backends)
    place = _place(loaded, estate.account)
    sources = Sources(_principals(principal), source, vpc_endpoint)
    printed: dict[str, object] = {}
    for pair in _pairs(loaded, estate, place):
        printed |= queue_attributes(pair, place, sources)
    _print(printed, place)


def _principals(words: Sequence[str]) -> dict[Role, list[str]]:
    named: dict[Role, list[str]] = {}
    for word in words:
        role, _, arn = word.partition("=")
        if role not in get_args(Role):
            raise ConfigurationError(
                f"{word!r} is no principal: write role=ARN, where the role is {', '.join(get_args(Role))}"
            )
        named.setdefault(role, []).append(arn)  # type: ignore[arg-type]  # it is one of them
    return named


def _pairs(app: App, estate: Estate, place: Place) -> Iterable[QueuePair]:
    targets = dict(_target(word) for word in estate.dead_letters)
    queues = tuple(dict.fromkeys(estate.queue)) or app.registry.queues()
    if strangers := targets.keys() - set(queues):
        raise ConfigurationError(f"--dead-letters names {min(strangers)!r}, which is none of {', '.join(queues)}")
    prefix = app.whereabouts()["queue_prefix"]
    callbacks = app.chosen_callbacks
    return [
        queue_pair(
            name,
            place,
            prefix=prefix,
            dead_letter_queue=targets.get(name, ""),
            calls_back=callbacks is not None and callbacks.queue in (None, name),
        )
        for name in queues
    ]


def _target(word: str) -> tuple[str, str]:
    queue, equals, target = word.partition("=")
    if not equals or not target:
        raise ConfigurationError(f"{word!r} names no dead-letter queue: write queue=name")
    return queue, target


def _table(app: App, place: Place) -> Iterable[Grantable]:
    store = app.chosen_store
    if store is not None and not isinstance(store, str):
        note(f"the app brings a {type(store).__name__} of its own: rights on it are not in the policy", "yellow")
        return ()
    return table_of(store, place)


def _bucket(app: App, place: Place) -> Iterable[Grantable]:
    blobs = app.chosen_blobs
    if blobs is not None and not isinstance(blobs, FileBlobs | S3Blobs):
        note(f"the app brings {type(blobs).__name__} of its own: rights on it are not in the policy", "yellow")
    return bucket_of(blobs, place)


def _place(app: App, account: str) -> Place:
    """The account and region that are said; what is not said, the credentials know; else a word stands for it."""
    where = app.whereabouts()
    region, endpoint = where["region"] or "", SqsEndpoint(where["region"], where["endpoint_url"])
    if not (account and region) and endpoint.endpoint_url is None:
        from sqsjobs.transport.sqs_client import account_of  # noqa: PLC0415 - it imports aioboto3

        try:
            own_account, own_region = asyncio.run(account_of(endpoint))
        except ConfigurationError as problem:
            note(str(problem), "yellow")
        else:
            account, region = account or own_account, region or own_region
    return Place(account or ACCOUNT, region or REGION)


def _print(printed: object, place: Place) -> None:
    text = msgspec.json.format(msgspec.json.encode(printed), indent=2)
    sys.stdout.write(text.decode() + "\n")
    if place.unknown:
        options = {ACCOUNT: "--account", REGION: "--region"}
        said = " and ".join(f"{word} (give {options[word]})" for word in place.unknown)
        note(f"not known here, so replace in the text: {said}", "yellow")
