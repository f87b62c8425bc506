"""``sqsjobs worker``: one worker in this process, or a supervisor of several."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from cyclopts import Parameter

from sqsjobs.app import App
from sqsjobs.callbacks import CALLBACK_TASK
from sqsjobs.cli.console import complain
from sqsjobs.cli.exits import FAILED, FORCED, OK
from sqsjobs.cli.memory import collect_seldom, collecting_seldom, give_back, share_arenas
from sqsjobs.cli.options import (
    DEFAULT_LOGS,
    NO_BACKENDS,
    PLATFORM,
    WORK,
    AppPath,
    Backends,
    Logs,
    app_path,
    as_arguments,
    open_later,
)
from sqsjobs.cli.signals import on_stop_signals
from sqsjobs.errors import AccessDenied, ConfigurationError
from sqsjobs.observability.levels import LogLines
from sqsjobs.worker.health import Health
from sqsjobs.worker.options import WatchedQueue, WorkerOptions

__all__ = ["Platform", "Work", "create_queues", "watched_queue", "worker", "worker_command"]

_DEFAULTS = WorkerOptions()
_KILL_MARGIN = 10.0
"""Seconds beyond its grace that a child may take to end: releases, the last deletes, threads."""


@Parameter(name="*", group=WORK)
@dataclass(frozen=True, kw_only=True)
class Work:
    """What a worker does, and how much of it.

    Attributes:
        queue: A queue to take jobs from, or name:weight. May be repeated; by default all queues of the app's tasks.
        concurrency: Jobs that run at once, in each process.
        burst: End when the queues are empty.
        grace: Seconds that running jobs get after a stop was asked for.
        visibility: Seconds that a killed worker's jobs stay hidden; heartbeats prolong them while it lives.
        wait: Seconds of a long poll.
        threads: Plain functions that run at once; by default as many as the concurrency.
        executor_processes: Tasks with executor="process" that run at once; by default one a processor.
        child_variables: A variable that those processes keep of the worker's environment, besides PATH and the like, or
            AWS_* for all that begin so. May be repeated; by default they keep all.
        allow_no_dlq: Take jobs from queues without a dead-letter queue; poison then stays in the queue.
        create_queues: First create queues that are missing, as queues apply does.
    """

    queue: Annotated[tuple[str, ...], Parameter(alias="-q")] = ()
    concurrency: Annotated[int, Parameter(alias="-c")] = _DEFAULTS.concurrency
    burst: bool = False
    grace: float = _DEFAULTS.grace
    visibility: float = _DEFAULTS.visibility
    wait: float = _DEFAULTS.wait
    threads: int | None = None
    executor_processes: int | None = None
    child_variables: tuple[str, ...] = ()
    allow_no_dlq: bool = False
    create_queues: bool = False


@Parameter(name="*", group=PLATFORM)
@dataclass(frozen=True, kw_only=True)
class Platform:
    """How the process lives with what runs it.

    Attributes:
        metrics_port: Answer /livez, /readyz and /metrics on this port.
        metrics_host: The address to answer on; all by default, since probes come from outside the container.
        request_price: Dollars for a million requests to SQS, for the metrics of cost; by default AWS's list price.
        loop: The event loop; auto is uvloop where it is installed.
    """

    metrics_port: int | None = None
    metrics_host: str = "0.0.0.0"  # noqa: S104 - see above
    request_price: float | None = None
    loop: Literal["auto", "asyncio", "uvloop"] = "auto"


def worker(
    app: AppPath = "",
    /,
    *,
    processes: Annotated[int, Parameter(alias="-p", group=WORK, help="Worker processes; dead ones are replaced.")] = 1,
    work: Work = Work(),
    platform: Platform = Platform(),
    backends: Backends = NO_BACKENDS,
    logs: Logs = DEFAULT_LOGS,
    supervised: Annotated[int | None, Parameter(show=False)] = None,
) -> int:
    """Run the jobs of an app until SIGTERM or Ctrl-C.

    A first signal is a graceful stop: running jobs get the grace, and what has
    not ended then is given back to its queue. A second one stops at once.
    Whatever happens, no job is lost: another worker gets it.

        sqsjobs worker shop.jobs:app
        sqsjobs worker shop.jobs:app -q images:3 -q mails --concurrency 20
        sqsjobs worker shop.jobs:app --processes 4 --metrics-port 9000
        sqsjobs worker shop.jobs:app --burst

    Ends with 0 after a clean stop, 2 if the app or its queues cannot work, 4 if
    work was left running.
    """
    from sqsjobs.observability.logs import configure_logging  # noqa: PLC0415 - help needs no logging

    if processes < 1:
        raise ConfigurationError(f"--processes is 1 or more, not {processes}")
    path = app_path(app)
    configure_logging(logs.log_format, logs.log_level)
    if processes > 1:
        return _supervise(worker_command(path, work, platform, backends, logs), processes, work, platform)
    loaded = open_later(path, backends)
    try:
        return _run(loaded, _Job(path, work, platform, logs, supervised))
    except AccessDenied as refusal:
        if supervised is None:
            raise
        # Credentials change while a process is replaced, which must not end its siblings as a wrong option would.
        complain(refusal)
        return FAILED


def worker_command(path: str, work: Work, platform: Platform, backends: Backends, logs: Logs) -> list[str]:
    """Return the command line of a worker process with these options."""
    options = [part for group in (work, platform, backends, logs) for part in as_arguments(group)]
    return [sys.executable, "-m", "sqsjobs", "worker", path, *options]


def watched_queue(text: str) -> WatchedQueue:
    """Return the queue that ``name`` or ``name:weight`` asks for; a name may be a URL.

    Raises:
        ConfigurationError: if the weight is 0.
    """
    name, _, weight = text.rpartition(":")
    return WatchedQueue(name, int(weight)) if name and weight.isascii() and weight.isdigit() else WatchedQueue(text)


# Several processes ----------------------------------------------------------------------------------


def _supervise(command: list[str], processes: int, work: Work, platform: Platform) -> int:
    from sqsjobs.cli.supervisor import Supervisor  # noqa: PLC0415 - one process needs none

    supervisor = Supervisor(
        command,
        processes,
        burst=work.burst,
        kill_after=work.grace + _KILL_MARGIN,
        health=None if platform.metrics_port is None else (platform.metrics_port, platform.metrics_host),
    )
    return asyncio.run(supervisor.run())


_STARTED_AFTER: Final = 2.0
"""Seconds after which a worker has loaded and opened all that it needs."""

# One process ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Job:
    """What one process is to do."""

    path: str
    work: Work
    platform: Platform
    logs: Logs
    supervised: int | None


class WorkerProbe:
    """Speaks for the worker of this process; asked by other threads."""

    def __init__(self) -> None:
        self.health: Health | None = None

    def live(self) -> str:
        return self.health.live() if self.health else ""

    def ready(self) -> str:
        return self.health.ready() if self.health else "starting"

    def metrics(self) -> str:
        from sqsjobs.observability.metrics import exposition  # noqa: PLC0415 - loaded only where it is asked for

        return exposition()


def _run(app: App, job: _Job) -> int:
    app.configure(observers=_observers(app, job))
    share_arenas()
    collect_seldom()
    with asyncio.Runner(loop_factory=_loop_factory(job.platform.loop)) as runner:
        if not runner.run(_work(app, job)):
            _end_at_once()
    return OK


def _observers(app: App, job: _Job) -> list[Callable[..., None]]:
    from sqsjobs.observability.logs import LogObserver  # noqa: PLC0415 - with structlog

    observers: list[Callable[..., None]] = [LogObserver(job.logs.log_level, error_text=not job.logs.hide_errors)]
    if job.platform.metrics_port is not None:
        from sqsjobs.observability.metrics import MetricsObserver  # noqa: PLC0415 - with prometheus_client

        queues = {*app.registry.queues(), *(watched_queue(text).name for text in job.work.queue)}
        price = job.platform.request_price
        names = frozenset({*app.registry.names, CALLBACK_TASK})
        observers.append(MetricsObserver(names, queues, request_price=price))
    return observers


async def _work(app: App, job: _Job) -> bool:
    """Open the app and run a worker in it; return whether nothing was left running."""
    from sqsjobs.observability.health import HealthServer  # noqa: PLC0415 - not every worker is asked

    probe, platform, work = WorkerProbe(), job.platform, job.work
    if work.create_queues:
        await create_queues(app)
    with ExitStack() as around:
        if platform.metrics_port is not None and job.supervised is None:
            around.enter_context(HealthServer(probe, platform.metrics_port, platform.metrics_host))
        async with app:
            worker = app.worker(
                [watched_queue(text) for text in work.queue],
                app_path=job.path,
                child_logs=LogLines(job.logs.log_format, job.logs.log_level),
                **_options(work),
            )
            probe.health = worker.health
            asyncio.get_running_loop().call_later(_STARTED_AFTER, give_back)
            around.enter_context(collecting_seldom())
            around.enter_context(on_stop_signals(worker.stop))
            if job.supervised is not None:
                _answer(job.supervised, probe, worker.stop)
            return await worker.run()


def _answer(descriptor: int, probe: WorkerProbe, stop: Callable[[str], None]) -> None:
    from sqsjobs.cli.link import answer_supervisor  # noqa: PLC0415 - where there is a supervisor

    loop = asyncio.get_running_loop()

    def orphaned() -> None:
        loop.call_soon_threadsafe(stop, "the supervisor is gone")

    answer_supervisor(descriptor, probe, orphaned)


def _options(work: Work) -> dict[str, Any]:
    options: dict[str, Any] = {
        "concurrency": work.concurrency,
        "burst": work.burst,
        "grace": work.grace,
        "visibility": work.visibility,
        "wait": work.wait,
        "threads": work.threads,
        "processes": work.executor_processes,
        "child_variables": work.child_variables or None,
    }
    return options | {"allow_no_dlq": True} if work.allow_no_dlq else options


async def create_queues(app: App) -> None:
    """Create what queues of the app's tasks are missing, as ``queues apply`` does."""
    from sqsjobs.cli.queues import wanted_queues  # noqa: PLC0415 - with the administration of queues

    async with app.queue_admin() as admin:
        await admin.apply(await admin.plan(wanted_queues(app)))


def _loop_factory(choice: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if choice == "asyncio":
        return None
    try:
        import uvloop  # noqa: PLC0415 - it need not be installed
    except ImportError:
        if choice == "uvloop":
            raise ConfigurationError("uvloop is not installed: pip install 'sqsjobs[uvloop]'") from None
        return None
    return uvloop.new_event_loop


def _end_at_once() -> None:
    """End the process without waiting for threads that nobody can stop: their messages are seen again soon."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(FORCED)
