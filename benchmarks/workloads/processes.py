"""Two worker processes on two queues, against one on one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from statistics import harmonic_mean, mean

from benchmarks.child import Child
from benchmarks.contestants import BARE, SQSJOBS, Contestant, Setting
from benchmarks.machine import OTHER_CORE, WORKER_CORE
from benchmarks.workloads.draining import drain, fill, finished, warm_up
from benchmarks.workloads.workload import Bench, Figure, Figures, Workload

__all__ = ["TWO_PROCESSES"]


def measure(bench: Bench, contestant: Contestant) -> Figures:
    """Drain one queue with one process, then two queues with two, then one with one again."""
    server, jobs = bench.server, bench.jobs(20_000)
    first = bench.setting(contestant)
    second = bench.setting(contestant, purpose="second")
    for setting in (first, second):
        fill(bench, contestant, setting, jobs)
    before = drain(bench, contestant, first, jobs)
    with _pair(contestant, first, second) as (one, two):
        pair = ((one, first.queues[0]), (two, second.queues[0]))
        for worker, queue in pair:
            warm_up(worker, server, queue)
        cpu = _cpu(one, two)
        began = [server.restart(queue, jobs) for _, queue in pair]
        ended = [finished(worker, server, queue, jobs) for worker, queue in pair]
        cpu = _cpu(one, two) - cpu
    after = drain(bench, contestant, first, jobs)
    both, per_job = 2 * jobs / (max(ended) - min(began)), cpu / 2 / jobs * 1e6
    alone = mean([before.cpu_per_job, after.cpu_per_job])
    return {
        "ratio": both / harmonic_mean([before.rate, after.rate]),
        "cpu_ratio": per_job / alone,
        "rate": both,
        "cpu": per_job,
        "cpu_alone": alone,
    }


@contextmanager
def _pair(contestant: Contestant, first: Setting, second: Setting) -> Iterator[tuple[Child, Child]]:
    """Run two processes on two queues: one worker, which sees to both itself, or two that know nothing of each other."""
    if contestant is SQSJOBS:
        both = replace(first, queues=(*first.queues, *second.queues), processes=2)
        with contestant.work(both, WORKER_CORE, OTHER_CORE) as worker:
            yield worker, worker
    else:
        with contestant.work(first) as one, contestant.work(second, OTHER_CORE) as two:
            yield one, two


def _cpu(*workers: Child) -> float:
    return sum(it.cpu for it in set(workers))


TWO_PROCESSES = Workload(
    "processes",
    "Two processes on two queues",
    "20,000 no-op jobs each, at the same time, against one process on one queue just before and after. sqsjobs is one worker with "
    "`--processes 2` and both queues, and the process that watches over the two is counted; the bare loops are two programs with "
    "a queue each. With two cores, one of them is the server's, too: then the CPU of a job is what tells.",
    (
        Figure("ratio", "throughput to one's", 2),
        Figure("cpu_ratio", "CPU of a job to one's", 2),
        Figure("rate", "jobs/s together"),
        Figure("cpu", "µs of CPU a job", 1),
        Figure("cpu_alone", "µs alone", 1),
    ),
    measure,
    contestants=(SQSJOBS, BARE),
)
