"""Draining a queue of no-op jobs: what a job costs its worker, and how many it does in a second."""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.child import Child
from benchmarks.contestants import Contestant, Setting
from benchmarks.house import Server

__all__ = ["Drained", "drain", "fill"]

WARM_UP = 200
"""Jobs before those that are measured: connections are opened by them, and what is loaded lazily is loaded."""
_SETTLE = 0.3
"""Seconds for what the warm-up has left to do: deletes that linger, polls that end."""


@dataclass(frozen=True, slots=True)
class Drained:
    """What came of one drain.

    Attributes:
        jobs: that were done.
        seconds: from putting the jobs into the queue to the last delete.
        cpu: seconds of the worker's CPU for them, its start-up not counted.
        startup: seconds of CPU until it was ready.
        calls: to the server, by operation.
        server_cpu: seconds of the server's CPU.
        resident: MiB at rest, before the jobs.
        peak: MiB at most.
    """

    jobs: int
    seconds: float
    cpu: float
    startup: float
    calls: dict[str, int]
    server_cpu: float
    resident: float
    peak: float


def fill(contestant: Contestant, server: Server, setting: Setting, jobs: int) -> None:
    """Let the contestant's own producer enqueue `jobs`, and keep them at the server."""
    server.create(setting.queues[0])
    with contestant.produce(setting, "many") as producer:
        producer.line()
        producer.tell(str(jobs))
        producer.line()
    kept = server.keep(setting.queues[0])
    if kept != jobs:
        raise RuntimeError(f"{contestant.name} enqueued {kept} of {jobs} jobs")


def drain(contestant: Contestant, server: Server, setting: Setting, jobs: int) -> Drained:
    """Run a fresh worker on jobs that were kept."""
    queue = setting.queues[0]
    with contestant.work(setting) as worker:
        warm_up(worker, server, queue)
        startup, resident = worker.cpu, worker.resident
        server.counts()
        server_cpu = server.cpu
        began = server.restart(queue, jobs)
        ended = finished(worker, server, queue, jobs)
        return Drained(
            jobs=jobs,
            seconds=ended - began,
            cpu=worker.cpu - startup,
            startup=startup,
            calls=server.counts(),
            server_cpu=server.cpu - server_cpu,
            resident=resident,
            peak=worker.peak,
        )


def warm_up(worker: Child, server: Server, queue: str) -> None:
    """Return when the worker has done its first jobs, and rests."""
    server.counts()
    while not server.polled(queue, 1):
        if not worker.is_running:
            raise worker.failure("ended before it was ready")
    server.restart(queue, WARM_UP)
    finished(worker, server, queue, WARM_UP)
    time.sleep(_SETTLE)


def finished(worker: Child, server: Server, queue: str, jobs: int, within: float = 600) -> float:
    """Return when the last of `jobs` was deleted, by the machine's monotonic clock."""
    until = time.monotonic() + within
    while (told := server.drained(queue, 5))["Deleted"] < jobs:
        if not worker.is_running or time.monotonic() > until:
            raise worker.failure(f"did {told['Deleted']} of {jobs} jobs")
    return told["Last"]
