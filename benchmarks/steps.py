"""Where the time from `enqueue` to the start of a job goes, step by step, beside a bare loop over the same wire.

    make bench-steps
    python -m benchmarks.steps --jobs 1000

The latency workload once more, with marks in the producer and in the worker (`benchmarks/contestants/marks.py`), which
cost a few microseconds each. Between two jobs all rests for 20 ms, so every step is made by code that the processor's
caches have forgotten: it takes several times what it takes under load.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.contestants import LEAN_LOOP, SQSJOBS, Contestant
from benchmarks.contestants.marks import ASKED, CALLED, STEPS
from benchmarks.house import ROOT, server
from benchmarks.machine import SERVER_CORE, describe
from benchmarks.report.page import put_between_markers
from benchmarks.report.tables import in_markdown
from benchmarks.workloads.draining import ready
from benchmarks.workloads.latency import WARM_UP
from benchmarks.workloads.workload import Bench

HEADERS = ("what has been done", "sqsjobs, µs", "lean-loop, µs")
LABELS = tuple(label for label, _ in STEPS)


@dataclass(frozen=True, slots=True)
class Way:
    """One job's way: when each step was done, in seconds since `enqueue` was called."""

    done: dict[str, float]


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=500, help="(default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    given = parser.parse_args()
    with server() as house:
        bench = Bench(house)
        rows = list(table([ways(bench, contestant, given.jobs) for contestant in (SQSJOBS, LEAN_LOOP)]))
    shown = Table(*HEADERS)
    for row in rows:
        shown.add_row(*row)
    Console().print(shown)
    if given.write:
        text = f"{datetime.now(UTC):%Y-%m-%d}, {describe()}.\n\n" + in_markdown(HEADERS, rows)
        put_between_markers(ROOT / "docs" / "benchmarks.md", "steps", text)


def ways(bench: Bench, contestant: Contestant, jobs: int) -> list[Way]:
    """Send jobs to an idle worker, and return the way of each."""
    with tempfile.TemporaryDirectory() as folder:
        marks = Path(folder) / "marks"
        setting = replace(bench.setting(contestant, "tell", "steps"), stamps=f"{folder}/stamps")
        Path(setting.stamps).touch()
        bench.server.create(setting.queues[0])
        os.environ["BENCH_MARKS"] = str(marks)
        try:
            with contestant.work(setting) as worker:
                ready(worker, bench.server, setting.queues[0])
                with contestant.produce(setting, "paced", SERVER_CORE) as producer:
                    producer.line()
                    producer.tell(str(jobs + WARM_UP))
                    producer.line()
                    producer.line()
                    producer.tell("")
                    producer.ended()
        finally:
            del os.environ["BENCH_MARKS"]
        return list(_ways(marks.read_text().splitlines()))[WARM_UP:]


def _ways(lines: Sequence[str]) -> Iterator[Way]:
    """Take the marks of both processes apart, job by job: there is one under way at a time."""
    began, done = 0.0, dict[str, float]()
    for moment, label in sorted((float(time), label) for time, _, label in (line.partition("\t") for line in lines)):
        if label == ASKED:
            began, done = moment, {}
        if label not in done and CALLED not in done:
            done[label] = moment - began
            if label == CALLED:
                yield Way(done)


def table(measured: Sequence[Sequence[Way]]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each step: its label, and the median of what each contestant took for it."""
    for label in LABELS[1:]:
        yield (label, *(_cell(label, all_ways) for all_ways in measured))
    yield ("all of it", *(f"{median(way.done[CALLED] for way in all_ways) * 1e6:,.0f}" for all_ways in measured))


def _cell(label: str, all_ways: Sequence[Way]) -> str:
    taken = [way.done[label] - _before(label, way) for way in all_ways if label in way.done]
    return f"{median(taken) * 1e6:,.0f}" if taken else ""


def _before(label: str, way: Way) -> float:
    """Return when the step before was done, of those that the contestant has."""
    return max(moment for other, moment in way.done.items() if LABELS.index(other) < LABELS.index(label))


if __name__ == "__main__":
    main()
