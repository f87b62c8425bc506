"""What runs inside a child process: takes jobs from a pipe, one at a time, and answers with what became of each."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from multiprocessing.connection import Connection
from typing import Any, Final, Literal, Never, Protocol, cast

import msgspec

from sqsjobs.clock import SystemClock
from sqsjobs.codec import ResultNotEncodable, TaskCodec
from sqsjobs.context import JobContext, JobLine, LeaseState, running_job
from sqsjobs.errors import Discard, Reject, RetryAfter, Snooze
from sqsjobs.job import JobId
from sqsjobs.observability.levels import LogLines
from sqsjobs.outcome import Failure
from sqsjobs.task import Task
from sqsjobs.worker.child_line import ChildLine
from sqsjobs.worker.child_variables import keep_only
from sqsjobs.worker.failure import Hiding, failure_of, is_final, portable, readable

__all__ = ["BEGUN", "ChildAnswer", "ChildJob", "child_main"]


class ChildJob(msgspec.Struct, frozen=True):
    """A job as the parent sends it. Where the function is comes from the parent's registry, never from a message."""

    app_path: str | None
    app_changes: dict[str, str]
    module: str
    qualname: str
    task: str
    arguments: msgspec.Raw
    id: str
    queue: str
    headers: dict[str, str]
    group: str | None
    enqueued_at: float
    attempt: int
    timeout: float | None
    fencing_token: int
    keeps_result: bool
    logs: LogLines | None = None

    def __repr__(self) -> str:  # arguments belong into no log
        return f"<ChildJob {self.id} of task {self.task!r}>"


BEGUN: Final = b"begun"
"""What a child says when it has found a job's function and calls it: from now on its timeout counts."""


class ChildAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a job in a child: a value, an error as text, or a wish to be steered."""

    kind: Literal["value", "error", "snooze", "retry-after", "discard", "reject"]
    value: msgspec.Raw = msgspec.Raw(b"null")
    type: str = ""
    message: str = ""
    traceback: str = ""
    fingerprint: str = ""
    delay: float = 0.0
    gives_up: bool = False


class ChildApp(Protocol):
    """What a child uses of an app."""

    @property
    def registry(self) -> Any: ...  # the registry stands on a floor between this one and the app

    @property
    def lifespan(self) -> Any: ...

    def configure(self, **changes: Any) -> None: ...

    async def __aenter__(self) -> Any: ...

    async def __aexit__(self, *exc_info: object) -> None: ...


class _ParentLease:
    """A child sees its lease as held: the parent kills it when the lease is lost."""

    state = LeaseState.HELD


def child_main(pipe: Connection, variables: Sequence[str] | None = None) -> None:
    """Serve jobs until the parent closes the pipe or dies; of its environment keep only `variables`, if given."""
    if variables is not None:
        keep_only(variables)
    for number in (signal.SIGINT, signal.SIGTERM):  # a whole group may be signalled; it is the parent's to handle
        signal.signal(number, _leave_it_to_the_parent)
    requests = _Requests(pipe)
    asyncio.run(_serve(pipe, requests))
    _exit(0)


def _leave_it_to_the_parent(*_: object) -> None:
    """Handle a signal; one that is ignored instead would be ignored by the programs that a job starts, too."""


def _exit(code: int) -> Never:
    """End the process without waiting for threads of the user's."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


