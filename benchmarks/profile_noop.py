"""Where each microsecond of a job goes: the CPU of a worker that drains no-op jobs, by what it was spent on.

    make bench-profile
    python -m benchmarks.profile_noop --jobs 50000

py-spy looks at the worker's stack some hundred times a second, from outside. A sample belongs to the innermost function
of sqsjobs on the stack (what that calls in libraries and in C is its own), and with it to a stage; where there is none,
the event loop itself was at work. Only the first thread is looked at: the others rest. The shares are applied to the CPU
of a job in a drain by the same worker that nobody looked at. Jobs that wait are looked at in the same way, and the plain
path beside the bare loop, by what of a call to SQS was at work.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.child import Child, child
from benchmarks.contestants import BARE, OTHERS, OWN, PLAIN, SQSJOBS, Contestant, Setting
from benchmarks.house import ROOT, server
from benchmarks.machine import SERVER_CORE, describe, on_core
from benchmarks.report.page import put_between_markers
from benchmarks.report.stages import BUILT, LIBRARIES, LOOP, Stack, by_library, by_place, by_stage, read_stacks, rows
from benchmarks.report.tables import in_markdown
from benchmarks.workloads.draining import fill, warm_up, work_off
from benchmarks.workloads.workload import Bench

TURNS = 5
"""In which everything is looked at, one after the other."""
WATCHED_TURNS = 15
"""The same, for ways of watching: what they cost is small beside what the machine varies by."""
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
class Seen:
    """What was seen of a drain.

    Attributes:
        per_job: µs of CPU, where nobody looked.
        stacks: that were seen, and how often.
    """

    per_job: float
    stacks: list[tuple[Stack, int]]


@dataclass(frozen=True, slots=True)
class Profile:
    """What was seen of all.

    Attributes:
        seen: of sqsjobs as it comes.
        waiting: of it where jobs wait for 50 ms, a thousand at once.
        plain: of it on the plain path.
        bare: of the bare loop.
        watched: µs of CPU, by how the worker was watched.
        waits: µs of CPU of a wait without sqsjobs, by what else its process did.
    """

    seen: Seen
    waiting: Seen
    plain: Seen
    bare: Seen
    watched: list[tuple[str, float]]
    waits: list[tuple[str, float]]

    def tables(self) -> Iterator[tuple[tuple[str, ...], list[tuple[str, ...]]]]:
        """Yield headers and rows."""
        seen = self.seen
        waits = {name: micros for name, micros, _ in rows(by_stage(self.waiting.stacks), self.waiting.per_job)}
        counted = by_stage(seen.stacks)
        counted.update(dict.fromkeys(waits, 0))  # stages that only a job that waits has, too
        stages = [(*row, waits.get(row[0], "0.0")) for row in rows(counted, seen.per_job)]
        whole = ("all of it", f"{seen.per_job:.1f}", "100%", f"{self.waiting.per_job:.1f}")
        yield ("stage", "µs a job", "share", "µs a job that waits 50 ms, 1,000 at once"), [*stages, whole]
        yield (
            ("function, with what it calls in libraries", "µs a job", "share"),
            list(rows(by_place(seen.stacks), seen.per_job)),
        )
        yield ("a wait of 50 ms, 1,000 at once, without sqsjobs, in a process that", "µs of CPU"), _told(self.waits)
        yield ("a worker that", "µs of CPU a job"), _told(self.watched)
        yield ("over aioboto3", "sqsjobs on the plain path, µs a job", "the bare loop, µs a job"), self._plainly()

    def _plainly(self) -> list[tuple[str, ...]]:
        columns = [
            {name: micros for name, micros, _ in rows(by_library(it.stacks), it.per_job)}
            for it in (self.plain, self.bare)
        ]
        parts = [*(name for name, _ in LIBRARIES), LOOP, BUILT]
        table = [(name, *(column.get(name, "0.0") for column in columns)) for name in parts]
        return [*table, ("all of it", f"{self.plain.per_job:.1f}", f"{self.bare.per_job:.1f}")]


def _told(measured: list[tuple[str, float]]) -> list[tuple[str, ...]]:
    return [(name, f"{micros:.1f}") for name, micros in measured]


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
        jobs, rate = given.jobs // TURNS, given.rate
        seen, waiting = in_turns(
            partial(look, bench, SQSJOBS, jobs, rate), partial(look, bench, SQSJOBS, jobs, rate, waiting=True)
        )
        plain, bare = in_turns(*(partial(look, bench, it, jobs // 2, rate) for it in (PLAIN, BARE)))
        costs = in_turns(*(partial(cost, bench, options, jobs) for _, options in WATCHED), turns=WATCHED_TURNS)
        watched = [(name, it.per_job) for (name, _), it in zip(WATCHED, costs, strict=True)]
        profile = Profile(seen, waiting, plain, bare, watched, list(bare_waits()))
    for header, body in profile.tables():
        table = Table(*header)
        for row in body:
            table.add_row(*row)
        Console().print(table)
    if given.write:
        tables = [in_markdown(header, body) for header, body in profile.tables()]
        text = "\n\n".join(
            [f"{datetime.now(UTC):%Y-%m-%d}, {about}. {profile.seen.per_job:.0f} µs of CPU a job.", *tables]
        )
        put_between_markers(ROOT / "docs" / "benchmarks.md", "profile", text)


def in_turns(*looks: Callable[[], Seen], turns: int = TURNS) -> list[Seen]:
    """Look at several things in turns, as the machine is not always equally fast; return all of each, with the median cost."""
    seen = [[look() for look in looks] for _ in range(turns)]
    return [
        Seen(median(it.per_job for it in every), [stack for it in every for stack in it.stacks])
        for every in zip(*seen, strict=True)
    ]


def bare_waits() -> Iterator[tuple[str, float]]:
    """Yield what a wait costs without sqsjobs, by what else the process does."""
    with child([OWN, "-m", "benchmarks.waits"], {}) as waiting:
        for what in (
            "does nothing else",
            "looks at 10 other objects before each",
            "looks at 100 other objects before each",
        ):
            yield what, float(waiting.line())


def cost(bench: Bench, options: tuple[str, ...], jobs: int) -> Seen:
    """Return the CPU of a job, in a worker with these options that nobody looks at."""
    setting = bench.setting(SQSJOBS)
    unwatched = [part for part in SQSJOBS.worker(setting) if part not in _QUIET]
    with worker(bench, replace(SQSJOBS, worker=lambda _: [*unwatched, *options]), setting, jobs) as (running, queue):
        return Seen(work_off(running, bench.server, queue, jobs).cpu_per_job, [])


def look(bench: Bench, contestant: Contestant, jobs: int, rate: int, *, waiting: bool = False) -> Seen:
    """Drain twice with one worker: the first time nobody looks, the second time the stacks are looked at."""
    setting = replace(bench.setting(contestant, "io"), concurrency=1_000) if waiting else bench.setting(contestant)
    with worker(bench, contestant, setting, jobs) as (running, queue):
        per_job = work_off(running, bench.server, queue, jobs).cpu_per_job
        with tempfile.NamedTemporaryFile("r") as seen:
            options = ["--format", "raw", "--full-filenames", "--threads", "--rate", str(rate), "--output", seen.name]
            with on_core(SERVER_CORE):
                spy = subprocess.Popen([SPY, "record", "--pid", str(running.pid), *options], stdout=subprocess.DEVNULL)
            time.sleep(1)  # it reads the worker's symbols
            work_off(running, bench.server, queue, jobs)
            spy.send_signal(signal.SIGINT)  # write what was seen
            spy.wait()
            return Seen(per_job, read_stacks(Path(seen.name).read_text()))


@contextmanager
def worker(bench: Bench, contestant: Contestant, setting: Setting, jobs: int) -> Iterator[tuple[Child, str]]:
    """Run a worker, with jobs to come, until the block is left; give its queue, too."""
    fill(bench, contestant, setting, jobs)
    with contestant.work(setting) as running:
        warm_up(running, bench.server, setting.queues[0])
        yield running, setting.queues[0]


if __name__ == "__main__":
    main()
