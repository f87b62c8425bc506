"""A producer as a process: says "ready", enqueues when it is told how much, says "done", and so on.

It is imported by every contestant, in whichever environment, and so needs nothing but Python.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

__all__ = [
    "CONCURRENCY",
    "ENDPOINT",
    "QUEUES",
    "TASK",
    "WAIT",
    "at_once",
    "called",
    "on_uvloop",
    "produce",
    "produce_in_threads",
    "stamp",
]

ENDPOINT = os.environ.get("BENCH_ENDPOINT", "http://127.0.0.1:9324")
QUEUES = os.environ.get("BENCH_QUEUES", "bench").split(",")
TASK = os.environ.get("BENCH_TASK", "no_op")
CONCURRENCY = int(os.environ.get("BENCH_CONCURRENCY", "100"))
WAIT = int(os.environ.get("BENCH_WAIT", "10"))
_STAMPS = os.environ.get("BENCH_STAMPS")
_stamps = os.open(_STAMPS, os.O_WRONLY | os.O_APPEND) if _STAMPS else -1
called: list[Callable[[], None]] = []
"""Who is to hear when a job that tells has begun."""
_PAUSE = 0.02
"""Seconds between two jobs that are to find an idle worker."""


async def produce(
    enqueue: Callable[[float], Awaitable[object]], way: str, many: Callable[[int], Awaitable[object]] | None = None
) -> None:
    """Enqueue as often as asked for, each time so many jobs.

    Args:
        enqueue: enqueues one job, with a number for its argument, and returns when that is confirmed.
        way: a number of callers, "many" for all in the fastest way that there is, or "paced": with a pause after each,
            the time of sending for an argument.
        many: the fastest way; ten callers by default.
    """
    while jobs := _on_word():
        if way == "paced":
            await _paced(enqueue, jobs)
        elif way == "many" and many is not None:
            await many(jobs)
        else:
            await at_once(enqueue, jobs, 10 if way == "many" else int(way))
        print("done", flush=True)


async def at_once(enqueue: Callable[[float], Awaitable[object]], jobs: int, callers: int) -> None:
    """Enqueue one by one in each of `callers` coroutines; each waits for its own confirmation."""
    numbers = iter(range(jobs))

    async def call() -> None:
        for number in numbers:
            await enqueue(number)

    await asyncio.gather(*(call() for _ in range(callers)))


async def _paced(enqueue: Callable[[float], Awaitable[object]], jobs: int) -> None:
    for _ in range(jobs):
        await enqueue(time.monotonic())
        await asyncio.sleep(_PAUSE)


def produce_in_threads(enqueue: Callable[[float], object], way: str) -> None:
    """Do what `produce` does with a plain function, in as many threads as there are callers."""
    with ThreadPoolExecutor({"many": 10, "paced": 1}.get(way) or int(way)) as callers:
        while jobs := _on_word():
            if way == "paced":
                for _ in range(jobs):
                    enqueue(time.monotonic())
                    time.sleep(_PAUSE)
            else:
                list(callers.map(enqueue, range(jobs)))
            print("done", flush=True)


def _on_word() -> int:
    """Say that all is ready; return how many jobs are asked for, 0 for no more."""
    print("ready", flush=True)
    with suppress(ValueError):
        return int(sys.stdin.readline())
    return 0


def stamp(sent: float) -> None:
    """Tell the conductor how long a job was under way, in seconds of the machine's monotonic clock."""
    for hear in called:
        hear()
    os.write(_stamps, f"{time.monotonic() - sent}\n".encode())


def on_uvloop(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on uvloop, or on asyncio's loop where that is not installed."""
    try:
        import uvloop  # noqa: PLC0415 - it may not be there
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)
