"""A server that is far away: every answer comes 25 ms later, as those of SQS do."""

from __future__ import annotations

from statistics import harmonic_mean, mean

from benchmarks.contestants import BARE, PLAIN, SQSJOBS, TASKIQ, Contestant
from benchmarks.workloads.draining import fill, warm_up, work_off
from benchmarks.workloads.workload import Bench, Figure, Figures, Workload

__all__ = ["DISTANCE"]

ROUND_TRIP = 0.025
"""Seconds."""


def measure(bench: Bench, contestant: Contestant) -> Figures:
    """Drain near, far, and near again with one worker, so that a machine that becomes slower does so for both."""
    server, setting = bench.server, bench.setting(contestant)
    jobs = bench.jobs(_jobs(contestant))
    queue = setting.queues[0]
    fill(bench, contestant, setting, jobs)
    with contestant.work(setting) as worker:
        warm_up(worker, server, queue)
        before = work_off(worker, server, queue, jobs)
        server.delay(ROUND_TRIP)
        try:
            far = work_off(worker, server, queue, jobs)
        finally:
            server.delay(0)
        after = work_off(worker, server, queue, jobs)
    near = harmonic_mean([before.rate, after.rate])  # of as many jobs each: all of them in all of the time
    return {
        "ratio": far.rate / near * 100,
        "near": near,
        "far": far.rate,
        "near_cpu": mean([before.cpu_per_job, after.cpu_per_job]),
        "far_cpu": far.cpu_per_job,
        "busy": far.cpu / far.seconds * 100,
        "calls": far.calls_per_job,
    }


def _jobs(contestant: Contestant) -> int:
    """Return how many: some seconds' worth, so that the first and the last round trips are few among them."""
    if contestant is TASKIQ:
        return 2_000
    return 100_000 if contestant is SQSJOBS else 20_000


DISTANCE = Workload(
    "distance",
    "25 ms away",
    "100,000 no-op jobs (20,000 on aioboto3, 2,000 for taskiq) by one worker, as above, then with every answer of the server "
    "25 ms later, then as above again. Concurrency 100. So many, because a backlog is worked off at full speed after a few "
    "round trips, which are not what is asked for here; with a fifth of the jobs (`SCALE=0.2`) they are in it.",
    (
        Figure("ratio", "of the throughput without, %"),
        Figure("near", "jobs/s without"),
        Figure("far", "jobs/s with"),
        Figure("near_cpu", "µs of CPU a job without", 1),
        Figure("far_cpu", "µs with", 1),
        Figure("busy", "its core busy with, %"),
        Figure("calls", "SQS calls a job with", 3),
    ),
    measure,
    contestants=(SQSJOBS, PLAIN, BARE, TASKIQ),
)
