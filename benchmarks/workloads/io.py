"""Jobs that wait: 50 ms of I/O each, a hundred or a thousand at once."""

from __future__ import annotations

from dataclasses import replace
from statistics import harmonic_mean, mean

from benchmarks.contestants import BARE, CONTESTANTS, DRAMATIQ, LEAN_LOOP, PLAIN, SQSJOBS, TASKIQ, Contestant
from benchmarks.workloads.draining import Drained, drain
from benchmarks.workloads.workload import Bench, Figure, Figures, Workload

__all__ = ["IO_100", "IO_1000"]

SECONDS = 0.05
"""How long a job waits."""


def hundred(bench: Bench, contestant: Contestant) -> Figures:
    """Work off jobs that wait, a hundred at once."""
    return _figures(_wait(bench, contestant, 100, 2_000 if contestant is DRAMATIQ else 10_000), 100)


def thousand(bench: Bench, contestant: Contestant) -> Figures:
    """Work off jobs that wait, a thousand at once, between two drains of jobs that do nothing: what they allow is the most."""
    jobs = 60_000 if contestant in (SQSJOBS, LEAN_LOOP) else 20_000
    nothing = bench.jobs(2_000 if contestant is TASKIQ else jobs)
    before = drain(bench, contestant, bench.setting(contestant), nothing)
    done = _wait(bench, contestant, 1_000, jobs)
    after = drain(bench, contestant, bench.setting(contestant), nothing)
    drained = mean([before.cpu_per_job, after.cpu_per_job])
    allowed = min(1_000 / SECONDS, harmonic_mean([before.rate, after.rate]))
    return {
        **_figures(done, 1_000),
        "allowed": done.rate / allowed * 100,
        "drained": drained,
        "wait": done.cpu_per_job - drained,
    }


def _wait(bench: Bench, contestant: Contestant, concurrency: int, jobs: int) -> Drained:
    setting = replace(bench.setting(contestant, "io"), concurrency=concurrency)
    return drain(bench, contestant, setting, bench.jobs(jobs))


def _figures(done: Drained, concurrency: int) -> Figures:
    """Compare with the ideal, which has all slots busy all the time."""
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
    hundred,
    contestants=tuple(it for it in CONTESTANTS if it is not LEAN_LOOP),
)
IO_1000 = Workload(
    "io-1000",
    "50 ms of I/O, 1,000 at once",
    "60,000 such jobs (20,000 on aioboto3 and for taskiq), concurrency 1,000; the ideal is 20,000 jobs/s, if CPU were free. Just before "
    "and after, as many jobs (taskiq: 2,000) that do nothing are drained (concurrency 100): their rate, or the ideal if that is less, "
    "is what the CPU allows, and what their CPU is less by is what the wait adds. The lean loop has a task for each job that waits, and none for those that do nothing.",
    (
        _FIGURES[0],
        Figure("allowed", "of what the CPU allows, %"),
        *_FIGURES[1:3],
        Figure("drained", "µs of one that does nothing", 1),
        Figure("wait", "µs that the wait adds", 1),
        _FIGURES[3],
    ),
    thousand,
    contestants=(SQSJOBS, PLAIN, LEAN_LOOP, BARE, TASKIQ),
)
