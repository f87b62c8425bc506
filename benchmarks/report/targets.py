"""What is aimed at, and whether it was reached: ratios within one run, round by round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import add, truediv
from statistics import median

from benchmarks.machine import HAS_THIRD_CORE
from benchmarks.report.tables import spread
from benchmarks.results import Results, Source

__all__ = ["TARGETS", "Target", "Verdict"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a target was reached."""

    text: str
    wanted: str
    measured: str
    holds: str


@dataclass(frozen=True, slots=True)
class Target:
    """Something that is aimed at.

    Attributes:
        text: what is compared.
        bound: the value that must not be passed.
        measure: returns the value for each round, or nothing where it was not measured.
        at_most: whether less is better.
        unit: behind the values.
        digits: of the values.
    """

    text: str
    bound: float
    measure: Callable[[Results], Sequence[float]]
    at_most: bool = True
    unit: str = ""
    digits: int = 2

    def judge(self, results: Results) -> Verdict | None:
        """Return the verdict on the median over the rounds, or None where nothing was measured."""
        values = self.measure(results)
        if not values:
            return None
        holds = median(values) <= self.bound if self.at_most else median(values) >= self.bound
        wanted = f"at {'most' if self.at_most else 'least'} {self.bound:,.{self.digits}f}{self.unit}"
        return Verdict(self.text, wanted, spread(values, self.digits) + self.unit, "yes" if holds else "no")


def figure(workload: str, contestant: str, name: str) -> Callable[[Results], Sequence[float]]:
    """Measure one figure."""
    return lambda results: results.values(workload, contestant, name)


def ratio(one: Source, other: Source) -> Callable[[Results], Sequence[float]]:
    """Measure how many times the other figure the one is."""
    return lambda results: results.paired(truediv, one, other)


def _drain(contestant: str, name: str) -> Source:
    return "drain", contestant, name


TARGETS = (
    Target(
        "drain, CPU of a job: sqsjobs to a bare aioboto3 loop",
        0.40,
        ratio(_drain("sqsjobs", "cpu"), _drain("bare", "cpu")),
    ),
    Target(
        "drain, CPU of a job: taskiq to sqsjobs",
        15,
        ratio(_drain("taskiq", "cpu"), _drain("sqsjobs", "cpu")),
        at_most=False,
        digits=1,
    ),
    Target(
        "drain, CPU of a job: Celery to sqsjobs",
        20,
        ratio(_drain("celery", "cpu"), _drain("sqsjobs", "cpu")),
        at_most=False,
        digits=1,
    ),
    Target(
        "drain, jobs/s: sqsjobs to taskiq",
        15,
        ratio(_drain("sqsjobs", "rate"), _drain("taskiq", "rate")),
        at_most=False,
        digits=1,
    ),
    Target(
        "drain, jobs/s: sqsjobs to Celery",
        20,
        ratio(_drain("sqsjobs", "rate"), _drain("celery", "rate")),
        at_most=False,
        digits=1,
    ),
    Target("drain, CPU of a job", 100, figure(*_drain("sqsjobs", "cpu")), unit=" µs", digits=0),
    Target(
        "drain, CPU of a job: the plain path to a bare aioboto3 loop",
        1.15,
        ratio(_drain("sqsjobs-plain", "cpu"), _drain("bare", "cpu")),
    ),
    Target(
        "enqueueing with 100 callers, jobs a CPU second: sqsjobs to taskiq",
        10,
        ratio(("enqueue-100", "sqsjobs", "per_cpu"), ("enqueue-100", "taskiq", "per_cpu")),
        at_most=False,
        digits=1,
    ),
    Target(
        "25 ms away: throughput to that without",
        90,
        figure("distance", "sqsjobs", "ratio"),
        at_most=False,
        unit=" %",
        digits=0,
    ),
    Target(
        "50 ms of I/O, 100 at once: throughput to the ideal 2,000 jobs/s",
        95,
        figure("io-100", "sqsjobs", "ideal"),
        at_most=False,
        unit=" %",
        digits=1,
    ),
    Target(
        "50 ms of I/O, 1,000 at once: throughput to what the drain allows",
        80,
        figure("io-1000", "sqsjobs", "allowed"),
        at_most=False,
        unit=" %",
        digits=0,
    ),
    Target(
        "latency, median: sqsjobs to a bare lean send and an outstanding long poll",
        1.25,
        ratio(("latency", "sqsjobs", "p50"), ("latency", "lean-loop", "p50")),
    ),
    Target(
        "SQS calls of a job, from enqueueing with 100 callers to the end of its drain",
        0.31,
        lambda results: results.paired(add, ("enqueue-100", "sqsjobs", "calls"), _drain("sqsjobs", "calls")),
        digits=3,
    ),
    Target("idle, SQS calls a minute and queue", 7, figure("idle", "sqsjobs", "calls"), digits=1),
    Target(
        "a million jobs: memory after the last tenth to that after the first",
        1.10,
        figure("million", "sqsjobs", "growth"),
    ),
    Target(
        "two processes on two queues: throughput to one's", 1.6, figure("processes", "sqsjobs", "ratio"), at_most=False
    )
    if HAS_THIRD_CORE
    else Target(
        "two processes on two queues, where cores are short: CPU of a job to one's",
        1.10,
        figure("processes", "sqsjobs", "cpu_ratio"),
    ),
    Target(
        "import in a producer, CPU over the bare interpreter",
        0.25,
        figure("import", "sqsjobs", "cpu"),
        unit=" s",
        digits=3,
    ),
    Target("a worker's memory at rest", 70, figure("idle", "sqsjobs", "resident"), unit=" MiB", digits=0),
)
