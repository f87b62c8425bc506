"""A million jobs through one worker: its memory, round for round."""

from __future__ import annotations

from benchmarks.contestants import SQSJOBS, Contestant
from benchmarks.workloads.draining import fill, warm_up, work_off
from benchmarks.workloads.workload import Bench, Figure, Figures, Workload

__all__ = ["MILLION"]

ROUNDS = 10


def measure(bench: Bench, contestant: Contestant) -> Figures:
    """Let one worker do a backlog ten times over."""
    setting = bench.setting(contestant)
    queue, jobs = setting.queues[0], bench.jobs(100_000)
    fill(bench, contestant, setting, jobs)
    memory, costs = list[float](), list[float]()
    with contestant.work(setting) as worker:
        warm_up(worker, bench.server, queue)
        resident = worker.resident
        for _ in range(ROUNDS):
            done = work_off(worker, bench.server, queue, jobs)
            memory.append(worker.resident)
            costs.append(done.cpu_per_job)
        peak = worker.peak
    return {
        "growth": memory[-1] / memory[0],
        "rest": resident,
        "first": memory[0],
        "last": memory[-1],
        "peak": peak,
        "cpu": sum(costs) / ROUNDS,
        "jobs": float(jobs * ROUNDS),
    }


MILLION = Workload(
    "million",
    "A million jobs",
    "1,000,000 no-op jobs through one worker, in ten rounds of 100,000; memory (RSS) after the first and the last. Once: it is ten rounds by itself.",
    (
        Figure("growth", "last to first round", 2),
        Figure("rest", "MiB at rest"),
        Figure("first", "MiB after the first"),
        Figure("last", "MiB after the last"),
        Figure("peak", "MiB at most"),
        Figure("cpu", "µs of CPU a job", 1),
        Figure("jobs", "jobs"),
    ),
    measure,
    contestants=(SQSJOBS,),
    again=(),
)
