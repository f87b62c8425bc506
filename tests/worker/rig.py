"""A worker, its queues and its job store in one process, and a recorder that lets a test wait for what happens."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from random import Random
from typing import Any, Self, TypeVar

import msgspec

from sqsjobs import events as ev
from sqsjobs.annotation import ANNOTATION, Annotation
from sqsjobs.clock import Clock, SystemClock
from sqsjobs.envelope import encode
from sqsjobs.job import NO_HEADERS, Job, JobId, new_job_id
from sqsjobs.registry import Registry
from sqsjobs.store.base import JobRecord, JobStore
from sqsjobs.store.memory import MemoryStore
from sqsjobs.store.tracking import Tracking
from sqsjobs.task import Task, task
from sqsjobs.transport.base import OutgoingMessage, Transport, is_fifo
from sqsjobs.transport.memory import MemorySQS, MemoryTransport, QueuedMessage
from sqsjobs.transport.model import Fault, NoAnswer, Phase, Refusal
from sqsjobs.worker.heartbeat import beating_in_thread
from sqsjobs.worker.options import WatchedQueue, WorkerOptions
from sqsjobs.worker.worker import Worker

E = TypeVar("E")

REAL_PATIENCE = 20.0
"""Seconds after which a test that waits for an event gives up."""
UNAVAILABLE = Refusal("ServiceUnavailable", "come back later")
LOST = NoAnswer()


@contextmanager
def no_unseen_errors(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Fail where a task of `loop` has raised what nobody looked at."""
    unseen: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: unseen.append(context))
    yield
    gc.collect()
    assert not unseen, unseen


class Recorder:
    """Keeps all events, of every thread, and wakes who waits for one."""

    def __init__(self) -> None:
        self.all: list[ev.Event] = []
        self._changed: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._lock = threading.Lock()

    def __call__(self, event: ev.Event) -> None:
        with self._lock:
            self.all.append(event)
            for loop, changed in self._changed:
                loop.call_soon_threadsafe(changed.set)

    def of(self, kind: type[E], where: Callable[[E], bool] = lambda _: True) -> list[E]:
        """Return the events of one kind so far."""
        with self._lock:
            return [event for event in self.all if isinstance(event, kind) and where(event)]

    def one(self, kind: type[E], where: Callable[[E], bool] = lambda _: True) -> E:
        """Return the only event of its kind."""
        (event,) = self.of(kind, where)
        return event

    def count(self, kind: type[Any], where: Callable[[Any], bool] = lambda _: True) -> int:
        return len(self.of(kind, where))

    async def wait(
        self, kind: type[E], where: Callable[[E], bool] = lambda _: True, *, count: int = 1, within: float | None = None
    ) -> E:
        """Return the `count`th event of its kind, once it has happened."""
        loop = asyncio.get_running_loop()
        entry = (loop, asyncio.Event())
        with self._lock:
            self._changed.append(entry)
        try:
            async with asyncio.timeout(within or getattr(loop, "patience", REAL_PATIENCE)):
                seen = found = 0
                while True:
                    entry[1].clear()
                    for event in self.all[seen:]:
                        seen += 1
                        found += isinstance(event, kind) and where(event)
                        if found == count:
                            assert isinstance(event, kind)
                            return event
                    await entry[1].wait()
        except TimeoutError:
            told = "\n".join(repr(event) for event in self.all[-200:] if not _is_idle(event))
            raise AssertionError(f"no {count} {kind.__name__} in time; the last events:\n{told}") from None
        finally:
            with self._lock:
                self._changed.remove(entry)


def _is_idle(event: ev.Event) -> bool:
    return (isinstance(event, ev.SqsCalled) and event.entries == 0) or (
        isinstance(event, ev.PollCompleted) and event.messages == 0
    )


class Faults:
    """What is to go wrong, call by call, in the order in which it was asked for."""

    def __init__(self) -> None:
        self._planned: list[tuple[str, str | None, Fault, int]] = []
        self.asked: list[tuple[str, str | None]] = []
        """Every call that was made."""

    def __call__(self, operation: str, queue: str | None) -> Fault | None:
        self.asked.append((operation, queue))
        for index, (wanted, on, fault, times) in enumerate(self._planned):
            if wanted == operation and on in (None, queue):
                if times == 1:
                    del self._planned[index]
                else:
                    self._planned[index] = (wanted, on, fault, times - 1)
                return fault
        return None

    def plan(self, operation: str, fault: Fault, *, queue: str | None = None, times: int = 1) -> None:
        """Let the next `times` calls of `operation` (on `queue`) go wrong; 0 for all that come."""
        self._planned.append((operation, queue, fault, times))

    def refuse(self, operation: str, *, queue: str | None = None, times: int = 1) -> None:
        """Let them be answered with a server error."""
        self.plan(operation, Fault(before=UNAVAILABLE), queue=queue, times=times)

    def end(self) -> None:
        """Let nothing go wrong any more."""
        self._planned.clear()

    def made(self, operation: str, queue: str | None = None) -> int:
        return sum(1 for made, on in self.asked if made == operation and queue in (None, on))


