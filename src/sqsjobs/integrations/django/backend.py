"""The backend that Django's settings name: enqueues onto SQS, and finds results in the job store."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar  # Any: arguments and results

import msgspec
from asgiref.sync import sync_to_async
from django.core import checks
from django.core.exceptions import SynchronousOnlyOperation

from sqsjobs.errors import ConfigurationError, SqsJobsError, UnknownJob
from sqsjobs.following import JobRecords
from sqsjobs.integrations.django.interface import (
    BaseTaskBackend,
    InvalidTask,
    Task,
    TaskResult,
    TaskResultDoesNotExist,
    task_enqueued,
)
from sqsjobs.integrations.django.results import date, new_result, result_of
from sqsjobs.integrations.django.wiring import Wiring, wiring
from sqsjobs.job import Job, JobId, JobStatus
from sqsjobs.sending import checked_queue
from sqsjobs.store.base import JobRecord
from sqsjobs.transport.base import is_fifo

__all__ = ["SQSJobsBackend"]

T = TypeVar("T")


class SQSJobsBackend(BaseTaskBackend):  # type: ignore[misc] # Django has no types
    """Enqueues Django's tasks as jobs on SQS; `sqsjobs worker sqsjobs.integrations.django:app` runs them.

    ``QUEUES`` are queues of SQS. ``OPTIONS`` are those of `App` (such as `store`, `queue_prefix`, `endpoint_url`), or
    `app`, one of your own; `retry`, `timeout` and `on_exhausted` of `@app.task`, for all tasks of the alias; and
    `modules`, where tasks are beside the ``tasks`` modules of the installed apps.
    """

    supports_defer = True
    supports_async_task = True
    supports_priority = False

    @property
    def supports_get_result(self) -> bool:
        """Whether the app keeps records of its jobs."""
        return self._wiring.app.tracking != "off"

    # Enqueueing --------------------------------------------------------------------------------------

    def validate_task(self, task: Task) -> None:
        """Raise `InvalidTask` if `task` cannot be run here: also for a FIFO queue, since Django's tasks have no groups."""
        super().validate_task(task)
        if problem := _queue_problem(task.queue_name):
            raise InvalidTask(problem)

    def enqueue(self, task: Task, args: Sequence[Any], kwargs: Mapping[str, Any]) -> TaskResult:
        """Send a call to its queue, and return once SQS has accepted it.

        Raises:
            InvalidTask: if the task is in no module where a worker would look for it, or not for this backend.
            TypeError: if the call does not fit the function, or an argument has no JSON form.
            SynchronousOnlyOperation: inside a running event loop, which it would block.
            SqsJobsError: what `Task.enqueue_sync` raises.
        """
        _refuse_event_loop("task.enqueue(...)", "await task.aenqueue(...)")
        result = self._sent(task, args, kwargs)
        task_enqueued.send_robust(sender=type(self), task_result=result)
        return result

    async def aenqueue(self, task: Task, args: Sequence[Any], kwargs: Mapping[str, Any]) -> TaskResult:
        """Do what `enqueue` does, without blocking the event loop."""
        result = await _in_thread(self._sent, task, args, kwargs)
        await task_enqueued.asend_robust(sender=type(self), task_result=result)
        return result

    def _sent(self, task: Task, args: Sequence[Any], kwargs: Mapping[str, Any]) -> TaskResult:
        self.validate_task(task)
        _check_call(task, args, kwargs)
        result = new_result(task, self.alias, args, kwargs)
        job = self._job_task(task).using(queue=task.queue_name)
        call = msgspec.structs.replace(job.call(args=result.args, kwargs=result.kwargs), delay=_delay(task.run_after))
        handle = self._wiring.app.send_call_sync(call)
        object.__setattr__(result, "id", handle.id)
        object.__setattr__(result, "enqueued_at", date(time.time()))
        return result

    def _job_task(self, task: Task) -> Any:
        known = self._wiring.jobs.get(task.module_path)
        if known is None:
            raise InvalidTask(
                f"no worker would find {task.module_path}: move it to the tasks module of an installed app, or name "
                f"{task.func.__module__!r} in TASKS[{self.alias!r}]['OPTIONS']['modules']"
            )
        return known

    # Results -----------------------------------------------------------------------------------------

    def get_result(self, result_id: str) -> TaskResult:
        """Look a job up in the job store.

        Its arguments are known until it has succeeded, and not where the record keeps no envelopes; its result, for 24
        hours.

        Raises:
            TaskResultDoesNotExist: if there is no such job of a task, or its result is no longer kept.
            NotImplementedError: if the app keeps no records.
            SynchronousOnlyOperation: inside a running event loop, which it would block.
            StoreError: if the job store could not be asked.
        """
        _refuse_event_loop("get_result(...)", "await aget_result(...)")
        return self._looked_up(result_id)

    async def aget_result(self, result_id: str) -> TaskResult:
        """Do what `get_result` does, without blocking the event loop."""
        result: TaskResult = await _in_thread(self._looked_up, result_id)
        return result

    def _looked_up(self, result_id: str) -> TaskResult:
        if not self.supports_get_result:
            return super().get_result(result_id)
        wired = self._wiring
        try:
            job_id = wired.app.job(result_id).id
        except UnknownJob:
            raise TaskResultDoesNotExist(result_id) from None
        record, sent = wired.app.records_sync("get_result", lambda records: _record(records, job_id))
        task = wired.tasks.get(record.task) if record else None
        if record is None or task is None or (record.status is JobStatus.SUCCEEDED and record.result is None):
            raise TaskResultDoesNotExist(result_id)
        return result_of(record, task, self.alias, sent)

    # Checking ----------------------------------------------------------------------------------------

    def check(self, **_: Any) -> Iterator[checks.CheckMessage]:
        """Tell at `manage.py check` what would fail at the first job."""
        for queue in sorted(self.queues):
            if problem := _queue_problem(queue):
                yield checks.Error(problem, obj=f"TASKS[{self.alias!r}]['QUEUES']", id="sqsjobs.E002")
        try:
            self._wiring.app.tracking  # noqa: B018 - it follows from all that the settings say
        except ConfigurationError as wrong:
            yield checks.Error(str(wrong), obj=f"TASKS[{self.alias!r}]", id="sqsjobs.E001")

    @property
    def _wiring(self) -> Wiring:
        return wiring(self)


