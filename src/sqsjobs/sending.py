"""How one job is sent, as its caller chose with `Task.using`, and the message it becomes.

What SQS would refuse is refused here, at the call, before anything is sent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from sqsjobs import envelope
from sqsjobs.callbacks.destinations import Destination
from sqsjobs.errors import ConfigurationError, DelayTooLong, EnqueueRejected, PayloadTooLarge
from sqsjobs.job import NO_HEADERS, Job
from sqsjobs.transport.base import MAX_DELAY, OutgoingMessage, is_fifo, message_size

__all__ = ["MAX_HEADER_BYTES", "Sending", "check_fifo", "checked_queue", "message_of", "seconds_of"]

MAX_HEADER_BYTES: Final = 8192
"""The most bytes of all the headers of a job together; what is large belongs into the arguments."""

MAX_UNIQUE_BYTES: Final = 256
"""The longest key of `unique`, in bytes of UTF-8."""

_SMALL: Final = envelope.MAX_ENVELOPE_BYTES // 4
"""Characters that cannot be too many bytes: UTF-8 has four for each at most."""

_QUEUE_NAME = re.compile(r"(?=.{1,80}\Z)[A-Za-z0-9_-]+(\.fifo)?", re.ASCII)
_QUEUE_URL = re.compile(r"https?://[^\s/]+(/[^\s/]+)*/[A-Za-z0-9_-]{1,75}(\.fifo|[A-Za-z0-9_-]{0,5})", re.ASCII)
_GROUP = re.compile(r"[!-~]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Sending:
    """The options of a send; each is checked when it is given, `check_fifo` checks them against the queue.

    Attributes:
        queue: the queue's name in the app, or its URL.
        delay: seconds before the job may start; up to 900.
        group: the message group (FIFO), or the tenant of a fair queue: 1 to 128 printable ASCII characters.
        unique: a key that at most one unfinished job of the task has.
        headers: what travels beside the arguments.
        callback: the URL to which the job's outcome is to be posted.
    """

    queue: str
    delay: float = 0.0
    group: str | None = None
    unique: str | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: NO_HEADERS)
    callback: str | None = None

    def __post_init__(self) -> None:
        checked_queue(self.queue)
        if self.delay > MAX_DELAY:
            raise DelayTooLong(delay=self.delay)
        if self.group is not None and not (isinstance(self.group, str) and _GROUP.fullmatch(self.group)):
            raise EnqueueRejected(
                f"group {self.group!r} is not 1 to 128 printable ASCII characters without spaces, as SQS wants them",
                code="InvalidGroup",
            )
        if self.unique is not None and not 0 < _byte_length(self.unique, "unique") <= MAX_UNIQUE_BYTES:
            raise ConfigurationError(f"unique is a text of 1 to {MAX_UNIQUE_BYTES} bytes, not {self.unique!r}")
        _check_headers(self.headers)
        if self.callback is not None:
            Destination.of(self.callback)

    def changed(
        self,
        *,
        queue: str | None = None,
        delay: timedelta | float | None = None,
        group: str | None = None,
        unique: str | None = None,
        headers: Mapping[str, str] | None = None,
        callback: str | None = None,
    ) -> Sending:
        """Return a copy in which what is given is changed; headers are added to those that are there."""
        return replace(
            self,
            queue=self.queue if queue is None else queue,
            delay=self.delay if delay is None else seconds_of(delay, "delay"),
            group=self.group if group is None else group,
            unique=self.unique if unique is None else unique,
            headers=self.headers if headers is None else MappingProxyType({**self.headers, **headers}),
            callback=self.callback if callback is None else callback,
        )


def check_fifo(sending: Sending) -> None:
    """Check the options of a send to a FIFO queue against what SQS asks for there.

    Raises:
        EnqueueRejected: if it would refuse them: a delay, or no group.
    """
    if sending.delay:
        raise EnqueueRejected(
            f"queue {sending.queue!r} is FIFO, and SQS cannot delay single messages there: "
            f"drop the delay, or use a standard queue",
            code="DelayOnFifo",
        )
    if sending.group is None:
        raise EnqueueRejected(
            f"queue {sending.queue!r} is FIFO, so every job needs a group: task.using(group=...).enqueue(...)",
            code="GroupRequired",
        )


def message_of(job: Job, body: str, delay: float = 0.0) -> OutgoingMessage:
    """Return the message that carries `job`, visible after `delay` seconds (rounded up: SQS counts whole ones).

    A longer delay than SQS has is cut to that; what comes before the job's `not_before` the worker puts off again.

    `body` is the job's envelope, as `Sealing.seal` made it.

    On a FIFO queue its deduplication id is the job's id and epoch: a send that is repeated is one message, and a
    job that is sent anew is not swallowed by SQS's memory of five minutes.

    Raises:
        PayloadTooLarge: if it is larger than `envelope.MAX_ENVELOPE_BYTES`.
    """
    message = OutgoingMessage(
        body,
        delay=min(math.ceil(delay), MAX_DELAY),
        group=job.group,
        deduplication_id=f"{job.id}-{job.epoch}" if is_fifo(job.queue) else None,
    )
    if len(body) > _SMALL and (size := message_size(message)) > envelope.MAX_ENVELOPE_BYTES:
        raise PayloadTooLarge(size=size, limit=envelope.MAX_ENVELOPE_BYTES, job_id=job.id)
    return message


def checked_queue(queue: str) -> str:
    """Return `queue` if it is a name or URL as SQS has them.

    Raises:
        ConfigurationError: if it is neither.
    """
    if not isinstance(queue, str) or not (_QUEUE_NAME.fullmatch(queue) or _QUEUE_URL.fullmatch(queue)):
        raise ConfigurationError(
            f"{queue!r} is no queue: a name has 1 to 80 of A-Z a-z 0-9 _ - and ends in .fifo for FIFO; or give its URL"
        )
    return queue


def seconds_of(duration: timedelta | float, option: str) -> float:
    """Return a duration in seconds.

    Raises:
        ConfigurationError: if it is negative, not finite, or no duration.
    """
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < float("inf"):
        raise ConfigurationError(f"{option} is a number of seconds from 0 up, or a timedelta; not {duration!r}")
    return float(seconds)


def _check_headers(headers: Mapping[str, str]) -> None:
    size = sum(
        _byte_length(name, "a header's name") + _byte_length(value, f"header {name!r}")
        for name, value in headers.items()
    )
    if size > MAX_HEADER_BYTES:
        raise ConfigurationError(f"the headers have {size:,} bytes, the limit is {MAX_HEADER_BYTES:,}")


def _byte_length(text: str, option: str) -> int:
    try:
        return len(text.encode())
    except (AttributeError, UnicodeEncodeError):  # not a text; lone surrogates
        raise ConfigurationError(f"{option} is a text that UTF-8 can hold, not {text!r}") from None
