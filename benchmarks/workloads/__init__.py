"""What is measured: a module for each kind of workload, and here the list of all."""

from __future__ import annotations

from benchmarks.workloads.distance import DISTANCE
from benchmarks.workloads.drain import DRAIN
from benchmarks.workloads.endurance import MILLION
from benchmarks.workloads.enqueue import ENQUEUE_100, ENQUEUE_MANY, ENQUEUE_ONE
from benchmarks.workloads.idle import IDLE
from benchmarks.workloads.io import IO_100, IO_1000
from benchmarks.workloads.latency import LATENCY
from benchmarks.workloads.processes import TWO_PROCESSES
from benchmarks.workloads.queues import TEN_QUEUES
from benchmarks.workloads.startup import IMPORT

__all__ = ["WORKLOADS"]

WORKLOADS = (
    DRAIN,
    IO_100,
    IO_1000,
    ENQUEUE_ONE,
    ENQUEUE_100,
    ENQUEUE_MANY,
    LATENCY,
    DISTANCE,
    TEN_QUEUES,
    TWO_PROCESSES,
    IDLE,
    IMPORT,
    MILLION,
)
"""All workloads, in the order in which they are run and told."""
