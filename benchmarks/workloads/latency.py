"""Latency: from enqueueing to the start of a job, where the worker has nothing else to do."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import quantiles

from benchmarks.contestants import Contestant
from benchmarks.machine import SERVER_CORE
from benchmarks.workloads.draining import ready
from benchmarks.workloads.workload import Bench, Figure, Figures, Workload

__all__ = ["LATENCY"]

WARM_UP = 20


def measure(bench: Bench, contestant: Contestant) -> Figures:
    """Send jobs to an idle worker, with a pause after each, and read what they tell."""
    count = bench.jobs(300)
    with tempfile.NamedTemporaryFile("r") as stamps:
        setting = replace(bench.setting(contestant, "tell"), stamps=stamps.name)
        bench.server.create(setting.queues[0])
        with contestant.work(setting) as worker:
            ready(worker, bench.server, setting.queues[0])
            with contestant.produce(setting, "paced", SERVER_CORE) as producer:
                for jobs in (WARM_UP, count):
                    producer.line()
                    producer.tell(str(jobs))
                    producer.line()
        told = [float(line) * 1e3 for line in Path(stamps.name).read_text().splitlines()]
    percentiles = quantiles(told[WARM_UP:], n=100)
    return {"p50": percentiles[49], "p99": percentiles[98]}


LATENCY = Workload(
    "latency",
    "From enqueueing to the start",
    "300 jobs, 20 ms apart, to a worker with nothing else to do; from before `enqueue` was called to the first line of "
    "the job. The producer shares the server's core. lean-loop is a bare send over the lean wire and an outstanding "
    "long poll.",
    (Figure("p50", "ms, median", 2), Figure("p99", "ms, 99th percentile", 2)),
    measure,
)