class _Requests:
    """Reads the pipe in a thread, so that the parent's death is noticed while a job runs."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._busy = False
        self._arrived: asyncio.Queue[bytes | None] | None = None

    def start(self) -> None:
        self._arrived = asyncio.Queue()
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, args=(loop, self._arrived), name="sqsjobs-pipe", daemon=True).start()

    async def next(self) -> bytes | None:
        assert self._arrived is not None
        self._busy = False
        request = await self._arrived.get()
        self._busy = True
        return request

    def _read(self, loop: asyncio.AbstractEventLoop, arrived: asyncio.Queue[bytes | None]) -> None:
        while True:
            try:
                request = self._pipe.recv_bytes()
            except (EOFError, OSError):
                if self._busy:
                    _exit(1)  # nobody is left to hold the lease
                loop.call_soon_threadsafe(arrived.put_nowait, None)
                return
            loop.call_soon_threadsafe(arrived.put_nowait, request)


async def _serve(pipe: Connection, requests: _Requests) -> None:
    requests.start()
    decode = msgspec.json.Decoder(ChildJob).decode
    async with AsyncExitStack() as opened:
        app = _App(opened)
        while (request := await requests.next()) is not None:
            job, line = decode(request), ChildLine(pipe.send_bytes)
            if job.logs is not None:
                _write_log_lines(job.logs)
            answer = await _answer(job, app, line, begun=lambda: pipe.send_bytes(BEGUN))
            line.close()
            pipe.send_bytes(msgspec.json.encode(answer))


@functools.cache
def _write_log_lines(logs: LogLines) -> None:
    """Write log lines as the worker does, once and before the app is imported, which may do it in its own way."""
    from sqsjobs.observability.rendering import configure_logging  # noqa: PLC0415 - with structlog

    configure_logging(logs.format, logs.level)


class _App:
    """The app of the tasks, and its lifespan, opened for the first job that needs it."""

    def __init__(self, opened: AsyncExitStack) -> None:
        self._opened = opened
        self._app: ChildApp | None = None

    async def get(self, app_path: str, changes: dict[str, str]) -> ChildApp:
        if self._app is None:
            module, _, attribute = app_path.partition(":")
            app = cast("ChildApp", getattr(importlib.import_module(module), attribute))
            app.configure(**changes)
            await self._opened.enter_async_context(cast("AbstractAsyncContextManager[Any]", app))
            if app.lifespan is not None:
                await self._opened.enter_async_context(app.lifespan())
            self._app = app
        return self._app


async def _answer(job: ChildJob, app: _App, line: JobLine, *, begun: Callable[[], None]) -> ChildAnswer:
    task: Task[..., Any] | None = None
    hiding: Hiding = str
    try:
        task = _find(job, await app.get(job.app_path, job.app_changes) if job.app_path is not None else None)
        hiding = task.codec.redaction.hiding(bytes(job.arguments))
        begun()
        value = await _call(task, job, line)
    except Snooze as wish:
        return ChildAnswer("snooze", delay=wish.delay)
    except RetryAfter as wish:
        return ChildAnswer("retry-after", delay=wish.delay, message=readable(hiding(wish.reason)))
    except Discard as wish:
        return ChildAnswer("discard", message=readable(hiding(wish.reason)))
    except Reject as wish:
        return ChildAnswer("reject", message=readable(hiding(wish.reason)))
    except BaseException as error:  # noqa: BLE001 - the child goes on with the next job
        return _failed(failure_of(error, hiding), gives_up=task is not None and is_final(error, task.retry))
    return _returned(task, value) if job.keeps_result else ChildAnswer("value")


def _returned(task: Task[..., Any], value: object) -> ChildAnswer:
    try:
        return ChildAnswer("value", value=msgspec.Raw(task.codec.encode_result(value)))
    except ResultNotEncodable as problem:
        return ChildAnswer("error", type="sqsjobs.ResultNotEncodable", message=str(problem), gives_up=True)


def _failed(failure: Failure, *, gives_up: bool) -> ChildAnswer:
    return ChildAnswer(
        "error",
        type=failure.type,
        message=failure.message,
        traceback=failure.traceback,
        fingerprint=failure.fingerprint,
        gives_up=gives_up,
    )


def _find(job: ChildJob, app: ChildApp | None) -> Task[..., Any]:
    task = app.registry.get(job.task) if app is not None else None
    if task is not None:
        return cast("Task[..., Any]", task)
    found: Any = importlib.import_module(job.module)
    for name in job.qualname.split("."):
        found = getattr(found, name)
    if not isinstance(found, Task):
        raise TypeError(
            f"{job.module}.{job.qualname} is no task in the child process; start the worker with module:app"
        )
    return found


async def _call(task: Task[..., Any], job: ChildJob, line: JobLine) -> object:
    codec: TaskCodec = task.codec
    arguments = codec.decode_arguments(bytes(job.arguments))
    running_job.set(_context(job, line))
    if task.executor == "loop":
        return await task.function(**arguments)
    call = functools.partial(task.function, **arguments)
    return await asyncio.get_running_loop().run_in_executor(None, contextvars.copy_context().run, portable, call)


def _context(job: ChildJob, line: JobLine) -> JobContext:
    return JobContext(
        id=JobId(job.id),
        task=job.task,
        queue=job.queue,
        attempt=job.attempt,
        headers=job.headers,
        group=job.group,
        enqueued_at=job.enqueued_at,
        deadline=SystemClock().now() + job.timeout if job.timeout else None,
        fencing_token=job.fencing_token,
        lease=_ParentLease(),
        line=line,
    )
