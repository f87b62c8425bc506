"""The app: the one place where tasks, queues, job store and workers are put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack  # Any: tasks of every signature

from sqsjobs.app.jobs import Jobs
from sqsjobs.app.plan import UNSET, Plan, PlanChanges, Unset, Whereabouts
from sqsjobs.app.portal import Portal
from sqsjobs.app.session import Backends, Session
from sqsjobs.app.tally import Tally
from sqsjobs.blobs import Blobs
from sqsjobs.context import Middleware
from sqsjobs.errors import (
    ConfigurationError,
)
from sqsjobs.events import Observer
from sqsjobs.handle import JobHandle
from sqsjobs.hints import check_options
from sqsjobs.job import Call
from sqsjobs.observability.levels import LogLines
from sqsjobs.producer import NotEnqueued, SendOutcome
from sqsjobs.registry import Registry, tasks_in
from sqsjobs.sealing import Encryption, Sealing, Signing
from sqsjobs.settings import Settings
from sqsjobs.store.base import JobStore
from sqsjobs.store.bounds import bounded_result
from sqsjobs.store.tracking import Tracking
from sqsjobs.task import AsyncTask, Declare, Task, remote_task
from sqsjobs.transport.base import Transport

if TYPE_CHECKING:  # imported by those who run a worker, or administer queues
    from sqsjobs.transport.admin import QueueAdmin
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
        blobs: where large arguments and results are kept, `S3Blobs` or `FileBlobs`; without, they are refused.
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
        blobs: Blobs | None = None,
        keep_envelopes: bool = True,
        environment: str | None = None,
        lifespan: Lifespan | None = None,
        middleware: Sequence[Middleware] = (),
        observers: Sequence[Observer] = (),
        allow_no_dlq: bool = False,
        annotate_errors: bool = True,
    ) -> None:
        self.name = name
        self.lifespan = lifespan
        self.middleware: tuple[Middleware, ...] = tuple(middleware)
        self.registry: Registry = Registry()
        self.task: Declare = Declare(self._adopt)
        self._plan = Plan(
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
            keep_envelopes=keep_envelopes,
            environment=environment,
            observers=tuple(observers),
        )
        self._worker_options: dict[str, Any] = {"allow_no_dlq": allow_no_dlq, "annotate_errors": annotate_errors}
        self._changes: dict[str, str] = {}
        self._backends: Backends | None = None
        self._session: Session | None = None
        self._portal = Portal(f"sqsjobs-{name}", self._new_session)

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

    # Opening -----------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Open the app on the running event loop.

        Raises:
            ConfigurationError: if it is open already, or its settings or credentials cannot work.
        """
        if self.is_open:
            raise ConfigurationError(
                f"app {self.name!r} is open already: enter it once, where the program starts, and use it everywhere"
            )
        self._session = session = self._new_session()
        try:
            await session.__aenter__()
        except BaseException:
            self._session = None
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        session = self._opened()
        try:
            await session.__aexit__(*exc_info)
        finally:
            self._session = None

    def configure(self, *, observers: Sequence[Observer] = (), **changes: Unpack[PlanChanges]) -> None:
        """Replace what the app was made with, before it is opened: for commands.

        Args:
            observers: are added to those that there are.
            changes: the constructor's options by these names; None leaves one as it was (but `store`: none).

        Raises:
            ConfigurationError: if it is open.
        """
        self._check_not_open()
        self._follow(self._plan.changed(observers, **changes))
        self._changes |= {option: value for option, value in changes.items() if isinstance(value, str)}

    @contextmanager
    def replanned(self, change: Callable[[Plan], Plan]) -> Iterator[None]:
        """Follow another plan, made of the present one by `change`, until the block is left: for tests.

        Raises:
            ConfigurationError: if it is open.
        """
        self._check_not_open()
        before = self._plan
        self._follow(change(before))
        try:
            yield
        finally:
            self._follow(before)

    def _check_not_open(self) -> None:
        if self.is_open:
            raise ConfigurationError(f"app {self.name!r} is open: configure it before `async with app:`")

    def _follow(self, plan: Plan) -> None:
        self._plan = plan
        self._backends = None
        self._portal.close()

    def close_sync(self) -> None:
        """End the thread that `enqueue_sync` started; the end of the process does it, too."""
        self._portal.close()

    @property
    def is_open(self) -> bool:
        """Whether it is open, on whichever event loop; what `enqueue_sync` uses does not count."""
        return self._session is not None and not self._session.is_left_behind

    @property
    def transport(self) -> Transport:
        """The open transport; `ConfigurationError` where the app is not open."""
        return self._opened().transport

    @property
    def sealing(self) -> Sealing:
        """The layers around envelopes; `ConfigurationError` where the app is not open."""
        return self._opened().sealing

    @property
    def store(self) -> JobStore | None:
        """The open job store, or None if no records are kept; `ConfigurationError` where the app is not open."""
        return self._opened().store

    def unopened_store(self) -> JobStore | None:
        """Return the job store that the app opens, or None, for those who set it up."""
        return self._resolved().store

    @property
    def tracking(self) -> Tracking:
        """How much of a job is recorded; "off" without a job store."""
        return self._resolved().tracking

    @property
    def names_store(self) -> bool:
        """Whether the program or the settings say which job store there is, be it none."""
        return self._plan.names_store(Settings.load())

    @property
    def chosen_store(self) -> str | JobStore | None:
        """The job store, or its URL, as the program or the settings say it; it is not opened."""
        return self._plan.chosen_store(Settings.load())

    def whereabouts(self) -> Whereabouts:
        """Return where the queues are at SQS, for which the app need not be open.

        Raises:
            ConfigurationError: if the app was made with a transport of its own.
        """
        return self._plan.whereabouts(Settings.load())

    def queue_admin(self) -> QueueAdmin:
        """Return an unopened administration of this app's queues, for which it need not be open itself.

        It needs rights (CreateQueue, SetQueueAttributes, ListQueues) that producers and workers should not have.

        Raises:
            ConfigurationError: if the app was made with a transport of its own.
        """
        return self._plan.queue_admin(Settings.load())

    def _resolved(self) -> Backends:
        if self._backends is None:
            self._backends = self._plan.resolve(Settings.load())
        return self._backends

    def _new_session(self) -> Session:
        return Session(self.name, self._resolved())

    def _opened(self) -> Session:
        if self._session is None:
            raise ConfigurationError(
                f"app {self.name!r} is not open: use it inside `async with app:`, or use enqueue_sync"
            )
        self._session.check_here()
        return self._session

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
        self.registry.resolve()
        chosen = WorkerOptions(**self._worker_options | options)
        return Worker(
            registry=self.registry,
            transport=session.transport,
            sealing=session.sealing,
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
