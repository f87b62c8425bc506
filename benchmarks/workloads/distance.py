"""A server that is far away: every answer comes 25 ms later, as those of SQS do."""

from __future__ import annotations

from benchmarks.contestants import BARE, PLAIN, SQSJOBS, TASKIQ, Contestant
from benchmarks.workloads.draining import fill, warm_up, work_off
from benchmarks.workloads.workload import Bench, Figure, Figures, Workload

__all__ = ["DISTANCE"]

ROUND_TRIP = 0.025
"""Seconds."""


def measure(bench: Bench, contestant: Contestant) -> Figures:
    """Drain near and far with one worker, once each."""
    server, setting = bench.server, bench.setting(contestant)
    jobs = bench.jobs(2_000 if contestant is TASKIQ else 20_000)
    queue = setting.queues[0]
    fill(bench, contestant, setting, jobs)
    with contestant.work(setting) as worker:
        warm_up(worker, server, queue)
        near = work_off(worker, server, queue, jobs)
        server.delay(ROUND_TRIP)
        try:
            far = work_off(worker, server, queue, jobs)
        finally:
            server.delay(0)
    return {"ratio": far.rate / near.rate * 100, "near": near.rate, "far": far.rate, "calls": far.calls_per_job}


DISTANCE = Workload(
    "distance",
    "25 ms away",
    "20,000 no-op jobs (2,000 for taskiq) by one worker, first as above, then with every answer of the server 25 ms "
    "later. Concurrency 100.",
    (
        Figure("ratio", "of the throughput without, %"),
        Figure("near", "jobs/s without"),
        Figure("far", "jobs/s with"),
        Figure("calls", "SQS calls a job with", 3),
    ),
    measure,
    contestants=(SQSJOBS, PLAIN, BARE, TASKIQ),
)
