"""Enqueueing: one by one, with a hundred callers at once, and many in one call."""

from __future__ import annotations

import time
from functools import partial

from benchmarks.contestants import Contestant
from benchmarks.workloads.workload import Bench, Figure, Figures, Workload

__all__ = ["ENQUEUE_100", "ENQUEUE_MANY", "ENQUEUE_ONE"]


def measure(way: str, jobs: int, bench: Bench, contestant: Contestant) -> Figures:
    """Let a fresh producer enqueue, after a few to warm up."""
    setting = bench.setting(contestant, purpose="enqueueing")
    bench.server.create(setting.queues[0])
    count = bench.jobs(jobs)
    with contestant.produce(setting, way) as producer:
        producer.line()
        producer.tell("200")
        for _ in ("done", "ready"):
            producer.line()
        bench.server.keep(setting.queues[0])
        bench.server.counts()
        cpu, began = producer.cpu, time.monotonic()
        producer.tell(str(count))
        producer.line()
        seconds, cpu = time.monotonic() - began, producer.cpu - cpu
    calls = sum(bench.server.counts(setting.queues[0]).values())
    if (kept := bench.server.keep(setting.queues[0])) != count:
        raise RuntimeError(f"{contestant.name} enqueued {kept} of {count} jobs")
    return {"per_cpu": count / cpu, "cpu": cpu / count * 1e6, "rate": count / seconds, "calls": calls / count}


_FIGURES = (
    Figure("per_cpu", "jobs a CPU second"),
    Figure("cpu", "µs of CPU a job", 1),
    Figure("rate", "jobs/s"),
    Figure("calls", "SQS calls a job", 2),
)

ENQUEUE_ONE = Workload(
    "enqueue-one",
    "Enqueueing one by one",
    "2,000 jobs by one caller, each confirmed before the next.",
    _FIGURES,
    partial(measure, "1", 2_000),
)
ENQUEUE_100 = Workload(
    "enqueue-100",
    "Enqueueing with 100 callers",
    "5,000 jobs by a hundred concurrent callers (coroutines, or threads), each told by SQS's own answer.",
    _FIGURES,
    partial(measure, "100", 5_000),
)
ENQUEUE_MANY = Workload(
    "enqueue-many",
    "Enqueueing many in one call",
    "5,000 jobs in the fastest way that there is: `enqueue_many`, SendMessageBatch by hand, ten callers for the others.",
    _FIGURES,
    partial(measure, "many", 5_000),
)
