"""The record of a job as Django's `TaskResult` tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final  # Any: arguments and results

import msgspec
from django.conf import settings

import sqsjobs
from sqsjobs.integrations.django.interface import InvalidTask, Task, TaskError, TaskResult, TaskResultStatus
from sqsjobs.job import Job, JobStatus
from sqsjobs.store.base import JobRecord

__all__ = ["date", "new_result", "result_of", "task_as_sent"]

_STATUSES: Final[Mapping[JobStatus, TaskResultStatus]] = {
    JobStatus.SCHEDULED: TaskResultStatus.READY,
    JobStatus.QUEUED: TaskResultStatus.READY,
    JobStatus.RETRYING: TaskResultStatus.READY,
    JobStatus.RUNNING: TaskResultStatus.RUNNING,
    JobStatus.SUCCEEDED: TaskResultStatus.SUCCESSFUL,
    JobStatus.FAILED: TaskResultStatus.FAILED,
    JobStatus.DISCARDED: TaskResultStatus.FAILED,
    JobStatus.CANCELLED: TaskResultStatus.FAILED,
}
"""Django has four; a task that waits for its next attempt is ready to be executed again."""


def new_result(
    task: Task, alias: str, args: Sequence[Any], kwargs: Mapping[str, Any], job_id: str = "", **known: Any
) -> TaskResult:
    """Return a result of which nothing is known yet but what `known` has; Django checks that the arguments are JSON.

    Raises:
        TypeError, ValueError: if an argument has no JSON form.
    """
    unknown: dict[str, Any] = {
        "status": TaskResultStatus.READY,
        "enqueued_at": None,
        "started_at": None,
        "finished_at": None,
        "last_attempted_at": None,
        "errors": [],
        "worker_ids": [],
    }
    return TaskResult(task=task, id=job_id, args=args, kwargs=kwargs, backend=alias, **unknown | known)


def result_of(record: JobRecord, task: Task, alias: str, sent: Job | None) -> TaskResult:
    """Return what a record tells of a job of `task`.

    `sent` is the job as it was sent, or None where the record does not keep that: then its arguments are not known
    any more, and shown as none.
    """
    arguments: dict[str, Any] = msgspec.json.decode(sent.arguments) if sent and not sent.blob else {}
    result = new_result(
        task_as_sent(task, alias, record.queue),
        alias,
        arguments.get("args") or (),
        arguments.get("kwargs") or {},
        record.id,
        status=_STATUSES[record.status],
        enqueued_at=date(record.enqueued_at),
        started_at=_first_start(record),
        last_attempted_at=date(record.started_at) if record.attempts else None,
        finished_at=date(record.ended_at),
        errors=_errors(record),
        worker_ids=_workers(record),
    )
    if record.result is not None:
        object.__setattr__(result, "_return_value", msgspec.json.decode(record.result))
    return result


def task_as_sent(task: Task, alias: str, queue: str) -> Task:
    """Return a copy of `task` on the queue and the backend that it went to, where the settings still allow them."""
    try:
        return task.using(backend=alias, queue_name=queue)
    except InvalidTask:
        return task


def date(seconds: float | None) -> datetime | None:
    """Return a date as Django's settings want them: with a time zone (USE_TZ), or without."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC if settings.USE_TZ else None)


def _first_start(record: JobRecord) -> datetime | None:
    starts = [past.started_at for past in record.history if past.started_at]
    return date(min(starts)) if starts else date(record.started_at) if record.attempts else None


def _workers(record: JobRecord) -> list[str]:
    """Return a worker for each attempt, as Django counts them; empty where the record does not say so any more."""
    known = {past.number: past.worker for past in record.history}
    last = {record.attempts: record.worker or ""} if record.attempts else {}
    return [(known | last).get(number, "") for number in range(1, record.attempts + 1)]


def _errors(record: JobRecord) -> list[TaskError]:
    """Return an error for each attempt that had one; of those before the last, the record keeps no traceback."""
    told = [past.error for past in record.history if past.error]
    failure = record.failure
    if failure is None:
        cancelled = TaskError(exception_class_path="sqsjobs.JobCancelled", traceback="the job was cancelled")
        return [*map(_told, told), *([cancelled] if record.status is JobStatus.CANCELLED else [])]
    text = f"{failure.type}: {failure.message}"
    before = told[:-1] if told and text.startswith(told[-1]) else told  # the history has its beginning, too
    last = TaskError(exception_class_path=_importable(failure.type), traceback=failure.traceback or text)
    return [*map(_told, before), last]


def _told(error: str) -> TaskError:
    return TaskError(exception_class_path=_importable(error.partition(":")[0]), traceback=error)


def _importable(error_type: str) -> str:
    """Return the path of an exception's class; what only has a word of ours is a failed job."""
    module, _, name = error_type.partition(".")
    return (
        "sqsjobs.JobFailed" if module == "sqsjobs" and "." not in name and name not in sqsjobs.__all__ else error_type
    )
