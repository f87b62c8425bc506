"""Two worker processes on two queues, against one on one."""

from __future__ import annotations

from benchmarks.contestants import BARE, SQSJOBS, Contestant
from benchmarks.machine import OTHER_CORE
from benchmarks.workloads.draining import fill, finished, warm_up, work_off
from benchmarks.workloads.workload import Bench, Figure, Figures, Workload

__all__ = ["TWO_PROCESSES"]


def measure(bench: Bench, contestant: Contestant) -> Figures:
    """Drain one queue with one process, then two queues with two."""
    server, jobs = bench.server, bench.jobs(20_000)
    first = bench.setting(contestant)
    second = bench.setting(contestant, purpose="second")
    for setting in (first, second):
        fill(bench, contestant, setting, jobs)
    with contestant.work(first) as one, contestant.work(second, core=OTHER_CORE) as two:
        teams = ((one, first.queues[0]), (two, second.queues[0]))
        for worker, queue in teams:
            warm_up(worker, server, queue)
        alone = work_off(one, server, first.queues[0], jobs)
        cpu = one.cpu + two.cpu
        began = [server.restart(queue, jobs) for _, queue in teams]
        ended = [finished(worker, server, queue, jobs) for worker, queue in teams]
        cpu = one.cpu + two.cpu - cpu
    both = 2 * jobs / (max(ended) - min(began))
    return {
        "ratio": both / alone.rate,
        "cpu_ratio": cpu / 2 / jobs * 1e6 / alone.cpu_per_job,
        "rate": both,
        "cpu": cpu / 2 / jobs * 1e6,
        "cpu_alone": alone.cpu_per_job,
    }


TWO_PROCESSES = Workload(
    "processes",
    "Two processes on two queues",
    "20,000 no-op jobs each, at the same time, against one process on one queue. With two cores, the second process "
    "shares its core with the server: then the CPU of a job is what tells.",
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
