"""The first step in the life of a message: what is in it, and whether this worker can run that now."""

from __future__ import annotations

from typing import Final

from sqsjobs.callbacks import Callbacks, check_callback
from sqsjobs.clock import Clock
from sqsjobs.errors import (
    BlobsUnavailable,
    CallbackRefused,
    InvalidArguments,
    InvalidEnvelope,
    KeysUnavailable,
    PayloadMissing,
    UnsupportedVersion,
)
from sqsjobs.events import JobDelivered, Observer
from sqsjobs.job import Job
from sqsjobs.outcome import BlobsDown, KeysDown, NotDue, Outcome, Poison, Unknown
from sqsjobs.registry import Registry
from sqsjobs.sealing import Sealing
from sqsjobs.worker.held import Held

__all__ = ["Reading"]

_EARLY: Final = 1.0
"""Seconds by which a job may start before it is due: clocks differ, and SQS counts in whole seconds."""
_MISSING_TRIES: Final = 3
"""Deliveries for which arguments that are not where they were kept are looked for."""


class Reading:
    """Makes jobs, tasks and arguments of what messages hold.

    Args:
        registry: the tasks that this worker knows.
        sealing: opens what messages hold.
        callbacks: where callbacks may go; None for nowhere.
    """

    def __init__(
        self, registry: Registry, sealing: Sealing, callbacks: Callbacks | None, *, observer: Observer, clock: Clock
    ) -> None:
        self._registry = registry
        self._sealing = sealing
        self._callbacks = callbacks
        self._tell = observer
        self._clock = clock

    async def read(self, held: Held) -> Outcome | None:
        """Read the message; an outcome if it is no job that this worker can run."""
        delivery = held.delivery
        try:
            job = await self._sealing.open(
                delivery.body,
                queue=delivery.queue,
                message_id=delivery.message_id,
                group=delivery.group,
                sent_at=delivery.sent_at,
            )
            self._introduce(held, job)
            held.task = task = self._registry.get(job.task)
            if task is None:
                return Unknown("unknown-task", f"this worker has no task {job.task[:200]!r}")
            if job.callback is not None:
                check_callback(self._callbacks, job.callback)
            if job.blob is not None:
                held.job = job = await self._sealing.completed(job)
            held.arguments = task.codec.decode_arguments(job.arguments)
        except CallbackRefused as problem:
            return Unknown("callback-refused", str(problem))  # another worker may allow it, as during a deployment
        except PayloadMissing as problem:
            # It was kept before the message was sent, so it should be there; what is gone does not come back.
            tries = delivery.receive_count
            return BlobsDown(str(problem)) if tries < _MISSING_TRIES else Poison(problem.code, str(problem))
        except (UnsupportedVersion, KeysUnavailable, BlobsUnavailable, InvalidEnvelope, InvalidArguments) as problem:
            return _unread(problem)
        if job.not_before is None:
            return None
        early = job.not_before - self._clock.wall()
        return NotDue(early) if early > _EARLY else None

    def _introduce(self, held: Held, job: Job) -> None:
        """Name the life after its job, so that the watchdog can name who blocks the loop."""
        held.job = job
        assert held.life is not None
        held.life.set_name(f"job {job.task} {job.id}")
        self._tell(JobDelivered(job, held.delivery.receive_count))


def _unread(
    problem: UnsupportedVersion | KeysUnavailable | BlobsUnavailable | InvalidEnvelope | InvalidArguments,
) -> Outcome:
    """Return what becomes of a message that is no job this worker can run, now or ever."""
    match problem:
        case UnsupportedVersion():
            return Unknown("unsupported-version", str(problem))
        case KeysUnavailable():
            return KeysDown(str(problem))
        case BlobsUnavailable():
            return BlobsDown(str(problem))
        case InvalidEnvelope():
            return Poison(problem.code, str(problem))
        case InvalidArguments():
            return Poison("invalid-arguments", str(problem))
