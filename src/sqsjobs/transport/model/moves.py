"""Message move tasks: the messages of a dead-letter queue go back where they came from, or to another queue."""

from __future__ import annotations

import base64
import binascii
import json
from collections import deque
from dataclasses import dataclass
from typing import Final

from sqsjobs.transport.model.account import Account
from sqsjobs.transport.model.ids import Ids
from sqsjobs.transport.model.messages import Message
from sqsjobs.transport.model.queue import Queue
from sqsjobs.transport.model.refusal import Refusal, invalid_parameter

__all__ = ["MoveTask", "Moves"]

REMEMBERED: Final = 10
"""Tasks of one source that are listed."""


@dataclass(frozen=True, slots=True)
class MoveTask:
    """A task that has ended: the model moves everything at once. `started_wall` is in milliseconds since 1970."""

    handle: str
    status: str
    source_arn: str
    destination_arn: str | None
    rate: int | None
    moved: int
    to_move: int
    started_wall: int
    failure: str | None = None


class Moves:
    """Runs move tasks and remembers the last of each source. Messages in flight or delayed stay where they are."""

    def __init__(self, account: Account, ids: Ids) -> None:
        self._account = account
        self._ids = ids
        self._tasks: dict[str, deque[MoveTask]] = {}

    def start(self, source_arn: str, destination_arn: str | None = None, rate: int | None = None) -> MoveTask:
        """Move the visible messages of a dead-letter queue; without a destination each to where it came from.

        Raises:
            Refusal: where a queue does not exist, or the source is nobody's dead-letter queue.
        """
        source = self._existing("SourceArn", source_arn)
        if not self._account.is_dead_letter_queue(source):
            problem = "Source queue must be configured as a Dead Letter Queue."
            raise Refusal("InvalidParameterValueException", problem)
        if destination_arn is not None:
            self._check_destination(source, destination_arn)
        if rate is not None and not 1 <= rate <= 500:
            raise invalid_parameter("MaxNumberOfMessagesPerSecond", rate, "Must be between 1 and 500, if provided.")
        to_move = source.visible
        moved, failure = self._move(source, destination_arn)
        task = MoveTask(
            handle=_write_handle(self._ids.new(), source_arn),
            status="FAILED" if failure else "COMPLETED",
            source_arn=source_arn,
            destination_arn=destination_arn,
            rate=rate,
            moved=moved,
            to_move=to_move,
            started_wall=self._account.wall(),
            failure=failure,
        )
        self._tasks.setdefault(source_arn, deque(maxlen=REMEMBERED)).appendleft(task)
        return task

    def tasks(self, source_arn: str, limit: int = 1) -> list[MoveTask]:
        """Return the latest tasks of a source, the latest first."""
        self._existing("SourceArn", source_arn)
        if not 1 <= limit <= REMEMBERED:
            raise invalid_parameter("MaxResults", limit, "Must be between 1 and 10, if provided.")
        return list(self._tasks.get(source_arn, ()))[:limit]

    def cancel(self, handle: str) -> None:
        """Refuse to cancel: every task that exists here has ended."""
        self._existing("SourceArn", _source_of(handle))
        raise Refusal("ResourceNotFoundException", "Task does not exist.")

    def _existing(self, parameter: str, arn: str) -> Queue:
        queue = self._account.find(arn)
        if queue is None:
            problem = f"The resource that you specified for the {parameter} parameter doesn't exist."
            raise Refusal("ResourceNotFoundException", problem)
        return self._account.queue(queue.name)

    def _check_destination(self, source: Queue, arn: str) -> None:
        if self._existing("DestinationArn", arn).settings.fifo != source.settings.fifo:
            raise invalid_parameter("DestinationArn", arn, "Source and destination queues must be of the same type.")

    def _move(self, source: Queue, destination_arn: str | None) -> tuple[int, str | None]:
        moved = 0
        for _ in range(source.visible):
            candidates = source.next(1)
            if not candidates:
                break
            target_arn = destination_arn or candidates[0].source_arn
            if target_arn is None:
                return moved, "CouldNotDetermineMessageSource"
            target = self._account.find(target_arn)
            if target is None:
                return moved, "AWS.SimpleQueueService.NonExistentQueue"
            self._move_one(candidates[0], source, target)
            moved += 1
        return moved, None

    def _move_one(self, message: Message, source: Queue, target: Queue) -> None:
        """Move a message; it is a new one in its new queue, with an id, an age and a receive count of its own."""
        source.remove(message)
        target.put(
            Message(
                id=self._ids.new(),
                body=message.body,
                attributes=message.attributes,
                group=message.group,
                deduplication_id=message.deduplication_id,
                sequence=self._ids.next_sequence() if target.settings.fifo else None,
                trace_header=message.trace_header,
                sent_at=self._account.clock.now(),
                sent_wall=self._account.wall(),
            )
        )
        self._account.wake(target)


def _write_handle(task_id: str, source_arn: str) -> str:
    return base64.b64encode(json.dumps({"taskId": task_id, "sourceArn": source_arn}).encode()).decode()


def _source_of(handle: str) -> str:
    try:
        return str(json.loads(base64.b64decode(handle, validate=True))["sourceArn"])
    except (ValueError, binascii.Error, KeyError, TypeError):
        problem = "Value for parameter TaskHandle is invalid."
        raise Refusal("InvalidParameterValueException", problem) from None
