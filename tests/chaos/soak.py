"""``make soak``: a worker under steady load and two per cent of faults, and whether it grows (R66, I14, I15)."""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import socket
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from tests.chaos import app as jobs
from tests.chaos.checker import Checked
from tests.chaos.field import Field, open_field
from tests.chaos.ledger import read_lines
from tests.chaos.parts.weather import rules
from tests.chaos.trend import Slope, Verdict, slope_of
from tests.chaos.worker import Worker
from tests.proof.stamp import stamp

from sqsjobs.job import Call

__all__ = ["LIMITS", "Sample", "Soaked", "soak", "written"]

RATE: Final = 100
"""Jobs a second."""
SHARE: Final = 0.02
"""Of calls that are struck by a fault."""
NOT_HERE: Final = "too-large"
"""One answer of 65 MiB moves the high-water mark of the heap, which would hide a slope, or look like one."""
WARM_UP: Final = 300.0
"""Seconds in which caches and pools fill; a third of a shorter run."""
SLOTS: Final = 50
LIMITS: Final = {"rss": 1.0 / 600, "descriptors": 1.0 / 600, "threads": 0.5 / 600, "tasks": 1.0 / 600}
"""What is still called flat, a second: a mebibyte, a descriptor, half a thread, a task in ten minutes."""

TEACHING = """\
One worker does about 100 jobs a second while 2 % of its calls to SQS, and of
its producer's, go wrong in every way there is. Every second its memory, file
descriptors, threads and asyncio tasks are counted. After a peak that fills the
thread pool and the warm-up (five minutes, or a third of a shorter run) a line is
laid through the least of every twentieth of what is left, the floor on which jobs
and faults come and go: the run fails if one grows for certain, that is, with the
whole 95 % interval of its slope above what is called flat.

    make soak                  ten minutes
    make soak MINUTES=30
    make soak MINUTES=1 ARGS='--ledger soak.json'
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """The worker at a moment: `rss` in MiB."""

    at: float
    rss: float
    descriptors: int
    threads: int
    tasks: int


@dataclass(slots=True)
class Soaked:
    """What a soak came to."""

    seconds: float
    slopes: dict[str, Slope]
    medians: dict[str, float]
    checked: Checked
    faults: int
    violations: list[str] = field(default_factory=list)

    def verdict(self, name: str) -> Verdict:
        """Return what is to be said of one of the measurements."""
        return self.slopes[name].judged(LIMITS[name])

    @property
    def failed(self) -> bool:
        """Whether something grows, or was lost."""
        return bool(self.violations) or any(self.verdict(name) is Verdict.GROWING for name in LIMITS)


async def soak(
    seconds: float, seed: int, folder: Path, *, rate: int = RATE, progress: Callable[[float], None] = lambda _: None
) -> Soaked:
    """Let a worker work for so many seconds, and judge it."""
    async with open_field(folder, Random(f"{seed} soak"), progress=progress) as made:
        port = _free_port()
        worker = await made.worker(
            *("--visibility", "6", "--concurrency", str(SLOTS), "--metrics-host", "127.0.0.1"),
            *("--metrics-port", str(port)),
            census=True,
        )
        await made.has_worked(worker.pid, lambda: _call(made))
        # A pool has as many threads as were ever busy at once: each new peak would look like growth.
        await made.send([jobs.in_thread.call(next(made.numbers), 0.5) for _ in range(4 * SLOTS)])
        kinds = [rule for rule in rules(SHARE) if "rate" in rule and rule["kind"] != NOT_HERE]
        await made.faults({"seed": seed, "rules": kinds})
        samples = await _watched(made, worker, seconds, rate, port)
        await made.faults({"rules": []})
        broken = await _ended(made)
        ledger, checked = await made.judged()
        slopes, medians = _trends(_with_tasks(samples, folder), seconds)
        faults = ledger.injected.total()
    return Soaked(seconds, slopes, medians, checked, faults, broken + checked.violations)


async def _watched(made: Field, worker: Worker, seconds: float, rate: int, port: int) -> list[Sample]:
    """Send jobs at a steady rate, and look at the worker every second."""
    samples: list[Sample] = []
    async with asyncio.TaskGroup() as sending:
        began = time.monotonic()
        while (passed := time.monotonic() - began) < seconds:
            for _ in range(10):
                sending.create_task(made.send([_call(made) for _ in range(rate // 10)]))
                await asyncio.sleep(0.1)
            samples.append(_sample(worker.pid))
            await asyncio.to_thread(_scrape, port)
            made.progress(passed / seconds)
    return samples


async def _ended(made: Field) -> list[str]:
    """Stop the worker when its queue is empty, and return what broke a promise on the way."""
    await made.drained(within=60)
    codes = await made.stop_all()
    return [*(f"the worker ended with {code}" for code in codes if code), *await made.left()]


def _call(made: Field) -> Call[Any]:
    number, chance = next(made.numbers), made.random.random()
    if chance < 0.002:
        return jobs.work.call(number, 5.0)  # long enough for heartbeats
    if chance < 0.01:
        return jobs.in_process.call(number, 0.01)
    if chance < 0.03:
        return jobs.work.call(number, 0.01, failures=1)
    if chance < 0.1:
        return jobs.in_thread.call(number, 0.01)
    return jobs.work.call(number, 0.02)


# Measuring ----------------------------------------------------------------------------------------------


def _sample(pid: int) -> Sample:
    status = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    kilobytes, threads = status["VmRSS"].split()[0], status["Threads"]
    return Sample(
        time.monotonic(), int(kilobytes) / 1024, len(list(Path(f"/proc/{pid}/fd").iterdir())), int(threads), 0
    )


def _with_tasks(samples: Sequence[Sample], folder: Path) -> list[dict[str, float]]:
    """Join what was seen from outside with the worker's own count of its tasks, taken last before."""
    census = sorted((line["at"], line["tasks"]) for line in read_lines(folder) if line["what"] == "census")
    joined = []
    for sample in samples:
        counted = [tasks for at, tasks in census if at <= sample.at][-1:]
        joined.append(asdict(sample) | {"tasks": counted[0] if counted else 0})
    return joined


