"""The queues of one account in one region: creating, finding, listing, configuring and deleting them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqsjobs.clock import Clock
from sqsjobs.transport.model.attributes import NAMES, Settings, check_name, normalize, settings_of
from sqsjobs.transport.model.queue import Queue
from sqsjobs.transport.model.refusal import Refusal, invalid_parameter, queue_missing

__all__ = ["PURGE_EVERY", "RECREATE_AFTER", "Account", "Page", "redrive_policy"]

PURGE_EVERY: Final = 60.0
"""Seconds after a purge in which the queue cannot be purged again."""

RECREATE_AFTER: Final = 60.0
"""Seconds after a deletion in which no queue of the same name can be created."""


@dataclass(frozen=True, slots=True)
class Page:
    """Queues of a listing, and the name after which the next page starts, or None."""

    queues: tuple[Queue, ...]
    next_token: str | None


class Account:
    """The directory of queues. ARNs are made from `region` and the account's `number`."""

    def __init__(self, clock: Clock, *, region: str, number: str) -> None:
        self.region = region
        self.number = number
        self.clock = clock
        self._queues: dict[str, Queue] = {}
        self._deleted: dict[str, float] = {}
        self._created = 0
        self._woken: set[str] = set()

    def wall(self) -> int:
        """Return the date, in milliseconds since 1970."""
        return int(self.clock.wall() * 1000)

    def wake(self, queue: Queue) -> None:
        """Note that messages of `queue` may have become available."""
        self._woken.add(queue.name)

    def take_woken(self) -> set[str]:
        """Return the names of the queues in which messages may have become available since the last call."""
        woken, self._woken = self._woken, set()
        return woken

    def create(self, name: str, attributes: Mapping[str, str], tags: Mapping[str, str]) -> Queue:
        """Create a queue, or return the one that is there if it has these attributes.

        Raises:
            Refusal: QueueNameExists, QueueDeletedRecently, or what is wrong with the name or an attribute.
        """
        fifo = str(attributes.get("FifoQueue", "")).lower() == "true"
        check_name(name, fifo=fifo)
        given = normalize(attributes, fifo=fifo)
        if name in self._queues:
            return _same(self._queues[name], given)
        if self.clock.now() - self._deleted.get(name, float("-inf")) < RECREATE_AFTER:
            raise Refusal(
                "QueueDeletedRecently",
                "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
            )
        settings = settings_of(_without_empty(given), fifo=fifo)
        self._check_redrive(self.arn_of(name), settings)
        return self._add(name, settings, tags)

    def queue(self, name: str) -> Queue:
        """Return a queue as it is at present.

        Raises:
            Refusal: QueueDoesNotExist.
        """
        queue = self._queues.get(name)
        if queue is None:
            raise queue_missing()
        queue.advance(self.clock.now())
        return queue

    def exists(self, name: str) -> bool:
        """Whether there is a queue of this name."""
        return name in self._queues

    def find(self, arn: str) -> Queue | None:
        """Return the queue with this ARN, or None."""
        queue = self._queues.get(arn.rpartition(":")[2])
        return queue if queue is not None and queue.arn == arn else None

    def delete(self, name: str) -> None:
        """Delete a queue and all its messages."""
        queue = self.queue(name)
        del self._queues[name]
        self._deleted[name] = self.clock.now()
        self.wake(queue)

    def purge(self, name: str) -> None:
        """Delete all messages of a queue, at most once a minute."""
        queue = self.queue(name)
        if self.clock.now() - queue.purged_at < PURGE_EVERY:
            problem = f"Only one PurgeQueue operation on {name} is allowed every 60 seconds."
            raise Refusal("PurgeQueueInProgress", problem)
        queue.purge(self.clock.now())

    def list_queues(self, *, prefix: str = "", limit: int | None = None, after: str | None = None) -> Page:
        """List queues by name; without a limit the first 1,000 and no token, as AWS does."""
        return _page((queue for name, queue in self._queues.items() if name.startswith(prefix)), limit, after)

    def sources_of(self, name: str, *, limit: int | None = None, after: str | None = None) -> Page:
        """List the queues whose dead-letter queue this is."""
        return _page(self._sources(self.queue(name).arn), limit, after)

    def is_dead_letter_queue(self, queue: Queue) -> bool:
        """Whether any queue sends its dead letters to `queue`."""
        return next(iter(self._sources(queue.arn)), None) is not None

    def dead_letter_queue(self, queue: Queue) -> Queue | None:
        """Return where dead letters of `queue` go, or None without a redrive policy or where it is gone."""
        redrive = queue.settings.redrive
        return None if redrive is None else self.find(redrive.target_arn)

    def attributes(self, name: str, names: Sequence[str]) -> dict[str, str]:
        """Return the attributes asked for; ``"All"`` asks for every one."""
        queue = self.queue(name)
        everything = {**queue.settings.text, **_counts(queue)}
        for wanted in names:
            if wanted != "All" and wanted not in NAMES:
                raise Refusal("InvalidAttributeName", f"Unknown Attribute {wanted}.")
        return {key: value for key, value in everything.items() if "All" in names or key in names}

    def set_attributes(self, name: str, attributes: Mapping[str, str]) -> None:
        """Change attributes; an empty text takes a policy or a KMS key away."""
        queue = self.queue(name)
        fifo = queue.settings.fifo
        given = normalize(attributes, fifo=fifo)
        if "FifoQueue" in given:
            raise Refusal(
                "InvalidAttributeValue",
                "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.",
            )
        if given.get("SqsManagedSseEnabled") == "true":
            given.setdefault("KmsMasterKeyId", "")
        settings = settings_of(_without_empty({**queue.settings.text, **given}), fifo=fifo)
        self._check_redrive(queue.arn, settings)
        queue.settings = settings
        queue.modified_wall = self.wall()

    def add_permission(self, name: str, label: str, accounts: Sequence[str], actions: Sequence[str]) -> None:
        """Add a statement to the queue's policy. Nothing enforces it here."""
        queue = self.queue(name)
        statements = _statements(queue)
        if any(statement.get("Sid") == label for statement in statements):
            raise invalid_parameter("Label", label, "Already exists.")
        principals = [f"arn:aws:iam::{account}:root" for account in accounts]
        statements.append(
            {
                "Sid": label,
                "Effect": "Allow",
                "Principal": {"AWS": principals[0] if len(principals) == 1 else principals},
                "Action": [f"SQS:{action}" for action in actions],
                "Resource": queue.arn,
            }
        )
        self._set_policy(name, queue, statements)

    def remove_permission(self, name: str, label: str) -> None:
        """Take the statement `label` out of the queue's policy."""
        queue = self.queue(name)
        statements = _statements(queue)
        kept = [statement for statement in statements if statement.get("Sid") != label]
        if len(kept) == len(statements):
            raise invalid_parameter("Label", label, "can't find label.")
        self._set_policy(name, queue, kept)

    def arn_of(self, name: str) -> str:
        """Return the ARN that a queue of this name has."""
        return f"arn:aws:sqs:{self.region}:{self.number}:{name}"

    def _add(self, name: str, settings: Settings, tags: Mapping[str, str]) -> Queue:
        self._created += 1
        arn, url_id = self.arn_of(name), f"{self._created:x}"
        queue = Queue(name, arn=arn, url_id=url_id, settings=settings, created_wall=self.wall())
        queue.tags.update(tags)
        self._queues[name] = queue
        return queue

    def _check_redrive(self, source_arn: str, settings: Settings) -> None:
        if settings.redrive is None:
            return
        value, target = settings.text["RedrivePolicy"], self.find(settings.redrive.target_arn)
        if target is None:
            raise invalid_parameter("RedrivePolicy", value, "Dead letter target does not exist.")
        if target.settings.fifo != settings.fifo:
            reason = "Dead-letter queue must be same type of queue as the source."
            raise invalid_parameter("RedrivePolicy", value, reason)
        if not target.settings.redrive_allow.allows(source_arn):
            reason = "The dead-letter queue's redrive allow policy does not allow this source queue."
            raise invalid_parameter("RedrivePolicy", value, reason)

    def _sources(self, arn: str) -> Iterable[Queue]:
        for queue in self._queues.values():
            if queue.settings.redrive is not None and queue.settings.redrive.target_arn == arn:
                yield queue

    def _set_policy(self, name: str, queue: Queue, statements: list[dict[str, Any]]) -> None:
        policy = {"Version": "2008-10-17", "Id": f"{queue.arn}/SQSDefaultPolicy", "Statement": statements}
        self.set_attributes(name, {"Policy": json.dumps(policy) if statements else ""})


