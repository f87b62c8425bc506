"""The annotated copy that goes to a dead-letter queue: the message as it was, and one attribute that says why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from msgspec.structs import replace

from sqsjobs.annotation import ANNOTATION, Annotation
from sqsjobs.disposition import DeadLetter
from sqsjobs.outcome import Failure
from sqsjobs.transport.base import MAX_MESSAGE_BYTES, Delivery, OutgoingMessage, is_fifo, message_size
from sqsjobs.worker.held import Held

__all__ = ["annotate", "dead_letter"]

_ERROR_TEXT: Final = 200
_MOST_ATTRIBUTES: Final = 10


def annotate(
    held: Held, disposition: DeadLetter, *, attempts: int, worker: str, time: float, with_error: bool
) -> Annotation:
    """Say why `held` is dead-lettered, after `attempts`, by `worker` at `time` (seconds since 1970)."""
    failure = disposition.failure or Failure("", disposition.detail)
    return Annotation(
        reason=disposition.reason,
        queue=held.delivery.queue,
        worker=worker,
        time=datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds"),
        task=held.job.task if held.job else "",
        job_id=held.job.id if held.job else "",
        error_type=failure.type,
        error=failure.message[:_ERROR_TEXT] if with_error else "",
        fingerprint=failure.fingerprint,
        attempts=attempts,
        epoch=held.epoch,
    )


def dead_letter(delivery: Delivery, annotation: Annotation, queue: str) -> OutgoingMessage:
    """Return the copy for the dead-letter queue `queue`.

    A foreign message may leave no room for the annotation: then its other attributes go first, and where its
    body alone fills a message, the annotation does.
    """
    others = {name: value for name, value in delivery.attributes.items() if name != ANNOTATION}
    kept = dict(list(others.items())[: _MOST_ATTRIBUTES - 1])
    bare = OutgoingMessage(
        body=delivery.body,
        group=(delivery.group or "sqsjobs") if is_fifo(queue) else delivery.group,
        deduplication_id=f"{delivery.message_id}-{annotation.epoch}" if is_fifo(queue) else None,
    )
    reason = {ANNOTATION: annotation.encode()}
    for attributes in ({**kept, **reason}, reason):
        annotated = replace(bare, attributes=attributes)
        if message_size(annotated) <= MAX_MESSAGE_BYTES:
            return annotated
    return bare