def _trends(samples: list[dict[str, float]], seconds: float) -> tuple[dict[str, Slope], dict[str, float]]:
    first = samples[0]["at"] + min(WARM_UP, seconds / 3)
    warm = [sample for sample in samples if sample["at"] >= first]
    slopes = {name: slope_of([(sample["at"], sample[name]) for sample in warm]) for name in LIMITS}
    return slopes, {name: statistics.median(sample[name] for sample in warm) for name in LIMITS}


def _scrape(port: int) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        answer.read()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


# The command --------------------------------------------------------------------------------------------


def main() -> int:
    """Soak for as long as was asked for, and return the exit code."""
    options = _options()
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    folder = Path(tempfile.mkdtemp(prefix="sqsjobs-soak-")) / "soak"
    console = Console()
    console.print(f"seed {seed}, ledger in {folder}", highlight=False)
    columns = TextColumn("soak"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn()
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("soak", total=1.0)
        soaked = asyncio.run(
            soak(options.minutes * 60, seed, folder, progress=lambda done: bar.update(task, completed=done))
        )
        bar.update(task, completed=1.0)
    _show(soaked, console)
    if options.ledger:
        options.ledger.write_text(json.dumps(written(soaked, seed, options.minutes), indent=2) + "\n")
    return 1 if soaked.failed else 0


def _show(soaked: Soaked, console: Console) -> None:
    table = Table("of the worker", "median", "slope in 10 minutes (95 % interval)", "flat up to", "verdict")
    for name, limit in LIMITS.items():
        slope = soaked.slopes[name]
        interval = f"{slope.rate * 600:+.2f} ({slope.low * 600:+.2f} to {slope.high * 600:+.2f})"
        unit = " MiB" if name == "rss" else ""
        table.add_row(
            name, f"{soaked.medians[name]:.1f}{unit}", interval, f"{limit * 600:g}{unit}", soaked.verdict(name)
        )
    console.print(table)
    checked = soaked.checked
    console.print(
        f"{checked.sent.total():,} jobs, {checked.runs:,} runs, {soaked.faults:,} faults, "
        f"{sum(text.startswith('I1:') for text in soaked.violations)} lost",
        highlight=False,
    )
    for violation in soaked.violations[:10]:
        console.print(f"[red]{violation}", highlight=False)


def written(soaked: Soaked, seed: int, minutes: float) -> dict[str, Any]:
    """Return everything, as what JSON can say."""
    return {
        **stamp("soak"),
        "command": f"make soak MINUTES={minutes:g}",
        "seed": seed,
        "medians": soaked.medians,
        "slopes in 10 minutes": {
            name: {"slope": slope.rate * 600, "low": slope.low * 600, "high": slope.high * 600}
            for name, slope in soaked.slopes.items()
        },
        "verdicts": {name: soaked.verdict(name) for name in LIMITS},
        "faults": soaked.faults,
        "violations": soaked.violations,
        **soaked.checked.written(),
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make soak", description=TEACHING, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10, help="how long (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="of all chance; any, by default")
    parser.add_argument("--ledger", type=Path, metavar="FILE", help="write the summary to it, as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
