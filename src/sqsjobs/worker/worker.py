"""A worker, as an application sees it: built from an app, run until it is stopped, asked how it is.

`run` nests what must outlive what: settler around heartbeats around the lifespan around jobs around polls;
leaving them in turn is the stop.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from random import Random
from typing import Final

from anyio import CancelScope, current_time

from sqsjobs.callbacks import Callbacks
from sqsjobs.clock import Clock, SystemClock
from sqsjobs.context import Middleware
from sqsjobs.errors import ConfigurationError, LifespanFailed
from sqsjobs.events import Observer, WorkerStarted, WorkerStopped
from sqsjobs.observability.levels import LogLines
from sqsjobs.registry import Registry
from sqsjobs.sealing import Sealing
from sqsjobs.store.base import JobStore
from sqsjobs.store.tracking import Tracking
from sqsjobs.transport.base import Transport
from sqsjobs.worker.health import Health, Signs
from sqsjobs.worker.heartbeat import beating_in_thread
from sqsjobs.worker.inspection import inspect_queues
from sqsjobs.worker.options import WatchedQueue, WorkerOptions
from sqsjobs.worker.pipeline import Pipeline
from sqsjobs.worker.stages import Surroundings
from sqsjobs.worker.stopping import Stop

__all__ = ["Lifespan", "Worker"]

_LEAVE: Final = 1.0
"""Seconds that leaving may take where a job could not be stopped."""

Lifespan = Callable[[], AbstractAsyncContextManager[object]]
"""Sets up what the jobs of a worker share (a pool, a model) and tears it down after the last of them."""


class Worker:
    """Runs the jobs of some queues, until it is stopped.

    Args:
        registry: the tasks it knows.
        transport, store: open, on the running loop.
        tracking: how much is recorded.
        queues: what it takes jobs from.
        options: how.
        observer: hears of everything.
        sealing: the layers around envelopes; none by default.
        callbacks: where callbacks may go; nowhere by default.
        lifespan: entered before the first job and left after the last.
        middleware: wrappers of every attempt, the first outermost.
        app_path: ``module:attribute`` of the app, for child processes.
        app_changes: what the app was configured with since it was imported; child processes do the same.
        child_logs: how child processes write their log lines; None leaves it to the app.
        name: how logs, records and dead letters call it; host, process and a random part by default.
        clock, random: time and chance; a simulation brings its own.
        beating: runs the heart; in a thread of its own by default.

    Raises:
        ConfigurationError: if there is no queue.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        transport: Transport,
        store: JobStore | None,
        tracking: Tracking,
        queues: Sequence[WatchedQueue],
        options: WorkerOptions,
        observer: Observer,
        sealing: Sealing | None = None,
        callbacks: Callbacks | None = None,
        lifespan: Lifespan | None = None,
        middleware: Sequence[Middleware] = (),
        app_path: str | None = None,
        app_changes: Mapping[str, str] | None = None,
        child_logs: LogLines | None = None,
        name: str | None = None,
        clock: Clock | None = None,
        random: Random | None = None,
        beating: Callable[..., AbstractAsyncContextManager[asyncio.Future[None]]] = beating_in_thread,
    ) -> None:
        if not queues:
            raise ConfigurationError("a worker needs at least one queue: declare a task, or name a queue")
        self.name: str = name or f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(2)}"
        self.options = options
        self._around = Surroundings(
            worker=self.name,
            registry=registry,
            transport=transport,
            sealing=sealing or Sealing(),
            callbacks=callbacks,
            store=store if tracking != "off" else None,
            tracking=tracking,
            queues=tuple(queues),
            options=options,
            observer=observer,
            middleware=tuple(middleware),
            app_path=app_path,
            app_changes=app_changes or {},
            child_logs=child_logs,
            clock=clock or SystemClock(),
            random=random or Random(),
        )
        self._lifespan = lifespan
        self._beating = beating
        self._stop = Stop()
        self._pipeline: Pipeline | None = None
        self.health: Health = Health(self.signs, wait=options.poll_wait, beat_every=options.beat_every)

    def __repr__(self) -> str:
        in_hand = len(self._pipeline.dispatcher) if self._pipeline else 0
        state = f"stopping: {self._stop.reason}" if self._stop.asked else "running" if self._pipeline else "not started"
        return f"<Worker {self.name}: {state}, {in_hand} in hand>"

    def stop(self, reason: str = "asked to") -> None:
        """Ask the worker to stop; asked twice, it stops at once. To be called on the worker's event loop."""
        self._stop.ask(reason)

    async def run(self) -> bool:
        """Work until `stop` (with `burst`, until the queues are empty); return whether nothing was left running.

        Raises:
            ConfigurationError: if a queue is missing, be it that of callbacks, or has no dead-letter queue where one is needed.
            LifespanFailed: if the lifespan raised as it was entered.
            TransportUnavailable: if SQS does not answer at the start.
        """
        work = asyncio.ensure_future(self._work())
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            self._stop.ask("cancelled")
            self._stop.ask("at once")
            await asyncio.wait([work])
            raise

    def signs(self) -> Signs:
        """Return the signs of life that `health` judges."""
        reason = self._stop.reason if self._stop.asked else ""
        return self._pipeline.signs(stopping=reason) if self._pipeline else Signs(stopping=reason)

    async def _work(self) -> bool:
        around, tell = self._around, self._around.observer
        described = await inspect_queues(
            [queue.name for queue in around.queues],
            around.transport,
            around.registry,
            calls_back_to=around.callbacks.queue if around.callbacks else None,
            allow_no_dlq=self.options.allow_no_dlq,
            observer=tell,
        )
        pipeline = self._pipeline = Pipeline(around, described, self._stop)
        tell(WorkerStarted(self.name, tuple(described), self.options.concurrency))
        with CancelScope() as leaving:
            async with (
                pipeline.settler,
                self._beating(pipeline.heart, around.transport, around.store) as heart_ended,
                _entered(self._lifespan) if self._lifespan else nullcontext(),
                pipeline.executor,
            ):
                await pipeline.poll_until_stopped(heart_ended)
                clean = await pipeline.drain()
                if not clean:  # the messages of what goes on are shown again soon: the process has to be gone by then
                    leaving.deadline = current_time() + _LEAVE
        tell(WorkerStopped(self.name, clean))
        return clean


@asynccontextmanager
async def _entered(lifespan: Lifespan) -> AsyncIterator[None]:
    async with AsyncExitStack() as inside:
        try:
            await inside.enter_async_context(lifespan())
        except Exception as error:
            raise LifespanFailed(error) from error
        yield
