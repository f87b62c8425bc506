"""What a worker looks at before it starts: that its queues are there, and that nothing can get lost in them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqsjobs.errors import ConfigurationError, QueueNotFound, TransportUnavailable
from sqsjobs.events import Observer, RedriveTooLow
from sqsjobs.registry import Registry
from sqsjobs.task import Task
from sqsjobs.transport.base import QueueDescription, Transport

__all__ = ["inspect_queues"]

_TRIES: Final = 5
_PAUSE: Final = 1.0
_SPARE_DELIVERIES: Final = 10


async def inspect_queues(
    names: Iterable[str],
    transport: Transport,
    registry: Registry,
    *,
    calls_back_to: str | None = None,
    allow_no_dlq: bool,
    observer: Observer,
) -> Mapping[str, QueueDescription]:
    """Return what the queues' attributes say; of `calls_back_to`, the queue of callbacks, it is enough that it is there.

    Raises:
        ConfigurationError: if a queue is missing, or has no dead-letter queue where one is needed.
        TransportUnavailable: if SQS does not answer for some seconds.
    """
    queues = {name: await _describe(name, transport) for name in names}
    for name, queue in queues.items():
        tasks = [task for task in registry if task.queue == name]
        if queue.dead_letter_queue is None and not allow_no_dlq:
            _require_discard(name, tasks)
        _warn_of_early_redrive(queue, tasks, observer)
    if calls_back_to is not None and calls_back_to not in queues:
        await _describe(calls_back_to, transport)
    return queues


async def _describe(name: str, transport: Transport) -> QueueDescription:
    for tries_left in reversed(range(_TRIES)):
        try:
            return await transport.describe(name)
        except QueueNotFound as problem:
            raise ConfigurationError(
                f"queue {name!r} does not exist: create it with `sqsjobs queues apply`, or correct its name ({problem})"
            ) from problem
        except TransportUnavailable:
            if not tries_left:
                raise
            await asyncio.sleep(_PAUSE)
    raise AssertionError("unreachable")


def _require_discard(name: str, tasks: list[Task[..., Any]]) -> None:
    if tasks and all(task.on_exhausted == "discard" for task in tasks):
        return
    raise ConfigurationError(
        f"queue {name!r} has no dead-letter queue, so exhausted jobs would have nowhere to go: add one with "
        f"`sqsjobs queues apply`, declare the tasks with on_exhausted='discard', or App(allow_no_dlq=True)"
    )


def _warn_of_early_redrive(queue: QueueDescription, tasks: list[Task[..., Any]], observer: Observer) -> None:
    """SQS moves a message after maxReceiveCount deliveries, and not every delivery is an attempt."""
    most = max((task.retry.max_attempts for task in tasks), default=1)
    if queue.max_receive_count is not None and queue.max_receive_count < most + _SPARE_DELIVERIES:
        observer(RedriveTooLow(queue.name, queue.max_receive_count, most + _SPARE_DELIVERIES))
