"""An app on queues and a job store in memory: what was enqueued, and the jobs run by a real worker."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager, nullcontext
from datetime import timedelta
from typing import Any, Protocol, Self

from sqsjobs.app import App
from sqsjobs.app.plan import Plan
from sqsjobs.callbacks import Callbacks
from sqsjobs.events import Event, JobStarted
from sqsjobs.settings import Settings
from sqsjobs.store.memory import MemoryStore
from sqsjobs.task import Task
from sqsjobs.testing.clock import MovableClock
from sqsjobs.testing.drained import DrainReport, drain_report
from sqsjobs.testing.enqueued import EnqueuedJob, SentMessage, Wanted, enqueued_job, told_difference
from sqsjobs.testing.posted import PostedCallback, kept
from sqsjobs.testing.recorded_events import RecordedEvents
from sqsjobs.transport.address import SqsEndpoint
from sqsjobs.transport.base import OutgoingMessage, SendResult, Sent
from sqsjobs.transport.memory import MemorySQS, MemoryTransport
from sqsjobs.transport.model import Phase
from sqsjobs.worker.worker import Worker

__all__ = ["MemoryApp", "PutInMemory"]


class MemoryApp:
    """Puts an app on queues and a job store in memory while a block is entered, and back afterwards.

    ``async with MemoryApp(app) as jobs:`` opens the app, too; ``with`` leaves that to the code under test. The queues,
    standard and FIFO, are the strict model of SQS; each is created, with its dead-letter queue, when it is first used.

    Args:
        app: the app; not open.
        store: whether it gets a job store; without one, `JobHandle.result` raises `NoJobStore`.

    Attributes:
        app: the app.
        sqs: its queues.
        clock: the time of queues, records and workers; see `advance`.
        events: all that was told.
        callbacks: those that were posted; they go to no network.
    """

    def __init__(self, app: App, *, store: bool = True) -> None:
        self.app = app
        self.clock: MovableClock = MovableClock()
        self.sqs: MemorySQS = MemorySQS(clock=self.clock)
        self.events: RecordedEvents = RecordedEvents()
        self.callbacks: list[PostedCallback] = []
        self._store = MemoryStore(clock=self.clock) if store else None
        self._sent: list[SentMessage] = []
        self._starts = _StartLimit()
        self._restoring = ExitStack()
        self._closing = AsyncExitStack()

    def __repr__(self) -> str:
        return f"<MemoryApp of {self.app!r}, {len(self.enqueued())} jobs enqueued>"

    def __enter__(self) -> Self:
        """Raise `ConfigurationError` if the app is open."""
        self._restoring.enter_context(self.app.replanned(self._plan))
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._restoring.close()

    async def __aenter__(self) -> Self:
        """Raise `ConfigurationError` if the app is open."""
        async with AsyncExitStack() as opening:
            opening.enter_context(self)
            await opening.enter_async_context(self.app)
            self._closing = opening.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._closing.aclose()

    def _plan(self, before: Plan) -> Plan:
        return Plan(
            transport=_RecordingTransport(self.sqs, self._sent),
            store=self._store,
            tracking=before.tracking if self._store else "off",
            signing=None,
            encryption=None,
            compress_over=None,
            blobs=None,
            callbacks=self._callbacks(before),
            observers=(*before.observers, self.events, self._starts),
            clock=self.clock,
        )

    def _callbacks(self, before: Plan) -> Callbacks | None:
        callbacks = before.chosen_callbacks(Settings.load())
        return kept(callbacks, self.callbacks) if callbacks else None

    # What was enqueued -------------------------------------------------------------------------------

    def enqueued(
        self, task: Task[..., Any] | None = None, /, *args: object, **kwargs: object
    ) -> tuple[EnqueuedJob, ...]:
        """Return the jobs that were enqueued, in order; those that have ended by now included.

        Args:
            task: only jobs of this task; if it is a copy made by `Task.using`, only those sent in this way.
            args: only those with these arguments. Not all need be given; `unittest.mock.ANY` stands for any value.
            kwargs: the same, by name.

        Raises:
            InvalidArguments: if the task has no such parameter.
        """
        wanted = Wanted(task, args, kwargs) if task else None
        return tuple(job for job in self._jobs() if wanted is None or wanted.fits(job))

    def assert_enqueued(self, task: Task[..., Any], /, *args: object, **kwargs: object) -> EnqueuedJob:
        """Return the one job that was enqueued like this; for the arguments see `enqueued`.

        Raises:
            AssertionError: if there is none, or more than one; it says what was enqueued instead.
        """
        return self.assert_enqueued_times(1, task, *args, **kwargs)[0]

    def assert_enqueued_times(
        self, times: int, task: Task[..., Any], /, *args: object, **kwargs: object
    ) -> tuple[EnqueuedJob, ...]:
        """Return the jobs that were enqueued like this, exactly `times`; for the arguments see `enqueued`.

        Raises:
            AssertionError: if there are more, or fewer; it says what was enqueued instead.
        """
        wanted = Wanted(task, args, kwargs)
        found = self.enqueued(task, *args, **kwargs)
        if len(found) != times:
            raise AssertionError(told_difference(wanted, times, len(found), self.enqueued()))
        return found

    def assert_not_enqueued(self, task: Task[..., Any], /, *args: object, **kwargs: object) -> None:
        """Raise `AssertionError` if a job was enqueued like this; for the arguments see `enqueued`."""
        self.assert_enqueued_times(0, task, *args, **kwargs)

    def _jobs(self) -> Iterator[EnqueuedJob]:
        """Yield each job once: a worker sends it again for long delays, and copies it to the dead-letter queue."""
        known: set[str] = set()
        for sent in tuple(self._sent):
            job = enqueued_job(sent, self.app.registry)
            if job is not None and job.id not in known:
                known.add(job.id)
                yield job

    # Running the jobs --------------------------------------------------------------------------------

    async def drain(
        self,
        *,
        skip_delays: bool = False,
        allow_failures: bool = False,
        limit: int = 1000,
        concurrency: int = 10,
    ) -> DrainReport:
        """Run the jobs, and those that they enqueue, by a real worker until none is due.

        The worker looks for further jobs when one has ended, so a job that waits for another's result waits in vain.

        Args:
            skip_delays: move the clock ahead to what is delayed, hidden or snoozed until nothing is left at all.
            allow_failures: return where a job failed, too.
            limit: attempts after which this is taken for a circle of jobs without end.
            concurrency: jobs that run at once.

        Raises:
            JobsFailed: if a job failed, or waits for a retry because it did; with its traceback.
            AssertionError: if `limit` is reached.
            ConfigurationError: if the app is open on another event loop.
        """
        first = len(self.events)
        self._starts.begin(limit)
        async with nullcontext() if self.app.is_open else self.app:
            await self._burst(concurrency)
            while skip_delays and self._skip_to_next():
                await self._burst(concurrency)
        not_due = sum(len(self.sqs.peek(name)) for name in self._queue_names())
        report = drain_report(tuple(self.events)[first:], self.enqueued(), not_due=not_due)
        self._starts.check()
        if not allow_failures:
            report.raise_for_failures()
        return report

    def drain_sync(
        self,
        *,
        skip_delays: bool = False,
        allow_failures: bool = False,
        limit: int = 1000,
        concurrency: int = 10,
    ) -> DrainReport:
        """Do what `drain` does, for a test without an event loop; the app must not be open."""
        return asyncio.run(
            self.drain(skip_delays=skip_delays, allow_failures=allow_failures, limit=limit, concurrency=concurrency)
        )

    def advance(self, duration: timedelta | float) -> None:
        """Move the clock ahead by a `timedelta`, or by seconds: what is due by then is due now.

        Only while no worker runs: its leases would end.
        """
        self.clock.advance(duration)
        self.sqs.tick()

    async def _burst(self, concurrency: int) -> None:
        worker = self.app.worker(self._queues(), burst=True, wait=0, delete_linger=0, concurrency=concurrency)
        with self._starts.of(worker):
            await worker.run()

    def _queues(self) -> Sequence[str]:
        """The queues of all tasks, and those that their jobs were sent to with `using(queue=...)`."""
        registry = self.app.registry
        return sorted({*registry.queues(), *(job.queue for job in self._jobs() if registry.get(job.task))})

    def _queue_names(self) -> Sequence[str]:
        return [SqsEndpoint().address(queue).name for queue in self._queues()]

    def _skip_to_next(self) -> bool:
        """Move the clock to when the next message is due; False if none is left."""
        if self._starts.exceeded or (due := self._next_due()) is None:
            return False
        self.advance(max(0.0, due - self.clock.now()))
        return True

    def _next_due(self) -> float | None:
        with self.sqs.use() as model:
            messages = [it for name in self._queue_names() for it in model.account.queue(name).messages.values()]
        hidden = [message.due for message in messages if message.phase in (Phase.DELAYED, Phase.IN_FLIGHT)]
        # The clock goes on by itself, too: what was hidden may have become visible just after the worker's last look.
        return min(hidden) if hidden else self.clock.now() if messages else None


class PutInMemory(Protocol):
    """What the fixture `sqsjobs_app` gives: ``jobs = sqsjobs_app(app)``."""

    def __call__(self, app: App, *, store: bool = True) -> MemoryApp:
        """Put an app in memory until the test ends; see `MemoryApp`."""
        ...


class _StartLimit:
    """An observer that counts the attempts of a drain, and stops its worker when there are too many."""

    def __init__(self) -> None:
        self._limit = 0
        self._starts: Counter[str] = Counter()
        self._worker: Worker | None = None

    def __call__(self, event: Event) -> None:
        if self._worker is None or not isinstance(event, JobStarted):
            return
        self._starts[event.job.task] += 1
        if self.exceeded:
            self._worker.stop("too many attempts")

    @property
    def exceeded(self) -> bool:
        """Whether there were more attempts than allowed."""
        return self._starts.total() > self._limit

    def begin(self, limit: int) -> None:
        """Count anew, up to `limit`."""
        self._limit = limit
        self._starts.clear()

    @contextmanager
    def of(self, worker: Worker) -> Iterator[None]:
        """Count the attempts of a worker."""
        self._worker = worker
        try:
            yield
        finally:
            self._worker = None

    def check(self) -> None:
        """Raise `AssertionError` if there were too many."""
        if self.exceeded:
            counts = ", ".join(f"{task} {count}" for task, count in self._starts.most_common(5))
            raise AssertionError(
                f"the drain does not come to an end: more than {self._limit} attempts ({counts}); "
                f"a job that enqueues or snoozes itself for ever? Otherwise give a higher limit="
            )


class _RecordingTransport(MemoryTransport):
    """A memory transport that writes down what was sent, its clones' messages in the same list."""

    def __init__(self, sqs: MemorySQS, sent: list[SentMessage]) -> None:
        super().__init__(sqs, create_missing=True)
        self._sent = sent

    async def send(self, queue: str, messages: Sequence[OutgoingMessage]) -> list[SendResult]:
        results = await super().send(queue, messages)
        for message, result in zip(messages, results, strict=True):
            if isinstance(result, Sent):
                self._sent.append(SentMessage(queue, result.message_id, message))
        return results

    def clone(self) -> _RecordingTransport:
        return _RecordingTransport(self.sqs, self._sent)