async def _record(records: JobRecords, job_id: JobId) -> tuple[JobRecord | None, Job | None]:
    """Return the record of a job, and the job as it was sent where that is kept and can be read here."""
    record = await records.read(job_id)
    if record is None:
        return None, None
    try:
        return record, await records.sent(record)
    except SqsJobsError:  # the keys are elsewhere, or away: how the job is can be told all the same
        return record, None


async def _in_thread(step: Callable[..., T], *arguments: Any) -> T:
    """Run what waits for the app's own thread: in any thread, because it needs no connection to the database."""
    result: T = await sync_to_async(step, thread_sensitive=False)(*arguments)
    return result


def _refuse_event_loop(called: str, instead: str) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise SynchronousOnlyOperation(f"{called} would block the event loop that is running here: {instead}")


def _check_call(task: Task, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Raise the TypeError here that the call would raise in the worker."""
    context = (None,) if task.takes_context else ()
    try:
        inspect.signature(task.func).bind(*context, *args, **kwargs)
    except TypeError as problem:
        raise TypeError(f"{task.module_path}: {problem}") from None


def _delay(run_after: datetime | None) -> float:
    """Return for how many seconds a job is put off."""
    return max(0.0, run_after.timestamp() - time.time()) if run_after else 0.0


def _queue_problem(queue: str) -> str:
    """Say why jobs of Django's tasks cannot go to a queue, or nothing."""
    if is_fifo(queue):
        return (
            f"queue {queue!r} is FIFO, where each job needs a group, and Django's tasks have none: use a standard queue"
        )
    try:
        checked_queue(queue)
    except ConfigurationError as problem:
        return str(problem)
    return ""
