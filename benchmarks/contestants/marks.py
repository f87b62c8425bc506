"""Marks on the way of a job, set where ``BENCH_MARKS`` names a file: what `benchmarks.steps` is told of each step."""

from __future__ import annotations

import asyncio
import atexit
import os
import time
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.contestants import producing

__all__ = ["ASKED", "CALLED", "STEPS", "set_marks"]

ASKED = "enqueue called"
CALLED = "the job's first line"
STEPS: tuple[tuple[str, tuple[str, str, str] | None], ...] = (
    (ASKED, None),
    ("call checked and encoded", ("sqsjobs.task", "Task.call", "after")),
    ("job made, envelope written, batch gathered", ("sqsjobs.transport.sqs", "SqsTransport.send", "before")),
    ("request encoded, signed and written", ("sqsjobs.transport.wire.connection", "Connection.request", "before")),
    ("answered by the server", ("sqsjobs.transport.wire.connection", "Connection.buffer_updated", "before")),
    ("answer read into deliveries", ("sqsjobs.transport.sqs", "SqsTransport.receive", "after")),
    ("lease granted", ("sqsjobs.worker.dispatcher", "Dispatcher.hold", "after")),
    ("slot taken, task of its own begun", ("sqsjobs.worker.dispatcher", "Dispatcher._live", "before")),
    ("message read, arguments decoded", ("sqsjobs.worker.reading", "Reading.read", "after")),
    (CALLED, None),
)
"""What has been done when a mark is set, in order; and where: a module, a method, and whether when it is called or has ended."""

_marks: list[str] = []


def set_marks() -> None:
    """Set all marks in this process, if it is asked for."""
    if "BENCH_MARKS" not in os.environ:
        return
    for label, place in STEPS:
        if place is not None:
            _set(label, *place)
    paced = producing._paced  # noqa: SLF001 - of this benchmark

    async def marked(enqueue: Callable[[float], Awaitable[object]], jobs: int) -> None:
        def asked(number: float) -> Awaitable[object]:
            _mark(ASKED)
            return enqueue(number)

        await paced(asked, jobs)

    producing._paced = marked  # noqa: SLF001
    producing.called.append(_called)
    atexit.register(_tell)


def _called() -> None:
    _mark(CALLED)
    _tell()  # nobody waits any more, and a worker is killed in the end


def _tell() -> None:
    with Path(os.environ["BENCH_MARKS"]).open("a") as file:
        file.writelines(_marks)
    _marks.clear()


def _mark(label: str) -> None:
    _marks.append(f"{time.monotonic()}\t{label}\n")


def _set(label: str, module: str, name: str, moment: str) -> None:
    owner, _, attribute = name.partition(".")
    cls = getattr(import_module(module), owner)
    function = getattr(cls, attribute)

    def before(*args: Any, **kwargs: Any) -> Any:
        _mark(label)
        return function(*args, **kwargs)

    def after(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        _mark(label)
        return result

    async def ended(*args: Any, **kwargs: Any) -> Any:
        result = await function(*args, **kwargs)
        _mark(label)
        return result

    then = ended if asyncio.iscoroutinefunction(function) else after
    setattr(cls, attribute, before if moment == "before" else then)
