"""One job, run by the worker's own executor: through envelope and codec, without queue, store or worker."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final, Generic, ParamSpec, TypeVar

from sqsjobs import envelope
from sqsjobs.app import App
from sqsjobs.clock import SystemClock
from sqsjobs.context import JobContext, LeaseState
from sqsjobs.disposition import Disposition, Situation, decide
from sqsjobs.errors import ConfigurationError
from sqsjobs.job import Job, JobId, checked_job_id, new_job_id
from sqsjobs.outcome import Outcome, Succeeded
from sqsjobs.sending import seconds_of
from sqsjobs.task import Task
from sqsjobs.testing.telling import told_outcome
from sqsjobs.transport.base import is_fifo
from sqsjobs.worker.executor import Attempt, Executor
from sqsjobs.worker.options import WorkerOptions
from sqsjobs.worker.processes import ProcessPool
from sqsjobs.worker.run import Run

__all__ = ["JobRun", "RunJob", "run_job"]

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

_CLOCK: Final = SystemClock()


@dataclass(frozen=True, slots=True)
class JobRun(Generic[R_co]):
    """What became of one attempt.

    Attributes:
        job: what was run.
        attempt: which attempt it was said to be.
        outcome: how it ended.
        disposition: what a worker would do with the message: delete it, hide it for a retry, dead-letter it.
    """

    job: Job
    attempt: int
    outcome: Outcome
    disposition: Disposition
    _task: Task[..., R_co] = field(repr=False)

    @property
    def result(self) -> R_co:
        """What the function returned, through JSON and back, as `JobHandle.result` gives it.

        Raises:
            AssertionError: if it did not succeed; with the job's traceback.
        """
        match self.outcome:
            case Succeeded(result):
                value: R_co = self._task.codec.decode_result(result or b"null")
                return value
            case outcome:
                raise AssertionError(f"{self._task.name} did not succeed: {told_outcome(outcome)}")


@dataclass(frozen=True, slots=True)
class _Conditions:
    """Under which a job is run; see `RunJob.using`."""

    attempt: int = 1
    job_id: JobId | None = None
    timeout: float | None = None
    fencing_token: int = 0
    app: App | None = None


class RunJob:
    """Runs one job: ``run = await run_job(resize, "in", "a.png", width=200)``, then ``run.result``.

    Headers and group are the task's: ``run_job(resize.using(headers={"tenant": "7"}), ...)``.
    """

    def __init__(self, conditions: _Conditions = _Conditions()) -> None:
        self._conditions = conditions

    def using(
        self,
        *,
        attempt: int | None = None,
        job_id: str | None = None,
        timeout: timedelta | float | None = None,
        fencing_token: int | None = None,
        app: App | None = None,
    ) -> RunJob:
        """Return a copy that runs jobs under other conditions; what is not given stays as it was.

        Args:
            attempt: which attempt it is, from 1; the last of the task's retry policy ends in the dead-letter queue.
            job_id: the job's id, to run one job twice; by default each run is a job of its own.
            timeout: a `timedelta`, or seconds, in place of the task's.
            fencing_token: what the job is told; 0 stands for no job store.
            app: its lifespan is entered around the job, and its middleware wraps it.

        Raises:
            ConfigurationError: if `attempt` or `timeout` cannot be.
            ValueError: if `job_id` cannot be the id of a job.
        """
        if attempt is not None and attempt < 1:
            raise ConfigurationError(f"attempt is a whole number from 1 up, not {attempt!r}")
        given = {
            "attempt": attempt,
            "job_id": None if job_id is None else checked_job_id(job_id),
            "timeout": None if timeout is None else seconds_of(timeout, "timeout"),
            "fencing_token": fencing_token,
            "app": app,
        }
        changes: dict[str, Any] = {condition: value for condition, value in given.items() if value is not None}
        return RunJob(replace(self._conditions, **changes))

    async def __call__(self, task: Task[P, R], /, *args: P.args, **kwargs: P.kwargs) -> JobRun[R]:
        """Run a call of `task` as a job, and return what became of it; an error of the job is not raised here.

        Raises:
            InvalidArguments: if the call does not fit the signature.
        """
        conditions = self._conditions
        job = _through_the_wire(_job(task, task.codec.encode_call(args, kwargs), conditions.job_id))
        outcome = await _outcome(task, job, conditions)
        return JobRun(job, conditions.attempt, outcome, _disposition(task, outcome, conditions), task)


run_job: Final = RunJob()
"""Runs one job; see `RunJob`."""


def _job(task: Task[..., Any], arguments: bytes, job_id: JobId | None) -> Job:
    options = task.options
    return Job(
        id=job_id or new_job_id(),
        task=task.name,
        queue=options.queue,
        arguments=arguments,
        headers=options.headers,
        enqueued_at=_CLOCK.wall(),
        group=options.group,
    )


def _through_the_wire(job: Job) -> Job:
    return envelope.decode(envelope.encode(job), queue=job.queue, message_id=job.id, group=job.group)


async def _outcome(task: Task[..., Any], job: Job, conditions: _Conditions) -> Outcome:
    app, limits = conditions.app, WorkerOptions()
    executor = Executor(
        threads=1,
        processes=ProcessPool(1, None),
        middleware=app.middleware if app else (),
        keeps_results=True,
        result_bytes=limits.result_bytes,
        crash_limit=limits.crash_limit,
        observer=lambda _: None,
        clock=_CLOCK,
    )
    async with app.lifespan() if app and app.lifespan else nullcontext(), executor:
        return await executor.attempt(_attempt(task, job, conditions))


def _attempt(task: Task[..., Any], job: Job, conditions: _Conditions) -> Attempt:
    run_task = copy.copy(task)
    if conditions.timeout is not None:
        run_task.timeout = conditions.timeout
    context = JobContext(
        id=job.id,
        task=job.task,
        queue=job.queue,
        attempt=conditions.attempt,
        headers=job.headers,
        group=job.group,
        enqueued_at=job.enqueued_at,
        deadline=_CLOCK.now() + run_task.timeout if run_task.timeout else None,
        fencing_token=conditions.fencing_token,
        lease=_HeldLease(),
    )
    return Attempt(run_task, job, task.codec.decode_arguments(job.arguments), context, Run(), crashes=0)


def _disposition(task: Task[..., Any], outcome: Outcome, conditions: _Conditions) -> Disposition:
    situation = Situation(
        attempt=conditions.attempt,
        receive_count=conditions.attempt,
        retry=task.retry,
        on_exhausted=task.on_exhausted,
        fifo=is_fifo(task.options.queue),
    )
    return decide(outcome, situation).disposition


class _HeldLease:
    """The lease of a job that no queue knows of: nobody can lose it."""

    state = LeaseState.HELD
