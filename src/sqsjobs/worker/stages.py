"""How the stages of one worker are made of what surrounds it; how they work together is the pipeline's."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from sqsjobs.callbacks import Callbacks
from sqsjobs.clock import Clock
from sqsjobs.context import Middleware
from sqsjobs.events import Observer
from sqsjobs.observability.levels import LogLines
from sqsjobs.outcome import Outcome
from sqsjobs.registry import Registry
from sqsjobs.sealing import Sealing
from sqsjobs.store.base import JobStore
from sqsjobs.store.tracking import Tracking
from sqsjobs.transport.base import QueueDescription, Transport
from sqsjobs.worker.claims import Claims
from sqsjobs.worker.closing import Closing
from sqsjobs.worker.dispatcher import Dispatcher
from sqsjobs.worker.executor import Executor
from sqsjobs.worker.heartbeat import Heart
from sqsjobs.worker.held import Held
from sqsjobs.worker.lease import LeaseBook
from sqsjobs.worker.line import Switchboard
from sqsjobs.worker.notices import Notices
from sqsjobs.worker.options import WatchedQueue, WorkerOptions
from sqsjobs.worker.processes import ProcessPool
from sqsjobs.worker.reading import Reading
from sqsjobs.worker.settler import Settler
from sqsjobs.worker.watchdog import Watchdog

__all__ = ["Surroundings", "claims_in", "dispatcher_in", "executor_in", "heart_in", "lease_book_in", "settler_in"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a worker is built from; see `Worker` for each."""

    worker: str
    registry: Registry
    transport: Transport
    sealing: Sealing
    callbacks: Callbacks | None
    store: JobStore | None
    tracking: Tracking
    queues: tuple[WatchedQueue, ...]
    options: WorkerOptions
    observer: Observer
    middleware: tuple[Middleware, ...]
    app_path: str | None
    app_changes: Mapping[str, str]
    child_logs: LogLines | None
    clock: Clock
    random: Random


def lease_book_in(around: Surroundings) -> LeaseBook:
    """Make the book of the worker's leases."""
    options = around.options
    return LeaseBook(
        visibility=options.visibility, interval=options.beat_every, clock=around.clock, random=around.random
    )


def heart_in(around: Surroundings, book: LeaseBook, notify: Callable[[Callable[[], None]], None]) -> Heart:
    """Make what extends the leases in `book`; `notify` runs a function on the event loop of the jobs."""
    options, tell, clock = around.options, around.observer, around.clock
    watchdog = Watchdog(warn_after=options.lag_warning, alarm_after=options.visibility / 3, observer=tell, clock=clock)
    return Heart(book, notify=notify, watchdog=watchdog, stall_limit=options.stall_limit, observer=tell, clock=clock)


def settler_in(around: Surroundings, book: LeaseBook) -> Settler:
    """Make what deletes, hides and copies messages."""
    return Settler(
        transport=around.transport,
        sealing=around.sealing,
        book=book,
        delete_linger=around.options.delete_linger,
        annotate_errors=around.options.annotate_errors,
        worker=around.worker,
        observer=around.observer,
        clock=around.clock,
        random=around.random,
    )


def claims_in(around: Surroundings) -> Claims:
    """Make the worker's side of the job store."""
    return Claims(
        around.store,
        around.tracking,
        worker=around.worker,
        grace=around.options.result_grace,
        observer=around.observer,
        clock=around.clock,
        random=around.random,
    )


def executor_in(around: Surroundings, *, keeps_results: bool) -> Executor:
    """Make what runs attempts, with its threads and child processes."""
    options = around.options
    processes = ProcessPool(
        options.processes or os.cpu_count() or 1,
        around.app_path,
        around.app_changes,
        around.child_logs,
        options.child_variables,
    )
    return Executor(
        threads=options.threads or options.concurrency,
        processes=processes,
        middleware=around.middleware,
        keeps_results=keeps_results,
        result_bytes=options.result_bytes,
        crash_limit=options.crash_limit,
        observer=around.observer,
        clock=around.clock,
    )


def dispatcher_in(
    around: Surroundings,
    queues: Mapping[str, QueueDescription],
    book: LeaseBook,
    *,
    claims: Claims,
    executor: Executor,
    settler: Settler,
    in_flight_share: Mapping[str, float],
    ended: Callable[[float], None],
    settled: Callable[[Held, Outcome], None],
) -> Dispatcher:
    """Make what lives the lives of messages, with what reads and what closes them."""
    tell, clock = around.observer, around.clock
    notices = Notices(around.callbacks, claims, settler, clock) if around.callbacks else None
    closing = Closing(
        queues=queues,
        claims=claims,
        settler=settler,
        notices=notices,
        options=around.options,
        sends_anew=around.sealing.can_seal,
        in_flight_share=in_flight_share,
        observer=tell,
        clock=clock,
        random=around.random,
    )
    store = around.store if claims.counts_attempts else None
    return Dispatcher(
        reading=Reading(around.registry, around.sealing, around.callbacks, observer=tell, clock=clock),
        queues=queues,
        claims=claims,
        executor=executor,
        closing=closing,
        settler=settler,
        notices=notices,
        book=book,
        switchboard=Switchboard(store, observer=tell, clock=clock) if claims.keeps_results else None,
        options=around.options,
        ended=ended,
        settled=settled,
        observer=tell,
        clock=clock,
    )