class Rig:
    """Queues ``work``, ``other`` and ``work.fifo``, each with a dead-letter queue, a job store, and workers over them."""

    def __init__(self, clock: Clock | None = None, *, beating: Callable[..., Any] = beating_in_thread) -> None:
        self.clock = clock or SystemClock()
        self.faults = Faults()
        self.sqs = MemorySQS(clock=self.clock, seed=1, faults=self.faults)
        self.events = Recorder()
        self.transport: Transport = MemoryTransport(self.sqs, observer=self.events)
        self.store: JobStore | None = MemoryStore(clock=self.clock)
        self.registry = Registry()
        self._beating = beating
        for queue in ("work", "other", "work.fifo"):
            name, dot, fifo = queue.partition(".")
            self.sqs.create_queue(queue, dead_letter_queue=f"{name}-dlq{dot}{fifo}")

    async def __aenter__(self) -> Self:
        await self.transport.__aenter__()
        if self.store is not None:
            await self.store.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self.store is not None:
            await self.store.__aexit__(*exc_info)
        await self.transport.__aexit__(*exc_info)

    # Tasks and jobs

    def task(self, **options: Any) -> Callable[[Callable[..., Any]], Task[..., Any]]:
        """Declare a task that the workers know; on queue ``work`` unless it says otherwise."""

        def declare(function: Callable[..., Any]) -> Task[..., Any]:
            return self.know(task(**{"queue": "work", **options})(function))

        return declare

    def know(self, declared: Task[..., Any]) -> Task[..., Any]:
        self.registry.add(declared)
        return declared

    def job(self, of: Task[..., Any] | str, *, queue: str | None = None, **fields: Any) -> Job:
        """Make a job; what is no field of `Job` is an argument."""
        own = {name: fields.pop(name) for name in tuple(fields) if name in Job.__struct_fields__}
        name, home = (of, "work") if isinstance(of, str) else (of.name, of.queue)
        return Job(
            id=own.pop("id", None) or new_job_id(),
            task=name,
            queue=queue or home,
            arguments=own.pop("arguments", None) or msgspec.json.encode(fields),
            headers=own.pop("headers", NO_HEADERS),
            enqueued_at=own.pop("enqueued_at", self.clock.wall()),
            **own,
        )

    async def send(self, of: Task[..., Any] | str, *, delay: int = 0, **fields: Any) -> JobId:
        """Send a job as a producer does."""
        job = self.job(of, **fields)
        await self.send_body(encode(job), queue=job.queue, delay=delay, group=job.group)
        return job.id

    async def send_body(
        self, body: str, *, queue: str = "work", delay: int = 0, group: str | None = None, **attributes: str
    ) -> None:
        message = OutgoingMessage(
            body,
            delay=delay,
            group=group or ("g" if is_fifo(queue) else None),
            deduplication_id=new_job_id() if is_fifo(queue) else None,
            attributes=attributes,
        )
        await self.transport.send(queue, [message])

    async def send_many(self, of: Task[..., Any], count: int) -> list[JobId]:
        """Send `count` jobs, in tens, each with its number as argument `n`."""
        jobs = [self.job(of, n=n) for n in range(count)]
        messages = [OutgoingMessage(encode(job)) for job in jobs]
        for start in range(0, count, 10):
            await self.transport.send(of.queue, messages[start : start + 10])
        return [job.id for job in jobs]

    # Workers

    def worker(
        self,
        *queues: str | WatchedQueue,
        tracking: Tracking = "full",
        registry: Registry | None = None,
        transport: Transport | None = None,
        store: JobStore | None = None,
        name: str | None = None,
        seed: int = 7,
        **options: Any,
    ) -> Worker:
        """Build a worker of `queues` (``work``); options of `Worker` and of `WorkerOptions`, by name."""
        own = {
            name: options.pop(name)
            for name in ("lifespan", "middleware", "app_path", "sealing", "callbacks", "clock")
            if name in options
        }
        return Worker(
            registry=self.registry if registry is None else registry,
            transport=transport or self.transport,
            store=store or self.store,
            tracking=tracking if self.store else "off",
            queues=[WatchedQueue(queue) if isinstance(queue, str) else queue for queue in queues or ("work",)],
            options=WorkerOptions(**{"wait": 1, "concurrency": 10, **options}),
            observer=self.events,
            name=name or "w1",
            random=Random(seed),
            beating=self._beating,
            **{"clock": self.clock, **own},
        )

    @asynccontextmanager
    async def working(self, *queues: str | WatchedQueue, **options: Any) -> AsyncIterator[Worker]:
        """Run a worker; at the end of the block it is stopped, its open polls are ended, and it is waited for."""
        worker = self.worker(*queues, **options)
        running = asyncio.ensure_future(worker.run())
        try:
            await self.events.wait(ev.WorkerStarted, lambda event: event.worker == worker.name)
            yield worker
        finally:
            if not running.done():
                worker.stop("the test is over")
                self.sqs.end_polls()
            await running

    async def drain(self, *queues: str | WatchedQueue, **options: Any) -> bool:
        """Run a worker until its queues are empty."""
        return await self.worker(*queues, burst=True, **options).run()

    # What there is

    def messages(self, queue: str = "work") -> list[QueuedMessage]:
        return self.sqs.peek(queue)

    def in_flight(self, queue: str = "work") -> int:
        return sum(message.phase is Phase.IN_FLIGHT for message in self.messages(queue))

    def dead_letters(self, queue: str = "work-dlq") -> Iterator[tuple[QueuedMessage, Annotation]]:
        for message in self.messages(queue):
            value = message.attributes[ANNOTATION].value
            assert isinstance(value, str)
            yield message, Annotation.decode(value)

    def dead_letter(self, queue: str = "work-dlq") -> Annotation:
        """Return the annotation of the only dead letter."""
        ((_, annotation),) = self.dead_letters(queue)
        return annotation

    async def record(self, job_id: JobId) -> JobRecord:
        assert self.store is not None
        record = await self.store.get(job_id)
        assert record is not None
        return record
