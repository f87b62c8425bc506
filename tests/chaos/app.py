"""The app of the chaos rig. Its tasks write into the ledger that they begin, and how they end."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path

from tests.chaos.pen import Pen

from sqsjobs import App, Retry, constant, current_job
from sqsjobs.context import LeaseState

LEDGER = "SQSJOBS_CHAOS_LEDGER"
"""The variable that names the ledger's directory."""
CENSUS = "SQSJOBS_CHAOS_CENSUS"
"""The variable by which a worker counts its tasks every second."""
QUEUE = "chaos"
MAX_ATTEMPTS = 12
"""Many, for without a job store every delivery counts as an attempt."""

RETRY = Retry(max_attempts=MAX_ATTEMPTS, backoff=constant(0.3))


@asynccontextmanager
async def counted() -> AsyncIterator[None]:
    """Count the event loop's tasks every second, if that was asked for."""
    counting = asyncio.create_task(_count()) if os.environ.get(CENSUS) else None
    yield
    if counting is not None:
        counting.cancel()


async def _count() -> None:
    while True:
        pen(os.getpid()).write("census", pid=os.getpid(), tasks=len(asyncio.all_tasks()))
        await asyncio.sleep(1)


app = App("chaos", lifespan=counted)


@cache
def pen(pid: int) -> Pen:
    """Return the pen of the process."""
    return Pen(Path(os.environ[LEDGER]), f"jobs-{pid}-{time.monotonic_ns()}")


@contextmanager
def told(number: int) -> Iterator[None]:
    """Write down a run's begin and its end."""
    job, lines = current_job(), pen(os.getpid())
    facts = {"job": job.id, "epoch": job.fencing_token, "pid": os.getpid()}
    lines.write("start", number=number, attempt=job.attempt, parent=os.getppid(), task=job.task, **facts)
    try:
        yield
    except asyncio.CancelledError:
        lines.write("cancelled", lost_lease=job.lease.state is LeaseState.LOST, **facts)
        raise
    except BaseException as error:
        lines.write("raised", error=type(error).__name__, **facts)
        raise
    lines.write("end", **facts)


@app.task(name="work", queue=QUEUE, retry=RETRY)
async def work(number: int, seconds: float, failures: int = 0) -> int:
    with told(number):
        await asyncio.sleep(seconds)
        _fail_at_first(failures)
        return number


@app.task(name="in_thread", queue=QUEUE, retry=RETRY)
def in_thread(number: int, seconds: float, failures: int = 0) -> int:
    with told(number):
        time.sleep(seconds)
        _fail_at_first(failures)
        return number


@app.task(name="in_process", queue=QUEUE, retry=RETRY, executor="process")
def in_process(number: int, seconds: float, failures: int = 0) -> int:
    with told(number):
        time.sleep(seconds)
        _fail_at_first(failures)
        return number


@app.task(name="pill", queue=QUEUE, retry=RETRY)
async def pill(number: int, how: str) -> None:
    """Kill the process; it may be tried far more often than `crash_limit` lets it."""
    with told(number):
        match how:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "segfault":
                ctypes.string_at(0)
            case "exit":
                os._exit(7)
            case "abort":
                os.abort()
            case _:
                _take_all_memory()


def _fail_at_first(times: int) -> None:
    if current_job().attempt <= times:
        raise RuntimeError("asked to fail")


def _take_all_memory() -> None:
    """Take what there is, and die as the kernel's OOM killer would have it: under a limit Python only raises."""
    taken = [bytearray(16 * 1_048_576)]
    try:
        while True:
            taken.append(bytearray(16 * 1_048_576))
    except MemoryError:
        os.kill(os.getpid(), signal.SIGKILL)
