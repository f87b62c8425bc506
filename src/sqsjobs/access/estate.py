"""Everything at AWS that an app uses, as things that roles may be granted rights on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlsplit

from sqsjobs.access.grants import Bucket, DeadLetters, Grantable, Key, Queue, Table
from sqsjobs.access.place import Place
from sqsjobs.blobs import Blobs, S3Blobs
from sqsjobs.errors import ConfigurationError
from sqsjobs.transport.address import dead_letter_name
from sqsjobs.transport.base import is_fifo

__all__ = ["QueuePair", "bucket_of", "checked_key", "key_of", "queue_pair", "table_of"]


@dataclass(frozen=True, slots=True)
class QueuePair:
    """A queue, as it is called at SQS, and its dead-letter queue."""

    name: str
    queue: Queue
    dead_letter_name: str
    dead_letters: DeadLetters


def queue_pair(
    queue: str, place: Place, *, prefix: str = "", dead_letter_queue: str = "", calls_back: bool = False
) -> QueuePair:
    """Return the queue that an app calls `queue`, a name or a URL, with its dead-letter queue.

    Args:
        queue: as the app's tasks name it.
        place: where it is, if its URL says nothing else.
        prefix: put before every name.
        dead_letter_queue: the name at SQS, where it is not the queue's with ``-dlq``.
        calls_back: whether the jobs that post callbacks go to it.
    """
    by_name = "://" not in queue
    where = place if by_name else place.of_queue(queue)
    name = prefix + queue if by_name else queue.rstrip("/").rpartition("/")[2]
    target = dead_letter_queue or dead_letter_name(name)
    return QueuePair(
        name,
        Queue(where.queue(name), fifo=is_fifo(name), by_name=by_name, calls_back=calls_back),
        target,
        DeadLetters(where.queue(target), by_name=by_name),
    )


def key_of(arn: str, place: Place) -> Key:
    """Return the KMS key of queues that has that ARN; raises what `checked_key` raises."""
    return Key(checked_key(arn), place)


def checked_key(arn: str) -> str:
    """Return the ARN of a KMS key.

    Raises:
        ConfigurationError: if it is no ARN of a key: aliases and ids name no key in a policy.
    """
    if not (arn.startswith("arn:") and ":kms:" in arn and ":key/" in arn):
        raise ConfigurationError(
            f"{arn!r} is no ARN of a KMS key, such as arn:aws:kms:eu-west-1:111122223333:key/…: "
            f"a policy that names a key by its alias allows nothing"
        )
    return arn


def table_of(store_url: str | None, place: Place) -> Iterable[Grantable]:
    """Return the table behind the URL of a job store; nothing, where the store is not at AWS."""
    parts = urlsplit(store_url or "")
    if parts.scheme != "dynamodb" or not parts.netloc:
        return []
    region = dict(parse_qsl(parts.query)).get("region", place.region)
    return [Table(replace(place, region=region).table(parts.netloc))]


def bucket_of(blobs: Blobs | None, place: Place) -> Iterable[Grantable]:
    """Return the bucket of an app's blobs; nothing, where they are in files or there are none."""
    return [Bucket(place.bucket(blobs.bucket), blobs.prefix)] if isinstance(blobs, S3Blobs) else []
