"""What runs inside a child process: takes jobs from a pipe, one at a time, and answers with what became of each."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import importlib
import os
import signal
import threading
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from multiprocessing.connection import Connection
from typing import Any, Literal, Protocol, cast

import msgspec

from sqsjobs.codec import TaskCodec
from sqsjobs.context import JobContext, LeaseState, running_job
from sqsjobs.errors import Discard, Reject, RetryAfter, Snooze
from sqsjobs.job import JobId
from sqsjobs.task import Task
from sqsjobs.worker.failure import failure_of

__all__ = ["ChildAnswer", "ChildJob", "child_main"]


class ChildJob(msgspec.Struct, frozen=True):
    """A job as the parent sends it. Where the function is comes from the parent's registry, never from a message."""

    app_path: str | None
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
    deadline: float | None
    fencing_token: int


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

    async def __aenter__(self) -> Any: ...

    async def __aexit__(self, *exc_info: object) -> None: ...


class _ParentLease:
    """A child sees its lease as held: the parent kills it when the lease is lost."""

    state = LeaseState.HELD


def child_main(pipe: Connection) -> None:
    """Serve jobs until the parent closes the pipe or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the parent's to handle
    requests = _Requests(pipe)
    asyncio.run(_serve(pipe, requests))
    os._exit(0)  # threads of the user's must not keep an idle child


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
                    os._exit(1)  # nobody is left to hold the lease
                loop.call_soon_threadsafe(arrived.put_nowait, None)
                return
            loop.call_soon_threadsafe(arrived.put_nowait, request)


async def _serve(pipe: Connection, requests: _Requests) -> None:
    requests.start()
    decode = msgspec.json.Decoder(ChildJob).decode
    async with AsyncExitStack() as opened:
        app: ChildApp | None = None
        while (request := await requests.next()) is not None:
            job = decode(request)
            if app is None and job.app_path is not None:
                app = await _open(job.app_path, opened)
            pipe.send_bytes(msgspec.json.encode(await _answer(job, app)))


async def _open(app_path: str, opened: AsyncExitStack) -> ChildApp:
    module, _, attribute = app_path.partition(":")
    app = cast("ChildApp", getattr(importlib.import_module(module), attribute))
    await opened.enter_async_context(cast("AbstractAsyncContextManager[Any]", app))
    if app.lifespan is not None:
        await opened.enter_async_context(app.lifespan())
    return app


async def _answer(job: ChildJob, app: ChildApp | None) -> ChildAnswer:
    task: Task[..., Any] | None = None
    try:
        task = _find(job, app)
        value = await _call(task, job)
        return ChildAnswer("value", value=msgspec.Raw(task.codec.encode_result(value)))
    except Snooze as wish:
        return ChildAnswer("snooze", delay=wish.delay)
    except RetryAfter as wish:
        return ChildAnswer("retry-after", delay=wish.delay, message=wish.reason)
    except Discard as wish:
        return ChildAnswer("discard", message=wish.reason)
    except Reject as wish:
        return ChildAnswer("reject", message=wish.reason)
    except BaseException as error:  # noqa: BLE001 - the child goes on with the next job
        failure = failure_of(error)
        gives_up = task is not None and task.retry.gives_up_on(error) and not isinstance(error, SystemExit)
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


async def _call(task: Task[..., Any], job: ChildJob) -> object:
    codec: TaskCodec = task.codec
    arguments = codec.decode_arguments(bytes(job.arguments))
    running_job.set(_context(job))
    if task.executor == "loop":
        return await task.function(**arguments)
    call = functools.partial(task.function, **arguments)
    return await asyncio.get_running_loop().run_in_executor(None, contextvars.copy_context().run, call)


def _context(job: ChildJob) -> JobContext:
    return JobContext(
        id=JobId(job.id),
        task=job.task,
        queue=job.queue,
        attempt=job.attempt,
        headers=job.headers,
        group=job.group,
        enqueued_at=job.enqueued_at,
        deadline=job.deadline,
        fencing_token=job.fencing_token,
        lease=_ParentLease(),
    )
