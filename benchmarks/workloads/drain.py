"""Draining a queue of jobs that do nothing: what a job costs its worker, and how many it does in a second."""

from __future__ import annotations

from benchmarks.contestants import Contestant
from benchmarks.workloads.draining import drain
from benchmarks.workloads.workload import Bench, Figure, Figures, Workload

__all__ = ["DRAIN"]


def measure(bench: Bench, contestant: Contestant) -> Figures:
    """Drain."""
    done = drain(bench, contestant, bench.setting(contestant), bench.jobs(20_000))
    return {
        "cpu": done.cpu_per_job,
        "rate": done.rate,
        "per_cpu": done.jobs / done.cpu,
        "calls": done.calls_per_job,
        "busy": done.cpu / done.seconds * 100,
        "server": done.server_cpu / done.seconds * 100,
    }


DRAIN = Workload(
    "drain",
    "No-op drain",
    "20,000 jobs that do nothing, waiting in the queue; after start-up and 200 jobs to warm up. Concurrency 100.",
    (
        Figure("cpu", "µs of CPU a job", 1),
        Figure("rate", "jobs/s"),
        Figure("per_cpu", "jobs a CPU second"),
        Figure("calls", "SQS calls a job", 3),
        Figure("busy", "its core busy, %"),
        Figure("server", "server's core busy, %"),
    ),
    measure,
)
