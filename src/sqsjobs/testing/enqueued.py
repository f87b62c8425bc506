"""What was enqueued, and whether it is what a test wanted: plain values and pure functions."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final  # Any: tasks of every signature

import msgspec

from sqsjobs import envelope
from sqsjobs.errors import ConfigurationError, InvalidArguments, InvalidEnvelope, UnsupportedVersion
from sqsjobs.job import Job, JobId
from sqsjobs.registry import Registry
from sqsjobs.sending import Sending
from sqsjobs.task import Task
from sqsjobs.testing.telling import told_call
from sqsjobs.transport.base import OutgoingMessage

__all__ = ["EnqueuedJob", "SentMessage", "Wanted", "enqueued_job", "told_difference"]

_TOLD: Final = 20
"""The most jobs that the message of a failed assertion lists."""


@dataclass(frozen=True, slots=True)
class EnqueuedJob:
    """A job that a queue has accepted.

    Attributes:
        id: the job's id.
        task: the task's name.
        queue: where it was sent.
        arguments: by name, those left to their defaults included; of the annotated types.
        delay: seconds before it may start.
        group: the message group, or the tenant of a fair queue, or None.
        headers: what travels beside the arguments.
        callback: the URL to which its outcome is to be posted, or None.
    """

    id: JobId
    task: str
    queue: str
    arguments: Mapping[str, Any]
    delay: int
    group: str | None
    headers: Mapping[str, str]
    callback: str | None = None

    def __str__(self) -> str:
        call = told_call(self.task, self.arguments)
        return f"{call}{_told_sending(self.queue, self.delay, self.group, self.headers, self.callback)}"


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message that a queue has accepted, under its id."""

    queue: str
    id: str
    message: OutgoingMessage


def enqueued_job(sent: SentMessage, registry: Registry) -> EnqueuedJob | None:
    """Return the job that a message carries, or None if it carries none."""
    message = sent.message
    try:
        job = envelope.decode(message.body, queue=sent.queue, message_id=sent.id, group=message.group)
    except (InvalidEnvelope, UnsupportedVersion):
        return None
    return EnqueuedJob(
        id=job.id,
        task=job.task,
        queue=sent.queue,
        arguments=_arguments(job, registry.get(job.task)),
        delay=message.delay,
        group=message.group,
        headers=job.headers,
        callback=job.callback,
    )


def _arguments(job: Job, task: Task[..., Any] | None) -> Mapping[str, Any]:
    """Return the arguments as the function would get them; those of a task whose code is elsewhere as plain JSON."""
    plain: dict[str, Any] = msgspec.json.decode(job.arguments)
    if task is None:
        return plain
    try:
        given = task.codec.decode_arguments(job.arguments)
    except InvalidArguments:  # a message that somebody wrote by hand
        return plain
    parameters = inspect.signature(task.function).parameters
    values = {name: given.get(name, parameter.default) for name, parameter in parameters.items()}
    return {name: value for name, value in values.items() if value is not inspect.Parameter.empty}


class Wanted:
    """A call that a test wants: a task, some of its arguments, some of the options of `Task.using`.

    Raises:
        InvalidArguments: if the task has no such parameter.
        ConfigurationError: for the option `unique`, of which the message says nothing.
    """

    def __init__(self, task: Task[..., Any], args: Sequence[object], kwargs: Mapping[str, object]) -> None:
        if task.options.unique is not None:
            raise ConfigurationError("a message does not tell its `unique` key: assert on handle.deduplicated")
        self._task = task
        self._arguments = _by_name(task, args, kwargs)

    def __str__(self) -> str:
        options, default = self._options, Sending(self._task.queue)
        queue = options.queue if options.queue != default.queue else ""
        more = len(self._arguments) < len(inspect.signature(self._task.function).parameters)
        call = told_call(self._task.name, self._arguments, more=more)
        return f"{call}{_told_sending(queue, options.delay, options.group, options.headers, options.callback)}"

    def same_task(self, job: EnqueuedJob) -> bool:
        """Whether `job` is one of the task."""
        return job.task == self._task.name

    def fits(self, job: EnqueuedJob) -> bool:
        """Whether `job` is such a call; what the test did not say may be anything."""
        return self.same_task(job) and self._fits_arguments(job) and self._fits_options(job)

    def _fits_arguments(self, job: EnqueuedJob) -> bool:
        sent = job.arguments
        return all(name in sent and _equal(sent[name], value) for name, value in self._arguments.items())

    def _fits_options(self, job: EnqueuedJob) -> bool:
        options = self._options
        return (
            options.queue in (job.queue, self._task.queue)
            and (not options.delay or math.ceil(options.delay) == job.delay)
            and options.group in (None, job.group)
            and options.headers.items() <= job.headers.items()
            and options.callback in (None, job.callback)
        )

    @property
    def _options(self) -> Sending:
        return self._task.options


def _by_name(task: Task[..., Any], args: Sequence[object], kwargs: Mapping[str, object]) -> Mapping[str, object]:
    signature = inspect.signature(task.function)
    try:
        arguments = dict(signature.bind_partial(*args, **kwargs).arguments)
    except TypeError as error:
        raise InvalidArguments(task.name, str(error)) from None
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:  # of a task whose code is elsewhere
            arguments |= arguments.pop(parameter.name, {})
    return arguments


def _equal(sent: object, wanted: object) -> bool:
    """Whether two values are equal, or the same on the wire, where a tuple is a list."""
    return bool(sent == wanted) or _on_the_wire(sent) == _on_the_wire(wanted)


def _on_the_wire(value: object) -> object:
    try:
        return msgspec.json.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return value


def told_difference(wanted: Wanted, times: int, found: int, jobs: Sequence[EnqueuedJob]) -> str:
    """Return what was wanted, how often, and what was enqueued: the jobs of the wanted task first."""
    headline = f"{wanted} was enqueued {found} times, not {times}" if found else f"{wanted} was not enqueued"
    if not jobs:
        return f"{headline}, nor was anything else"
    return "\n".join([f"{headline}. These were:", *(f"  {line}" for line in _told_jobs(wanted, jobs))])


def _told_jobs(wanted: Wanted, jobs: Sequence[EnqueuedJob]) -> Iterator[str]:
    ranked = sorted(jobs, key=lambda job: not wanted.same_task(job))
    yield from map(str, ranked[:_TOLD])
    if len(jobs) > _TOLD:
        yield f"… and {len(jobs) - _TOLD} more"


def _told_sending(queue: str, delay: float, group: str | None, headers: Mapping[str, str], callback: str | None) -> str:
    told = (
        queue and f"on queue {queue!r}",
        delay and f"delayed by {delay:g} s",
        group and f"in group {group!r}",
        headers and f"with headers {dict(headers)!r}",
        callback and f"with callback {callback!r}",
    )
    return "".join(f", {part}" for part in told if part)
