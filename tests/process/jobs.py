"""The app of the process tests. Its tasks report what they do, line by line, to the socket that the environment names."""

from __future__ import annotations

import asyncio
import ctypes
import os
import random
import signal
import socket
import time
from pathlib import Path
from typing import IO

from sqsjobs import App, Discard, Retry, Secret, constant, current_job

app = App("process-tests")


def report(what: str, *facts: object) -> None:
    """Tell the test; a datagram that is sent outlives the process that sent it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
        to.sendto(
            " ".join(map(str, (what, os.getpid(), time.time(), *facts))).encode(), os.environ["SQSJOBS_TEST_REPORTS"]
        )


@app.task(name="work", queue="work", retry=Retry(max_attempts=5, backoff=constant(0.2)))
async def work(number: int, seconds: float = 0.0, token: str = "") -> int:
    del token
    report("start", number)
    await asyncio.sleep(seconds)
    report("end", number)
    return number


@app.task(name="block_loop", queue="work")
async def block_loop(number: int, seconds: float, token: str = "") -> int:
    del token
    report("start", number)
    time.sleep(seconds)  # what it is for
    report("end", number)
    return number


@app.task(name="in_thread", queue="work")
def in_thread(number: int, seconds: float) -> int:
    report("start", number)
    time.sleep(seconds)
    report("end", number)
    return number


@app.task(name="patient", queue="work")
def patient(number: int, seconds: float) -> int:
    """Works in a thread, and looks up from its work now and then."""
    report("start", number)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        current_job().raise_if_cancelled()
        time.sleep(0.05)
    report("end", number)
    return number


@app.task(name="in_process", queue="work", executor="process")
def in_process(number: int, seconds: float, token: Secret[str] = "") -> int:
    del token
    report("start", number)
    time.sleep(seconds)
    report("end", number)
    return os.getpid()


@app.task(name="pill", queue="work", retry=Retry(max_attempts=10, backoff=constant(0.2)))
async def pill(how: str, token: str = "") -> None:
    del token
    report("start", how)
    if how == "segfault":
        ctypes.string_at(0)
    if how == "exit":
        os._exit(3)
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="in_order", queue="ordered.fifo", retry=Retry(max_attempts=20, backoff=constant(0.1, jitter=0)))
async def in_order(group: int, number: int, token: Secret[str] = "") -> None:
    del token
    report("start", group, number)
    await asyncio.sleep(0.002)
    if random.random() < 0.05:
        report("failed", group, number)
        raise RuntimeError("a random failure")
    report("end", group, number)


@app.task(name="busy", queue="busy")
async def busy(number: int) -> None:
    report("end", "busy", number, current_job().attempt)


@app.task(name="seldom", queue="seldom")
async def seldom(number: int) -> None:
    report("end", "seldom", number)


@app.task(name="no_op", queue="work")
async def no_op(number: int) -> None:
    del number


@app.task(name="enqueue_from_child", queue="work", executor="process")
def enqueue_from_child(number: int) -> str:
    return work.enqueue_sync(number).id


held: list[IO[bytes]] = []


@app.task(name="hold_open", queue="work")
async def hold_open(path: str) -> None:
    """Keep a file open in the worker, such as a fork and an exec would hand on."""
    held.append(Path(path).open("wb"))  # noqa: SIM115 - what it is for
    os.set_inheritable(held[-1].fileno(), True)


@app.task(name="open_files", queue="work", executor="process")
def open_files() -> list[str]:
    """Return what the process has open."""
    own = list(Path("/proc/self/fd").iterdir())
    return [str(path.readlink()) for path in own if path.is_symlink()]  # the listing itself is over


@app.task(name="dies_in_a_child", queue="work", executor="process", retry=Retry(max_attempts=1))
def dies_in_a_child(number: int, token: str = "") -> None:
    del number, token
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="cancel_itself", queue="work", retry=Retry(max_attempts=2, backoff=constant(0.1)))
async def cancel_itself(token: str = "") -> None:
    del token
    report("start", "cancel_itself")
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(1)


@app.task(name="useless", queue="work")
async def useless(token: Secret[str] = "") -> None:
    raise Discard(f"no use, and its token was {token}")
