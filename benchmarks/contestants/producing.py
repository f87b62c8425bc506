"""A producer as a process: says "ready", enqueues when it is told to, says "done".

It is imported by every contestant, in whichever environment, and so needs nothing but Python.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable

__all__ = ["ENDPOINT", "QUEUES", "TASK", "at_once", "on_word", "stamp"]

ENDPOINT = os.environ.get("BENCH_ENDPOINT", "http://127.0.0.1:9324")
QUEUES = os.environ.get("BENCH_QUEUES", "bench").split(",")
TASK = os.environ.get("BENCH_TASK", "no_op")
_STAMPS = os.environ.get("BENCH_STAMPS")
_stamps = os.open(_STAMPS, os.O_WRONLY | os.O_APPEND) if _STAMPS else -1


def on_word() -> int:
    """Say that all is ready; return how many jobs are asked for, 0 for no more."""
    print("ready", flush=True)
    return int(sys.stdin.readline() or 0)


async def at_once(enqueue: Callable[[int], Awaitable[object]], jobs: int, callers: int) -> None:
    """Enqueue one by one in each of `callers` coroutines; each waits for its own confirmation."""
    numbers = iter(range(jobs))

    async def call() -> None:
        for number in numbers:
            await enqueue(number)

    await asyncio.gather(*(call() for _ in range(callers)))


def stamp(sent: float) -> None:
    """Tell the conductor how long a job was under way, in seconds of the machine's monotonic clock."""
    os.write(_stamps, f"{time.monotonic() - sent}\n".encode())
