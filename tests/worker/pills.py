"""Tasks that run in child processes, so at the top of a module that a child can import."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from sqsjobs import Discard, Reject, Retry, RetryAfter, Snooze, constant, current_job, task

FIVE_TIMES = Retry(max_attempts=5, backoff=constant(1, jitter=0))


@task(queue="work", executor="process")
def where_am_i() -> dict[str, int | str]:
    job = current_job()
    return {
        "pid": os.getpid(),
        "parent": os.getppid(),
        "id": job.id,
        "attempt": job.attempt,
        "token": job.fencing_token,
    }


@task(queue="work", executor="process")
def what_is_known() -> dict[str, list[str]]:
    """The variables of the child, and of a program that it starts."""
    started = subprocess.run(["env"], capture_output=True, text=True, check=True)
    return {
        "own": sorted(os.environ),
        "started": sorted(line.partition("=")[0] for line in started.stdout.splitlines()),
    }


@task(queue="work", executor="process", retry=FIVE_TIMES, timeout=1)
def too_long(started: str) -> None:
    """Blocks with the GIL held by nobody; only a kill ends it."""
    Path(started).write_text(str(os.getpid()))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    time.sleep(60)


@task(queue="work", executor="process")
def tells_progress(steps: int) -> int:
    """Says how far it is, more often than anybody writes it, and last of all how far it came."""
    for step in range(steps):
        current_job().progress(step, steps, f"step {step}")
    current_job().progress(steps, steps, "all done")
    return steps


@task(queue="work", executor="process")
def takes_a_minute() -> None:
    time.sleep(60)


@task(queue="work", executor="process")
def takes(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@task(queue="work", executor="process")
def holds_the_interpreter(seconds: float) -> float:
    """No other thread of its process runs meanwhile: the C function is called without letting the GIL go."""
    ctypes.PyDLL(None).poll(None, 0, int(seconds * 1000))
    return seconds


@task(queue="work", executor="process", timeout=1.5)
def takes_limited(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@task(queue="work", executor="process", retry=FIVE_TIMES)
def pill(how: str) -> None:
    """Takes its process down."""
    match how:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(7)
        case "segfault":
            ctypes.string_at(0)


@task(queue="work", executor="process", retry=Retry(max_attempts=1))
def raises(what: str) -> object:
    """Ends in the way that `what` says."""
    match what:
        case "snooze":
            raise Snooze(30)
        case "retry after":
            raise RetryAfter(40, "later")
        case "discard":
            raise Discard("enough")
        case "reject":
            raise Reject("no \ud800")
        case "value error":
            raise ValueError("wrong \ud800")
        case "system exit":
            sys.exit(3)
        case "stop iteration":
            next(iter(()))
        case "not json":
            return object()
    return what


@task(queue="work")
async def on_the_loop() -> int:
    """An ordinary coroutine; where it runs says whether it was isolated."""
    await asyncio.sleep(0)
    return os.getpid()


@task(queue="work", executor="process")
def hears_sigterm() -> str:
    """What a service manager does to a whole group on stop."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.2)
    return "still here"


@task(queue="work", executor="process")
def echoes(text: str) -> str:
    return text[::-1]


@task(queue="work", executor="process")
def writes() -> int:
    sys.stdout.write("written by the child\n")
    return os.getpid()
