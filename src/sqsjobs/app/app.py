"""The app: the one place where tasks, queues, job store and workers are put together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar  # Any: tasks of every signature

from sqsjobs.app.jobs import Jobs
from sqsjobs.app.layers import check_can_call_back
from sqsjobs.app.plan import UNSET, Plan, Unset
from sqsjobs.app.session import Backends
from sqsjobs.app.tally import Tally
from sqsjobs.blobs import Blobs
from sqsjobs.callbacks import Callbacks
from sqsjobs.clock import Clock
from sqsjobs.context import Middleware
from sqsjobs.events import Observer
from sqsjobs.handle import JobHandle
from sqsjobs.hints import check_options
from sqsjobs.job import Call
from sqsjobs.observability.levels import LogLines
from sqsjobs.producer import NotEnqueued, SendOutcome
from sqsjobs.registry import Registry, tasks_in
from sqsjobs.sealing import Encryption, Signing
from sqsjobs.store.base import JobStore
from sqsjobs.store.bounds import bounded_result
from sqsjobs.store.tracking import Tracking
from sqsjobs.task import AsyncTask, Declare, Task, remote_task
from sqsjobs.transport.base import Transport

if TYPE_CHECKING:  # imported by those who run a worker, or administer queues
    from sqsjobs.worker.options import WatchedQueue
    from sqsjobs.worker.worker import Lifespan, Worker

__all__ = ["App"]

R = TypeVar("R")


class App(Jobs):
    """Tasks, the queues they go to, and the job store that keeps their records.

    What is not said here is looked up in the settings when the app is first opened (see `sqsjobs.settings`).
    ``async with app:`` opens it on the running event loop; `Task.enqueue_sync` needs no opening.

    Args:
        name: for logs and errors.
        store: the job store, or its URL; None for none.
        transport: to the queues; SQS itself by default.
        queue_prefix, endpoint_url, region: of the default transport.
        tracking: how much of a job is recorded: "full" by default.
        signing: the keys with which envelopes are signed and verified; None for none.
        encryption: the keys with which envelopes are encrypted and decrypted; None for none.
        compress_over: bytes of an envelope above which it is compressed; None for never.
        blobs: where large arguments and results are kept, `S3Blobs` or `FileBlobs`, or its URL; None for nowhere, where
            they are refused.
        callbacks: where the outcomes of jobs may be posted, and how they are signed; None for nowhere.
        keep_envelopes: whether records keep the envelopes of jobs, arguments and all, so that `JobHandle.retry` can
            send them again; those that are encrypted are kept so.
        environment: such as "production": an envelope sealed in another one is refused.
        lifespan: makes the context that is entered once in every worker process, around its jobs.
        middleware: wrappers of every attempt in a worker, the first one outermost.
        observers: readers of events.
        allow_no_dlq: let workers take jobs from queues without a dead-letter queue; poison then stays in the queue.
        annotate_errors: whether dead letters carry the first 200 characters of the error's text.

    Attributes:
        task: the decorator that declares a task of this app; see `Declare` for its options.
        registry: the tasks that its workers run.
    """

    def __init__(
        self,
        name: str,
        *,
        store: str | JobStore | Unset | None = UNSET,
        transport: Transport | None = None,
        queue_prefix: str | None = None,
        endpoint_url: str | None = None,
        region: str | None = None,
        tracking: Tracking | None = None,
        signing: Signing | Unset | None = UNSET,
        encryption: Encryption | Unset | None = UNSET,
        compress_over: int | Unset | None = UNSET,
        blobs: str | Blobs | Unset | None = UNSET,
        callbacks: Callbacks | Unset | None = UNSET,
        keep_envelopes: bool = True,
        environment: str | None = None,
        lifespan: Lifespan | None = None,
        middleware: Sequence[Middleware] = (),
        observers: Sequence[Observer] = (),
        allow_no_dlq: bool = False,
        annotate_errors: bool = True,
    ) -> None:
        super().__init__(
            name,
            Plan(
                store=store,
                transport=transport,
                queue_prefix=queue_prefix,
                endpoint_url=endpoint_url,
                region=region,
                tracking=tracking,
                signing=signing,
                encryption=encryption,
                compress_over=compress_over,
                blobs=blobs,
                callbacks=callbacks,
                keep_envelopes=keep_envelopes,
                environment=environment,
                observers=tuple(observers),
            ),
        )
        self.lifespan = lifespan
        self.middleware: tuple[Middleware, ...] = tuple(middleware)
        self.registry: Registry = Registry()
        self.task: Declare = Declare(self._adopt)
        if isinstance(callbacks, Callbacks):
            self._serve(callbacks, self._plan.clock)
        self._worker_options: dict[str, Any] = {"allow_no_dlq": allow_no_dlq, "annotate_errors": annotate_errors}

    def __repr__(self) -> str:
        return f"<App {self.name!r}, {len(self.registry)} tasks, {'open' if self._session else 'not open'}>"

    # Tasks -------------------------------------------------------------------------------------------

    def include(self, *tasks: Task[..., Any] | ModuleType) -> None:
        """Bind tasks that were declared with `sqsjobs.task`; of a module, all that belong to no other app.

        Raises:
            ConfigurationError: if a task belongs to another app, two have one name, an annotation names what
                does not exist, or a module has no tasks.
        """
        for given in tasks:
            for task in tasks_in(given, self):
                self._adopt(task)
                task.codec.resolve()

    def remote(self, name: str, *, queue: str = "default") -> AsyncTask[..., Any]:
        """Return a task whose code lives elsewhere, to be enqueued by argument names.

        Raises:
            ConfigurationError: if the name or the queue cannot be.
        """
        task = remote_task(name, queue)
        task.bind(self)
        return task

    def _adopt(self, task: Task[..., Any]) -> None:
        self.registry.add(task)
        task.bind(self)

    def _resolved(self) -> Backends:
        known, backends = self._backends, super()._resolved()
        if backends is not known and backends.callbacks is not None:
            self._serve(backends.callbacks, backends.clock)
        return backends

    def _serve(self, callbacks: Callbacks, clock: Clock) -> None:
        """Know the task that posts callbacks."""
        from sqsjobs.app.callback_task import callback_task  # noqa: PLC0415 - not every app has callbacks

        self.registry.serve(callback_task(callbacks, clock), everywhere=callbacks.queue is None)

    # Enqueueing --------------------------------------------------------------------------------------

    async def send_call(self, call: Call[R]) -> JobHandle[R]:
        """Enqueue one call; raises what `Task.enqueue` raises."""
        return self._handle(await self._opened().producer.send(call))

    def send_call_sync(self, call: Call[R]) -> JobHandle[R]:
        """Enqueue one call from code without an event loop; raises what `Task.enqueue_sync` raises."""
        return self._handle(self._portal.run(lambda session: session.producer.send(call), "enqueue_sync"))

    async def enqueue_many(self, calls: Iterable[Call[R]]) -> list[JobHandle[R]]:
        """Enqueue any number of calls (`Task.call`) in batches, and return their handles in order.

        The calls may come from a generator: about a thousand are held at a time.

        Raises:
            EnqueueManyError: if not every call was accepted; it accounts for each. On a FIFO queue, nothing is sent
                in a group after the first call that was not accepted.
        """
        tally = Tally[R](self._handle)
        try:
            async for outcome in self._opened().producer.send_many(calls):
                tally.add(outcome)
        except Exception as error:
            if not tally.count:
                raise
            raise tally.error() from error  # making a call raised, after others had been sent
        if not tally.is_complete:
            raise tally.error()
        return tally.accepted

    def _handle(self, outcome: SendOutcome) -> JobHandle[Any]:
        if isinstance(outcome, NotEnqueued):
            raise outcome.error
        return JobHandle(outcome.job_id, self, deduplicated=outcome.deduplicated)

    # Working -----------------------------------------------------------------------------------------

    def worker(
        self,
        queues: Sequence[str | WatchedQueue] = (),
        *,
        name: str | None = None,
        app_path: str | None = None,
        child_logs: LogLines | None = None,
        **options: Any,
    ) -> Worker:
        """Return a worker for this app, which must be open; ``await worker.run()`` works until it is stopped.

        Args:
            queues: what it takes jobs from; the queues of all tasks by default.
            name: in logs, records and dead letters.
            app_path: ``module:attribute`` of the app, from which child processes import it.
            child_logs: how child processes write their log lines; None leaves it to the app's module.
            options: those of `WorkerOptions`.

        Raises:
            ConfigurationError: if the app is not open, has no tasks, or an option cannot work.
        """
        from sqsjobs.worker.options import WatchedQueue, WorkerOptions  # noqa: PLC0415 - producers need no worker
        from sqsjobs.worker.worker import Worker  # noqa: PLC0415

        check_options(options, [field.name for field in fields(WorkerOptions)], "a worker")
        session, backends = self._opened(), self._resolved()
        check_can_call_back(backends.callbacks, session.sealing)
        self.registry.resolve()
        chosen = WorkerOptions(**self._worker_options | options)
        return Worker(
            registry=self.registry,
            transport=session.transport,
            sealing=session.sealing,
            callbacks=backends.callbacks,
            store=session.store,
            tracking=backends.tracking,
            queues=[
                queue if isinstance(queue, WatchedQueue) else WatchedQueue(queue)
                for queue in queues or self.registry.queues()
            ],
            options=replace(chosen, result_bytes=bounded_result(session.store, chosen.result_bytes)),
            observer=backends.observer,
            lifespan=self.lifespan,
            middleware=self.middleware,
            app_path=app_path,
            app_changes=self._changes,
            child_logs=child_logs,
            name=name,
            clock=backends.clock,
        )
