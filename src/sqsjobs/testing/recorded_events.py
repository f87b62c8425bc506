"""An observer that remembers: tests ask what happened, and wait for what is to happen, not for time."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqsjobs.events import Event
from sqsjobs.handle import JobHandle
from sqsjobs.task import Task

__all__ = ["RecordedEvents"]

E = TypeVar("E", bound=Event)


class RecordedEvents:
    """Every event that was told, in order; an `Observer` for ``App(observers=[...])``.

    It may be told from several threads, and be waited for on several event loops.
    """

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._listeners: set[_Listener] = set()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        counts = Counter(type(event).__name__ for event in self)
        return f"<RecordedEvents: {', '.join(f'{count} {name}' for name, count in counts.items()) or 'none'}>"

    def __call__(self, event: Event) -> None:
        """Record an event."""
        with self._lock:
            self._events.append(event)
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener.tell()

    def __iter__(self) -> Iterator[Event]:
        with self._lock:
            return iter(tuple(self._events))

    def __len__(self) -> int:
        return len(self._events)

    def of(
        self,
        kind: type[E],
        *,
        task: Task[..., Any] | str | None = None,
        job: JobHandle[Any] | str | None = None,
        where: Callable[[E], bool] | None = None,
    ) -> list[E]:
        """Return the events of a kind, in order.

        Args:
            kind: their class, such as `JobEnded`.
            task: only those about jobs of this task, or of the task of this name.
            job: only those about this job, or the job of this id.
            where: only those for which this is true.
        """
        task_name = task.name if isinstance(task, Task) else task
        job_id = job.id if isinstance(job, JobHandle) else job
        return [
            event
            for event in self
            if isinstance(event, kind)
            and task_name in (None, _task_of(event))
            and job_id in (None, _job_id_of(event))
            and (where is None or where(event))
        ]

    async def wait_for(
        self,
        kind: type[E],
        *,
        task: Task[..., Any] | str | None = None,
        job: JobHandle[Any] | str | None = None,
        where: Callable[[E], bool] | None = None,
        count: int = 1,
        timeout: float = 10.0,
    ) -> E:
        """Wait until there are `count` such events, those of the past included, and return the last of them.

        Args:
            kind: the events' class.
            task: see `of`.
            job: see `of`.
            where: see `of`.
            count: how many there must be.
            timeout: seconds after which the wait is a failure.

        Raises:
            AssertionError: after `timeout`; it says what was told instead.
        """
        found: list[E] = []
        with self._listening() as listener:
            try:
                async with asyncio.timeout(timeout):
                    while len(found := self.of(kind, task=task, job=job, where=where)) < count:
                        await listener.wait()
            except TimeoutError:
                raise AssertionError(
                    f"{len(found)} of {count} awaited {kind.__name__} events came within {timeout:g} s; told were: {self}"
                ) from None
        return found[count - 1]

    def clear(self) -> None:
        """Forget what was recorded."""
        with self._lock:
            self._events.clear()

    @contextmanager
    def _listening(self) -> Iterator[_Listener]:
        listener = _Listener()
        with self._lock:
            self._listeners.add(listener)
        try:
            yield listener
        finally:
            with self._lock:
                self._listeners.remove(listener)


class _Listener:
    """Wakes a coroutine, on its own event loop, whenever an event is told on any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._told = asyncio.Event()

    def tell(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._told.set)

    async def wait(self) -> None:
        await self._told.wait()
        self._told.clear()


def _task_of(event: Event) -> str | None:
    job = getattr(event, "job", None)
    return job.task if job else getattr(event, "task", None)


def _job_id_of(event: Event) -> str | None:
    job = getattr(event, "job", None)
    return job.id if job else getattr(event, "job_id", None)
