"""Ten queues, of which one is busy: what nine idle ones cost the other."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.contestants import BARE, PLAIN, SQSJOBS, Contestant
from benchmarks.workloads.draining import drain
from benchmarks.workloads.workload import Bench, Figure, Figures, Workload

__all__ = ["TEN_QUEUES"]


def measure(bench: Bench, contestant: Contestant) -> Figures:
    """Drain one queue with a worker that watches it alone, and with one that watches nine more."""
    jobs = bench.jobs(20_000)
    alone = bench.setting(contestant)
    idle = tuple(f"idle{number}-{contestant.name}" for number in range(9))
    among = replace(alone, queues=(*alone.queues, *idle))
    one, ten = drain(bench, contestant, alone, jobs), drain(bench, contestant, among, jobs)
    return {
        "ratio": ten.rate / one.rate * 100,
        "rate": ten.rate,
        "cpu": ten.cpu_per_job,
        "cpu_alone": one.cpu_per_job,
        "calls": ten.calls_per_job,
    }


TEN_QUEUES = Workload(
    "ten-queues",
    "Ten queues, one of them busy",
    "20,000 no-op jobs in one queue of ten that a worker watches, against a worker that watches this one alone. "
    "taskiq-aio-sqs has a pool of ten connections for everything: ten long polls take them all, and deletes wait for "
    "polls to end.",
    (
        Figure("ratio", "of the throughput alone, %"),
        Figure("rate", "jobs/s"),
        Figure("cpu", "µs of CPU a job", 1),
        Figure("cpu_alone", "µs alone", 1),
        Figure("calls", "SQS calls a job", 3),
    ),
    measure,
    contestants=(SQSJOBS, PLAIN, BARE),
)
