"""A worker with nothing to do: its calls, its CPU, its memory."""

from __future__ import annotations

import time

from benchmarks.contestants import SQSJOBS, Contestant
from benchmarks.workloads.draining import ready
from benchmarks.workloads.workload import Bench, Figure, Figures, Workload

__all__ = ["IDLE"]

WINDOW = 60.0
"""Seconds that are watched."""
_SETTLE = 0.5
"""Seconds for polls that begin together."""


def measure(bench: Bench, contestant: Contestant) -> Figures:
    """Watch a worker that waits for messages: all calls, and what it has used."""
    setting = bench.setting(contestant, purpose="idling")
    queue = setting.queues[0]
    bench.server.create(queue)
    window = bench.seconds(WINDOW)
    began = time.monotonic()
    with contestant.work(setting) as worker:
        ready(worker, bench.server, queue)
        started, waited = worker.cpu, time.monotonic() - began
        time.sleep(_SETTLE)
        bench.server.counts()
        cpu = worker.cpu
        time.sleep(window)
        calls, cpu = bench.server.counts(), worker.cpu - cpu
        return {
            "calls": sum(calls.values()) / window * 60,
            "cpu": cpu / window * 60e3,
            "resident": worker.resident,
            "started": started,
            "waited": waited,
        }


IDLE = Workload(
    "idle",
    "Idle",
    "A worker on one empty queue for 60 s after its first poll, with long polls of 10 s (dramatiq: its own). "
    "Its memory at the end. The others once.",
    (
        Figure("calls", "SQS calls a minute", 1),
        Figure("cpu", "ms of CPU a minute"),
        Figure("resident", "memory (RSS), MiB"),
        Figure("started", "CPU until its first poll, s", 2),
        Figure("waited", "seconds until its first poll", 2),
    ),
    measure,
    again=(SQSJOBS,),
)
