"""Runs the function of a job and says what became of it: on the loop, in a thread, or in a child process."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Awaitable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import msgspec

from sqsjobs.clock import Clock, SystemClock
from sqsjobs.codec import ResultNotEncodable
from sqsjobs.context import CallNext, JobContext, Middleware, running_job
from sqsjobs.errors import Discard, Reject, RetryAfter, Snooze, Steering
from sqsjobs.events import JobOverran, Observer
from sqsjobs.job import Job
from sqsjobs.outcome import (
    Cancelled,
    Crashed,
    CrashLimitReached,
    Discarded,
    Failed,
    Failure,
    Interrupted,
    Outcome,
    Rejected,
    RetryRequested,
    Snoozed,
    Succeeded,
    TimedOut,
)
from sqsjobs.task import Task
from sqsjobs.worker.failure import Hiding, failure_of, is_final, portable, readable
from sqsjobs.worker.processes import ChildDied, ProcessPool, RemoteError, Reply
from sqsjobs.worker.run import Run

__all__ = ["Attempt", "Executor"]

_SUCCEEDED = Succeeded()
_NOT_ENCODABLE = "sqsjobs.ResultNotEncodable"
_ALONE_AFTER = 2
"""Crashes after which a job runs alone in a child process, so that a pill convicts itself and its mates are cleared."""


class Attempt(msgspec.Struct, frozen=True):
    """What the executor needs to run one attempt.

    Attributes:
        task, job: what is run.
        arguments: by name, decoded.
        context: what the job can ask about itself.
        run: how its end can be asked for.
        crashes: how often the job took a process down before.
    """

    task: Task[..., Any]
    job: Job
    arguments: Mapping[str, Any]
    context: JobContext
    run: Run
    crashes: int

    def __repr__(self) -> str:  # arguments belong into no log
        return f"<Attempt {self.context.attempt} of {self.job!r}>"


class Executor:
    """Runs attempts.

    Args:
        threads: plain functions that run at once.
        processes: the child processes, for functions that ask for one.
        middleware: wrappers of every attempt, the first outermost.
        keeps_results: whether the function's value is encoded.
        result_bytes: the largest value that is recorded.
        crash_limit: crashes at which a job is not run again.
        observer: hears of threads that overran.
        clock: the worker's, for deadlines; the machine's by default.
    """

    def __init__(
        self,
        *,
        threads: int,
        processes: ProcessPool,
        middleware: Sequence[Middleware],
        keeps_results: bool,
        result_bytes: int,
        crash_limit: int,
        observer: Observer,
        clock: Clock | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread_slots = asyncio.Semaphore(threads)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="sqsjobs-job")
        self._processes = processes
        self._middleware = tuple(middleware)
        self._keeps_results = keeps_results
        self._result_bytes = result_bytes
        self._crash_limit = crash_limit
        self._tell = observer
        self._clock = clock or SystemClock()
        self.overrunning = 0
        """Threads that go on past their timeout, or past the end of their lease."""
        self._most_threads = threads

    @property
    def stuck(self) -> bool:
        """Whether most threads go on past their end, so that a new process would serve better."""
        return self.overrunning > self._most_threads / 2

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._processes.aclose()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def attempt(self, attempt: Attempt) -> Outcome:
        """Run the function and return what became of it; to be called in the task of the job's life."""
        run, life = attempt.run, asyncio.current_task(self._loop)
        assert life is not None
        token = running_job.set(attempt.context)
        run.limit(attempt.task.timeout)
        try:
            run.begin(life.cancel)
            value = await (self._through_middleware(attempt) if self._middleware else self._call(attempt))
            return self._succeeded(attempt, value)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001 - SystemExit too: a job must not end the worker
            return self._unfinished(attempt, error, life)
        finally:
            run.over()
            running_job.reset(token)

    def _unfinished(self, attempt: Attempt, error: BaseException, life: asyncio.Task[Any]) -> Outcome:
        match error:
            case asyncio.CancelledError():
                return _cancelled(attempt, error, life)
            case Steering():
                return _steered(error, _hiding(attempt))
            case ChildDied():
                return self._crashed(attempt, error)
            case RemoteError():
                if error.failure.type == _NOT_ENCODABLE and not self._keeps_results:
                    return _SUCCEEDED  # nothing but a callback wanted the result
                return Failed(error.failure, permanent=error.gives_up)
            case _:
                permanent = is_final(error, attempt.task.retry)
                return _excuse(attempt) or Failed(failure_of(error, _hiding(attempt)), permanent=permanent)

    def _succeeded(self, attempt: Attempt, value: object) -> Outcome:
        if not self._keeps_results:
            return _SUCCEEDED if attempt.job.callback is None else self._succeeded_for_callback(attempt, value)
        if isinstance(value, Reply):
            result = value.result
        else:
            try:
                result = attempt.task.codec.encode_result(value)
            except ResultNotEncodable as problem:
                return Failed(Failure(_NOT_ENCODABLE, str(problem)), permanent=True)
        if len(result) > self._result_bytes:
            size = f"the result has {len(result):,} bytes, {self._result_bytes:,} are kept: return a reference to it"
            return Failed(Failure("sqsjobs.ResultTooLarge", size), permanent=True)
        return Succeeded(result)

    def _succeeded_for_callback(self, attempt: Attempt, value: object) -> Succeeded:
        """Where only a callback tells of the result, one that cannot be told fails no job."""
        try:
            result = value.result if isinstance(value, Reply) else attempt.task.codec.encode_result(value)
        except ResultNotEncodable:
            return _SUCCEEDED
        return Succeeded(result) if len(result) <= self._result_bytes else _SUCCEEDED

    def _crashed(self, attempt: Attempt, death: ChildDied) -> Outcome:
        if attempt.run.verdict is not None:  # the child was killed on purpose
            return attempt.run.verdict
        crashes = attempt.crashes + 1
        if crashes >= self._crash_limit:
            return CrashLimitReached(crashes)
        return Crashed(Failure("sqsjobs.ChildDied", str(death)), crashes)

    def runs_alone(self, task: Task[..., Any], crashes: int) -> bool:
        """Whether a job that has crashed so often runs in a child process, and takes nothing but that down."""
        return task.executor == "process" or (crashes >= _ALONE_AFTER and self._processes.can_run(task))

    async def _through_middleware(self, attempt: Attempt) -> object:
        call_next: CallNext = functools.partial(self._call_for_middleware, attempt)
        for middleware in reversed(self._middleware):
            call_next = functools.partial(middleware, attempt.context, call_next)
        return await call_next()

    async def _call_for_middleware(self, attempt: Attempt) -> object:
        value = await self._call(attempt)
        return attempt.task.codec.decode_result(value.result) if isinstance(value, Reply) else value

    def _call(self, attempt: Attempt) -> Awaitable[object]:
        task = attempt.task
        if self.runs_alone(task, attempt.crashes):
            return self._call_in_process(attempt)
        if task.executor == "thread":
            return self._call_in_thread(attempt)
        called: Awaitable[object] = task.function(**attempt.arguments)
        return called

    async def _call_in_process(self, attempt: Attempt) -> object:
        attempt.run.limit(None)  # until a child is free and calls the function
        async with self._processes.slots:
            return await self._processes.run(
                attempt.task,
                attempt.job,
                attempt.context,
                attempt.run,
                keeps_result=self._keeps_results or attempt.job.callback is not None,
            )

    async def _call_in_thread(self, attempt: Attempt) -> object:
        call = functools.partial(attempt.task.function, **attempt.arguments)
        overran = False

        def overrun() -> None:
            nonlocal overran
            overran = True
            self.overrunning += 1
            if isinstance(attempt.run.verdict, TimedOut):
                self._tell(JobOverran(attempt.job, attempt.run.verdict.after))

        timeout = attempt.task.timeout
        attempt.run.limit(None)  # until a thread is free
        async with self._thread_slots:
            if timeout:
                attempt.run.limit(timeout)
                running_job.set(msgspec.structs.replace(attempt.context, deadline=self._clock.now() + timeout))
            carried = contextvars.copy_context()
            try:
                with attempt.run.stopped_by(overrun):
                    return await self._loop.run_in_executor(self._threads, carried.run, portable, call)
            finally:
                self.overrunning -= overran


