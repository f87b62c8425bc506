"""What the demo plays on: an SQS-compatible server, a job store in a file, and a worker process."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from sqsjobs.cli.children import Child
from sqsjobs.cli.options import Backends, Logs
from sqsjobs.cli.worker import Platform, Work, worker_command
from sqsjobs.errors import SqsJobsError
from sqsjobs.local import LocalServer

__all__ = ["DemoFailed", "Stage", "opened_stage"]

APP: Final = "sqsjobs.cli.demo.tasks:app"
START_TIMEOUT: Final = 30.0
"""Seconds that the worker may take to be ready."""
END_TIMEOUT: Final = 10.0
"""Seconds that it may take to end."""

T = TypeVar("T")


class DemoFailed(SqsJobsError):
    """Raised when the demo cannot go on."""


@dataclass(slots=True)
class CallCount:
    """Counts the requests that the server gets, the worker's and the producer's, in the seat of those who would spoil them."""

    by_action: Counter[str] = field(default_factory=Counter)

    def __call__(self, operation: str, queue: str | None) -> None:  # noqa: ARG002 - as the server calls it
        self.by_action[operation] += 1


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the demo's queues and records are, and who works there.

    Attributes:
        endpoint_url: of the server.
        store: the job store's URL.
        calls: requests to the server since the worker was ready, by action.
        worker: the worker process.
    """

    endpoint_url: str
    store: str
    calls: Counter[str]
    worker: Child

    async def perform(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what `work` returns.

        Raises:
            DemoFailed: if the worker process ends before.
        """
        performing, failing = asyncio.ensure_future(work), asyncio.ensure_future(self.worker.process.wait())
        try:
            await asyncio.wait([performing, failing], return_when=asyncio.FIRST_COMPLETED)
            if not performing.done():
                raise DemoFailed(f"the worker process ended with code {failing.result()}")
            return performing.result()
        finally:
            performing.cancel()
            failing.cancel()
            await asyncio.wait([performing, failing])


@asynccontextmanager
async def opened_stage(folder: Path) -> AsyncIterator[Stage]:
    """Start the server and the worker, with a job store in `folder`; end them, whatever happens.

    Raises:
        DemoFailed: if the worker does not get ready.
    """
    counted = CallCount()
    async with LocalServer(faults=counted) as server:
        backends = Backends(endpoint_url=server.endpoint_url, store=f"sqlite:///{folder / 'jobs.db'}", queue_prefix="")
        work = Work(wait=1.0, create_queues=True)
        worker = await Child.start(worker_command(APP, work, Platform(), backends, Logs(log_level="error")))
        try:
            await _until_ready(worker)
            counted.by_action.clear()
            yield Stage(server.endpoint_url, f"{backends.store}", counted.by_action, worker)
        finally:
            await worker.end(END_TIMEOUT)


async def _until_ready(worker: Child) -> None:
    try:
        async with asyncio.timeout(START_TIMEOUT):
            while worker.process.returncode is None:
                if await worker.link.ask("ready", within=START_TIMEOUT) == "":
                    return
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise DemoFailed(f"the worker process was not ready within {START_TIMEOUT:g} s") from None
    raise DemoFailed(f"the worker process ended with code {worker.process.returncode} before it was ready")
