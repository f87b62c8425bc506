"""How a worker runs a task of Django's: with its own database connection, its context, and Django's signals."""

from __future__ import annotations

import inspect
import os
import socket
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast  # Any: arguments and results

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import close_old_connections, connections

from sqsjobs.context import current_job
from sqsjobs.errors import Discard, Reject, Snooze
from sqsjobs.integrations.django.interface import (
    Task,
    TaskContext,
    TaskError,
    TaskResult,
    TaskResultStatus,
    normalize_json,
    task_finished,
    task_started,
)
from sqsjobs.integrations.django.results import date, new_result, task_as_sent
from sqsjobs.retry import Retry

__all__ = ["runner"]


def runner(task: Task, alias: str, backend: type, retry: Retry) -> Callable[..., Any]:
    """Return the function that a worker runs for jobs of `task`: a coroutine function if the task is one.

    Its attribute `runs` is the function of the task.

    Args:
        task: as it was declared.
        alias: of the backend in ``TASKS``.
        backend: whom Django's signals name as their sender.
        retry: the policy by which the worker decides whether another attempt follows.
    """
    life = _Life(task, alias, backend, retry)

    def run(args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        close_old_connections()
        try:
            return life.run(args, kwargs or {})
        finally:
            close_old_connections()

    async def arun(args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        async with ThreadSensitiveContext():  # a thread, and so a connection, of its own, as each request has one
            try:
                return await life.arun(args, kwargs or {})
            finally:
                await sync_to_async(connections.close_all)()

    function: Any = arun if inspect.iscoroutinefunction(task.func) else run
    function.runs = task.func
    return cast("Callable[..., Any]", function)


@dataclass(frozen=True, slots=True)
class _Life:
    """The attempts at jobs of one task, from the signal that one starts to the signal that the job is finished.

    No receiver of a signal can make a job fail. A job that ends without its own doing, by a timeout, a crash or a
    cancellation, has nobody left to send `task_finished`.
    """

    task: Task
    alias: str
    backend: type
    retry: Retry

    def run(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        result = self._started(args, kwargs)
        task_started.send_robust(sender=self.backend, task_result=result)
        try:
            value = self._returned(result, self.task.func(*self._context(result), *args, **kwargs))
        except Exception as error:
            if self._failed(result, error):
                task_finished.send_robust(sender=self.backend, task_result=result)
            raise
        task_finished.send_robust(sender=self.backend, task_result=result)
        return value

    async def arun(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        result = self._started(args, kwargs)
        await task_started.asend_robust(sender=self.backend, task_result=result)
        try:
            value = self._returned(result, await self.task.func(*self._context(result), *args, **kwargs))
        except Exception as error:
            if self._failed(result, error):
                await task_finished.asend_robust(sender=self.backend, task_result=result)
            raise
        await task_finished.asend_robust(sender=self.backend, task_result=result)
        return value

    def _started(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> TaskResult:
        """Return the result of this attempt; of those before it only their number is known here."""
        job, now = current_job(), date(time.time())
        return new_result(
            task_as_sent(self.task, self.alias, job.queue),
            self.alias,
            args,
            kwargs,
            job.id,
            status=TaskResultStatus.RUNNING,
            enqueued_at=date(job.enqueued_at),
            started_at=now,
            last_attempted_at=now,
            worker_ids=[*[""] * (job.attempt - 1), f"{socket.gethostname()}:{os.getpid()}"],
        )

    def _context(self, result: TaskResult) -> tuple[TaskContext, ...]:
        return (TaskContext(task_result=result),) if self.task.takes_context else ()

    def _returned(self, result: TaskResult, value: object) -> Any:
        returned = normalize_json(value)
        object.__setattr__(result, "_return_value", returned)
        self._finished(result, TaskResultStatus.SUCCESSFUL)
        return returned

    def _failed(self, result: TaskResult, error: Exception) -> bool:
        """Note the error of an attempt; returns whether no other attempt follows."""
        kind = type(error)
        told = "".join(traceback.format_exception(error))
        result.errors.append(TaskError(exception_class_path=f"{kind.__module__}.{kind.__qualname__}", traceback=told))
        if self._goes_on(error):
            return False
        self._finished(result, TaskResultStatus.FAILED)
        return True

    def _goes_on(self, error: Exception) -> bool:
        match error:
            case Snooze():
                return True
            case Discard() | Reject():
                return False
            case _:
                return current_job().attempt < self.retry.max_attempts and not self.retry.gives_up_on(error)

    def _finished(self, result: TaskResult, status: TaskResultStatus) -> None:
        object.__setattr__(result, "status", status)
        object.__setattr__(result, "finished_at", date(time.time()))
