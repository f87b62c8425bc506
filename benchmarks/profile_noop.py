"""Where each microsecond of a job goes: the CPU of a worker that drains no-op jobs, by what it was spent on.

    make bench-profile
    python -m benchmarks.profile_noop --jobs 50000

py-spy looks at the worker's stack some hundred times a second, from outside. A sample belongs to the innermost function
of sqsjobs on the stack (what that calls in libraries and in C is its own), and with it to a stage; where there is none,
the event loop itself was at work. Only the first thread is looked at: the others rest. The shares are applied to the CPU of a job in a drain by the same worker that nobody
looked at.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.child import Child
from benchmarks.contestants import OTHERS, SQSJOBS
from benchmarks.house import ROOT, server
from benchmarks.machine import SERVER_CORE, describe, on_core
from benchmarks.report.page import put_between_markers
from benchmarks.report.stages import Stack, by_place, by_stage, read_stacks, rows
from benchmarks.report.tables import in_markdown
from benchmarks.workloads.draining import fill, warm_up, work_off
from benchmarks.workloads.workload import Bench

SPY = Path(OTHERS).parent / "py-spy"
_QUIET = ("--log-level", "warning")
_METRICS = ("--metrics-port", "0", "--metrics-host", "127.0.0.1")
WATCHED = (
    ("logs warnings alone, as in the drains above", _QUIET),
    ("serves metrics, too", (*_QUIET, *_METRICS)),
    ("serves metrics, and logs a line for every job", ("--log-level", "info", *_METRICS)),
)
"""Ways of watching a worker, and the options for them."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What was seen of a drain.

    Attributes:
        per_job: µs of CPU, where nobody looked.
        stacks: that were seen, and how often.
        watched: µs of CPU, by how the worker was watched.
    """

    per_job: float
    stacks: list[tuple[Stack, int]]
    watched: list[tuple[str, float]]

    def tables(self) -> Iterator[tuple[tuple[str, ...], list[tuple[str, ...]]]]:
        """Yield headers and rows."""
        yield ("stage", "µs a job", "share"), list(rows(by_stage(self.stacks), self.per_job))
        yield (
            ("function, with what it calls in libraries", "µs a job", "share"),
            list(rows(by_place(self.stacks), self.per_job)),
        )
        yield ("a worker that", "µs of CPU a job"), [(name, f"{micros:.1f}") for name, micros in self.watched]


def main() -> None:
    """Profile, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=100_000, help="(default: %(default)s)")
    parser.add_argument("--rate", type=int, default=500, help="looks a second (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    given = parser.parse_args()
    if not SPY.exists():
        raise SystemExit(f"{SPY} is not there: `make bench-profile` installs it")
    about = describe()
    with server() as running:
        bench = Bench(running)
        watched = [(name, cost(bench, options, given.jobs // 5)) for name, options in WATCHED]
        profile = Profile(*look(bench, given.jobs, given.rate), watched)
    for header, body in profile.tables():
        table = Table(*header)
        for row in body:
            table.add_row(*row)
        Console().print(table)
    if given.write:
        tables = [in_markdown(header, body) for header, body in profile.tables()]
        text = "\n\n".join([f"{datetime.now(UTC):%Y-%m-%d}, {about}. {profile.per_job:.0f} µs of CPU a job.", *tables])
        put_between_markers(ROOT / "docs" / "benchmarks.md", "profile", text)


def cost(bench: Bench, options: tuple[str, ...], jobs: int) -> float:
    """Return the CPU of a job in µs, in a worker with these options."""
    with worker(bench, options, jobs) as (running, queue):
        return work_off(running, bench.server, queue, jobs).cpu_per_job


def look(bench: Bench, jobs: int, rate: int) -> tuple[float, list[tuple[Stack, int]]]:
    """Return the CPU of a job in µs, and the stacks that were seen in a second drain by the same worker."""
    with worker(bench, _QUIET, jobs) as (running, queue):
        per_job = work_off(running, bench.server, queue, jobs).cpu_per_job
        with tempfile.NamedTemporaryFile("r") as seen:
            options = ["--format", "raw", "--full-filenames", "--threads", "--rate", str(rate), "--output", seen.name]
            with on_core(SERVER_CORE):
                spy = subprocess.Popen([SPY, "record", "--pid", str(running.pid), *options], stdout=subprocess.DEVNULL)
            time.sleep(1)  # it reads the worker's symbols
            work_off(running, bench.server, queue, jobs)
            spy.send_signal(signal.SIGINT)  # write what was seen
            spy.wait()
            return per_job, read_stacks(Path(seen.name).read_text())


@contextmanager
def worker(bench: Bench, options: tuple[str, ...], jobs: int) -> Iterator[tuple[Child, str]]:
    """Run a worker with these options until the block is left; give its queue, too."""
    setting = bench.setting(SQSJOBS)
    unwatched = [part for part in SQSJOBS.worker(setting) if part not in _QUIET]
    contestant = replace(SQSJOBS, worker=lambda _: [*unwatched, *options])
    fill(bench, contestant, setting, jobs)
    with contestant.work(setting) as running:
        warm_up(running, bench.server, setting.queues[0])
        yield running, setting.queues[0]


if __name__ == "__main__":
    main()
