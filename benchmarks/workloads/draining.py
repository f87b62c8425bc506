"""What most workloads do: let a fresh worker work off jobs that are kept at the server, and account for it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.child import Child
from benchmarks.contestants import Contestant, Setting
from benchmarks.house import Server
from benchmarks.workloads.workload import Bench

__all__ = ["WARM_UP", "Drained", "drain", "fill", "finished", "ready", "warm_up", "work_off"]

WARM_UP = 200
"""Jobs before those that are measured: connections are opened by them, and what is loaded lazily is loaded."""
_FILLED = 20_000
"""Jobs that a contestant's own producer makes, at most; a longer backlog has them more than once."""
_SETTLE = 0.3
"""Seconds for what the warm-up has left to do: deletes that linger, polls that end."""


@dataclass(frozen=True, slots=True)
class Drained:
    """What came of one drain.

    Attributes:
        jobs: that were done.
        seconds: from putting the jobs into the queue to the last delete.
        cpu: seconds of the worker's CPU for them, its start-up not counted.
        calls: to the server, by operation.
        server_cpu: seconds of the server's CPU.
    """

    jobs: int
    seconds: float
    cpu: float
    calls: dict[str, int]
    server_cpu: float

    @property
    def cpu_per_job(self) -> float:
        """Microseconds."""
        return self.cpu / self.jobs * 1e6

    @property
    def rate(self) -> float:
        """Jobs a second."""
        return self.jobs / self.seconds

    @property
    def calls_per_job(self) -> float:
        return sum(self.calls.values()) / self.jobs


def fill(bench: Bench, contestant: Contestant, setting: Setting, jobs: int) -> None:
    """Create the queues, let the contestant's own producer enqueue jobs, once, and keep them at the server."""
    for name in setting.queues:
        bench.server.create(name)
    queue = setting.queues[0]
    if queue in bench.filled:
        return
    jobs = min(max(jobs, WARM_UP), _FILLED)
    with contestant.produce(setting, "many") as producer:
        producer.line()
        producer.tell(str(jobs))
        producer.line()
    kept = bench.server.keep(queue)
    if kept != jobs:
        raise RuntimeError(f"{contestant.name} enqueued {kept} of {jobs} jobs")
    bench.filled.add(queue)


def drain(bench: Bench, contestant: Contestant, setting: Setting, jobs: int) -> Drained:
    """Run a fresh worker on so many jobs."""
    fill(bench, contestant, setting, jobs)
    with contestant.work(setting) as worker:
        warm_up(worker, bench.server, setting.queues[0])
        return work_off(worker, bench.server, setting.queues[0], jobs)


def work_off(worker: Child, server: Server, queue: str, jobs: int) -> Drained:
    """Put jobs into the queue of a worker that is ready, and wait until all are deleted."""
    server.counts()
    cpu, server_cpu = worker.cpu, server.cpu
    began = server.restart(queue, jobs)
    ended = finished(worker, server, queue, jobs)
    return Drained(jobs, ended - began, worker.cpu - cpu, server.counts(), server.cpu - server_cpu)


def warm_up(worker: Child, server: Server, queue: str) -> None:
    """Return when the worker has done its first jobs, and rests."""
    ready(worker, server, queue)
    server.restart(queue, WARM_UP)
    finished(worker, server, queue, WARM_UP)
    time.sleep(_SETTLE)


def ready(worker: Child, server: Server, queue: str) -> None:
    """Return when the worker waits for messages."""
    server.counts()
    while not server.polled(queue, 1):
        if not worker.is_running:
            raise worker.failure("ended before it was ready")


def finished(worker: Child, server: Server, queue: str, jobs: int, within: float = 600) -> float:
    """Return when the last of `jobs` was deleted, by the machine's monotonic clock."""
    until = time.monotonic() + within
    while (told := server.drained(queue, 2))["Deleted"] < jobs:
        if not worker.is_running or time.monotonic() > until:
            raise worker.failure(f"did {told['Deleted']} of {jobs} jobs")
    return told["Last"]
