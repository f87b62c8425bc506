"""Jobs that wait: 50 ms of I/O each, a hundred or a thousand at once."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from benchmarks.contestants import BARE, CONTESTANTS, DRAMATIQ, LEAN_LOOP, PLAIN, SQSJOBS, TASKIQ, Contestant
from benchmarks.workloads.draining import drain
from benchmarks.workloads.workload import Bench, Figure, Figures, Workload

__all__ = ["IO_100", "IO_1000"]

SECONDS = 0.05
"""How long a job waits."""


def measure(concurrency: int, jobs: int, bench: Bench, contestant: Contestant) -> Figures:
    """Work off jobs that wait; the ideal has all slots busy all the time."""
    setting = replace(bench.setting(contestant, "io"), concurrency=concurrency)
    done = drain(bench, contestant, setting, bench.jobs(jobs // 5 if contestant is DRAMATIQ else jobs))
    return {
        "rate": done.rate,
        "ideal": done.rate / (concurrency / SECONDS) * 100,
        "cpu": done.cpu_per_job,
        "calls": done.calls_per_job,
    }


_FIGURES = (
    Figure("rate", "jobs/s"),
    Figure("ideal", "of the ideal, %", 1),
    Figure("cpu", "µs of CPU a job", 1),
    Figure("calls", "SQS calls a job", 3),
)

IO_100 = Workload(
    "io-100",
    "50 ms of I/O, 100 at once",
    "10,000 jobs (2,000 for Dramatiq) that sleep for 50 ms, concurrency 100; the ideal is 2,000 jobs/s. From putting the "
    "jobs into the queue to the last delete.",
    _FIGURES,
    partial(measure, 100, 10_000),
    contestants=tuple(it for it in CONTESTANTS if it is not LEAN_LOOP),
)
IO_1000 = Workload(
    "io-1000",
    "50 ms of I/O, 1,000 at once",
    "20,000 such jobs, concurrency 1,000; the ideal is 20,000 jobs/s, if CPU were free.",
    _FIGURES,
    partial(measure, 1_000, 20_000),
    contestants=(SQSJOBS, PLAIN, BARE, TASKIQ),
)
