"""Child processes for functions that must be killable, or may take their process down with them.

A child is started by spawning a fresh interpreter and runs one job at a time. It gets the arguments as the
JSON that the message carried and decodes them itself; nothing is pickled by us. When its parent dies, it ends.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Final, assert_never

import msgspec

from sqsjobs.context import JobContext, JobLine
from sqsjobs.errors import Discard, Reject, RetryAfter, Snooze
from sqsjobs.job import Job
from sqsjobs.observability.levels import LogLines
from sqsjobs.outcome import Failure
from sqsjobs.task import Task
from sqsjobs.worker.child import BEGUN, ChildAnswer, ChildJob, child_main
from sqsjobs.worker.child_line import PROGRESS, ChildProgress
from sqsjobs.worker.run import Run

__all__ = ["ChildDied", "ProcessPool", "RemoteError", "Reply"]

_SPAWN: Final = multiprocessing.get_context("spawn")
_PIPE_HOLDS: Final = 32_768
"""Bytes that can be written to a pipe (a socket pair) without waiting for its reader, on the safe side."""
_LAST_WORDS: Final = 2.0
"""Seconds that a child which was dismissed, or has died, has to be gone."""


class ChildDied(Exception):
    """Raised when a child process died while it ran a job."""


class RemoteError(Exception):
    """Stands for an exception that a child process raised; carries it as text."""

    def __init__(self, answer: ChildAnswer) -> None:
        super().__init__(answer.message)
        self.failure = Failure(answer.type, answer.message, answer.traceback, answer.fingerprint)
        self.gives_up = answer.gives_up


@dataclass(frozen=True, slots=True)
class Reply:
    """A child's value, still encoded."""

    result: bytes


class ProcessPool:
    """Children that are kept for the next job.

    Args:
        size: children that run at once.
        app_path: ``module:attribute`` of the app, so that a child can open it; or None.
        app_changes: what the app was configured with since it was imported; a child does the same.
        logs: how children write their log lines; None leaves it to the app.
        variables: of this process's environment that children keep, besides what every program may need; None: all.
    """

    def __init__(
        self,
        size: int,
        app_path: str | None,
        app_changes: Mapping[str, str] | None = None,
        logs: LogLines | None = None,
        variables: Sequence[str] | None = None,
    ) -> None:
        self.slots = asyncio.Semaphore(size)
        """To be had before `run`."""
        self._app_path = app_path
        self._app_changes = app_changes or {}
        self._logs = logs
        self._variables = variables
        self._idle: list[_Child] = []
        self._encode = msgspec.json.Encoder().encode

    def can_run(self, task: Task[..., Any]) -> bool:
        """Whether a child would find the task's function: it is importable by its module and name."""
        return self._app_path is not None or "<" not in task.function.__qualname__

    async def run(self, task: Task[..., Any], job: Job, context: JobContext, run: Run, *, keeps_result: bool) -> Reply:
        """Run one job in a child; its timeout counts from when the child calls the function.

        Raises:
            ChildDied: if the child died, also where it was killed because `run` was asked to end.
            RemoteError: what the function raised; or one of the steering requests.
        """
        child = self._idle_child() or await _Child.start(self._variables)
        try:
            with run.stopped_by(child.kill):
                request = self._request(task, job, context, keeps_result=keeps_result)
                answer = await child.ask(request, context.line, begun=lambda: run.limit(task.timeout))
        except BaseException:
            child.kill()
            raise
        self._idle.append(child)
        return _unfolded(answer)

    async def aclose(self) -> None:
        """End the idle children, and wait for their ends."""
        idle, self._idle = self._idle, []
        for child in idle:
            child.dismiss()
        if idle:  # nothing to wait for would ask for a loop all the same, and make one where none runs
            await asyncio.gather(*(child.gone() for child in idle))

    def _idle_child(self) -> _Child | None:
        while self._idle:
            child = self._idle.pop()
            if child.alive:  # one may have been killed since, which is no crash of the next job
                return child
        return None

    def _request(self, task: Task[..., Any], job: Job, context: JobContext, *, keeps_result: bool) -> bytes:
        return self._encode(
            ChildJob(
                app_path=self._app_path,
                app_changes=dict(self._app_changes),
                module=task.function.__module__,
                qualname=task.function.__qualname__,
                task=task.name,
                arguments=msgspec.Raw(job.arguments),
                id=job.id,
                queue=job.queue,
                headers=dict(job.headers),
                group=job.group,
                enqueued_at=job.enqueued_at,
                attempt=context.attempt,
                timeout=task.timeout,
                fencing_token=context.fencing_token,
                keeps_result=keeps_result,
                logs=self._logs,
            )
        )


def _unfolded(answer: ChildAnswer) -> Reply:
    match answer.kind:
        case "value":
            return Reply(bytes(answer.value))
        case "error":
            raise RemoteError(answer)
        case "snooze":
            raise Snooze(answer.delay)
        case "retry-after":
            raise RetryAfter(answer.delay, answer.message)
        case "discard":
            raise Discard(answer.message)
        case "reject":
            raise Reject(answer.message)
        case _:
            assert_never(answer.kind)


class _Child:
    """One child process and the pipe to it."""

    def __init__(self, process: multiprocessing.process.BaseProcess, pipe: Connection) -> None:
        self._process = process
        self._pipe = pipe
        self._decode = msgspec.json.Decoder(ChildAnswer).decode

    @classmethod
    async def start(cls, variables: Sequence[str] | None) -> _Child:
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=child_main, args=(theirs, variables), name="sqsjobs-child", daemon=True)
        await asyncio.to_thread(process.start)
        theirs.close()
        return cls(process, ours)

    async def ask(self, request: bytes, line: JobLine, *, begun: Callable[[], None]) -> ChildAnswer:
        try:
            await self._tell(request)
            told = await self._told()
            if told == BEGUN:
                begun()
                told = await self._told()
            while told.startswith(PROGRESS):
                progress = ChildProgress.of(told)
                line.report(progress.done, progress.total, progress.note)
                told = await self._told()
            return self._decode(told)
        except (EOFError, OSError) as error:
            await asyncio.to_thread(self._process.join, _LAST_WORDS)
            raise ChildDied(f"the child process ended with {_spelled(self._process.exitcode)}") from error

    async def _tell(self, request: bytes) -> None:
        """Write; what a pipe does not hold waits for the child to read it, which a new one is slow to do."""
        if len(request) <= _PIPE_HOLDS:
            self._pipe.send_bytes(request)
        else:
            await asyncio.to_thread(self._pipe.send_bytes, request)

    async def _told(self) -> bytes:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._pipe.fileno(), _resolve, ready)
        try:
            await ready
        finally:
            loop.remove_reader(self._pipe.fileno())
        return self._pipe.recv_bytes()

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    async def gone(self) -> None:
        """Wait for the end of a child that was dismissed; one that lingers is killed."""
        await asyncio.to_thread(self._process.join, _LAST_WORDS)
        self.kill()
        await asyncio.to_thread(self._process.join, _LAST_WORDS)

    def kill(self) -> None:
        """Kill the child; whoever waits for its answer hears that it died."""
        self._process.kill()

    def dismiss(self) -> None:
        """Let an idle child end: it reads the end of the pipe."""
        self._pipe.close()


def _resolve(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _spelled(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"signal {signal.Signals(-exitcode).name}"
    return f"exit code {exitcode}"
