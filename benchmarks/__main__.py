"""Measure what sqsjobs costs, beside others, on one fast server that speaks SQS's protocol.

    make bench                                     # everything, five rounds; writes docs/benchmarks.md
    make bench ROUNDS=3 WORKLOADS=drain,latency CONTESTANTS=sqsjobs,bare
    make bench WORKLOADS=latency WRITE=yes         # with all contestants, and into docs/benchmarks.md beside what is there
    python -m benchmarks --scale 0.1 --rounds 1                    # a tenth of the jobs, once

Contestants take turns on the same server, which has a core of its own. Each worker and each producer is a fresh process
on another core; its CPU is the operating system's account of it, from when it was ready to when the last job was done.
Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from benchmarks.contestants import CONTESTANTS, OTHERS, Contestant
from benchmarks.house import ROOT
from benchmarks.machine import describe
from benchmarks.report.page import put_between_markers, written
from benchmarks.report.tables import measured, on_terminal
from benchmarks.report.targets import TARGETS
from benchmarks.results import Results
from benchmarks.run import run
from benchmarks.workloads import WORKLOADS
from benchmarks.workloads.workload import Workload

DOCS = ROOT / "docs"
FIGURES = DOCS / "benchmarks.json"
Named = TypeVar("Named", Contestant, Workload)


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=5, help="of every workload (default: %(default)s)")
    parser.add_argument("--workloads", default="", help="names with commas between (default: all)")
    parser.add_argument("--contestants", default="", help="names with commas between (default: all that are installed)")
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of jobs (default: 1)")
    parser.add_argument("--json", type=Path, help="keep the figures of every round there")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md, .json and .svg")
    given = parser.parse_args()
    if given.write and (given.contestants or given.scale != 1):
        parser.error("what is written has all contestants, and all of the jobs: leave --contestants and --scale out")
    return given


def _epilog() -> str:
    lines = [f"  {it.name:13} {it.title}" for it in WORKLOADS]
    who = [f"  {it.name:13} {it.about}" for it in CONTESTANTS]
    return "\n".join(("workloads:", *lines, "", "contestants:", *who))


def chosen(asked: str, known: Sequence[Named], what: str) -> list[Named]:
    """Return those that are named, or all."""
    names = [name.strip() for name in asked.split(",") if name.strip()]
    unknown = set(names) - {it.name for it in known}
    if unknown:
        raise SystemExit(
            f"no such {what}: {', '.join(sorted(unknown))}. There are: {', '.join(it.name for it in known)}"
        )
    return [it for it in known if not names or it.name in names]


def main() -> None:
    """Run, show, and write."""
    given, console = options(), Console()
    workloads = chosen(given.workloads, WORKLOADS, "workload")
    wanted = chosen(given.contestants, CONTESTANTS, "contestant")
    present = [it for it in wanted if it.is_installed]
    results = Results(
        command="make bench" if given.write else f"python -m benchmarks {' '.join(sys.argv[1:])}".strip(),
        machine=describe(),
        versions={it.name: it.versions for it in present},
        rounds=given.rounds,
        scale=given.scale,
        absent={it.name: "not installed: `make bench` installs it" for it in wanted if it not in present},
    )
    for name, why in results.absent.items():
        console.print(f"{name} does not take part: {why}")
    run(workloads, present, results, console, keep=given.json)
    show(results, console)
    if given.write:
        write(results.put_into(Results.load(FIGURES)) if given.workloads else results)


def show(results: Results, console: Console) -> None:
    """Print the tables."""
    for workload in measured(results):
        console.print(on_terminal(workload, results))
    table = Table("what", "aimed at", "measured", "holds", title="What is aimed at", title_justify="left")
    for target in TARGETS:
        if verdict := target.judge(results):
            table.add_row(verdict.text, verdict.wanted, verdict.measured, verdict.holds)
    if table.row_count:
        console.print(table)


def write(results: Results) -> None:
    """Write the page, the figures and the plot."""
    results.save(FIGURES)
    put_between_markers(DOCS / "benchmarks.md", "results", written(results))
    plot = Path(__file__).parent / "report" / "plot.py"
    subprocess.run([OTHERS, plot, FIGURES, DOCS / "benchmarks.svg"], check=True)


if __name__ == "__main__":
    main()