def redrive_policy(target_arn: str, max_receive_count: int) -> str:
    """Return the text of a RedrivePolicy."""
    return json.dumps({"deadLetterTargetArn": target_arn, "maxReceiveCount": max_receive_count})


def _same(queue: Queue, given: Mapping[str, str]) -> Queue:
    for name, value in given.items():
        if queue.settings.text.get(name, "") != value:
            raise Refusal(
                "QueueNameExists",
                f"A queue already exists with the same name and a different value for attribute {name}",
            )
    return queue


def _without_empty(given: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in given.items() if value}


def _page(queues: Iterable[Queue], limit: int | None, after: str | None) -> Page:
    if limit is not None and not 1 <= limit <= 1_000:
        raise invalid_parameter("MaxResults", limit, "Must be between 1 and 1000, if provided.")
    found = sorted((queue for queue in queues if after is None or queue.name > after), key=lambda queue: queue.name)
    page = tuple(found[: limit or 1_000])
    more = limit is not None and len(found) > len(page)
    return Page(page, page[-1].name if more else None)


def _counts(queue: Queue) -> dict[str, str]:
    return {
        "ApproximateNumberOfMessages": str(queue.visible),
        "ApproximateNumberOfMessagesDelayed": str(queue.delayed),
        "ApproximateNumberOfMessagesNotVisible": str(queue.in_flight),
        "CreatedTimestamp": str(queue.created_wall // 1000),
        "LastModifiedTimestamp": str(queue.modified_wall // 1000),
        "QueueArn": queue.arn,
    }


def _statements(queue: Queue) -> list[dict[str, Any]]:  # Any: a policy is the client's JSON
    policy = json.loads(queue.settings.text.get("Policy") or "{}")
    return list(policy.get("Statement", []))