def _hiding(attempt: Attempt) -> Hiding:
    return attempt.task.codec.redaction.hiding(attempt.job.arguments)


def _cancelled(attempt: Attempt, error: asyncio.CancelledError, life: asyncio.Task[Any]) -> Outcome:
    if attempt.run.verdict is not None and attempt.run.cancelled():
        return attempt.run.verdict
    while life.cancelling():  # by the job itself, since nobody else asked for its end
        life.uncancel()
    return Failed(failure_of(error, _hiding(attempt)))


def _steered(wish: Steering, hiding: Hiding) -> Outcome:
    match wish:
        case Snooze():
            return Snoozed(wish.delay)
        case RetryAfter():
            return RetryRequested(wish.delay, readable(hiding(wish.reason)))
        case Discard():
            return Discarded(readable(hiding(wish.reason)))
        case Reject():
            return Rejected(readable(hiding(wish.reason)))
        case _:
            return Failed(failure_of(wish, hiding))


def _excuse(attempt: Attempt) -> Outcome | None:
    """What a job raises after it was asked to end says less than why it was."""
    match attempt.run.verdict:
        case (TimedOut() | Cancelled()) as verdict:
            return verdict
        case Interrupted() as verdict if attempt.task.executor == "loop":
            return verdict
        case _:
            return None
