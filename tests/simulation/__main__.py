"""`python -m tests.simulation`, or `make simulate`: plays seeds, says what was found, and how to see it again."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import get_args

from rich.console import Console
from tests.proof.stamp import stamp
from tests.side_by_side import cores, progress_bars
from tests.simulation.playing import play, play_side_by_side
from tests.simulation.scenario import Kind
from tests.simulation.tally import Tally, replay_of
from tests.simulation.world import Report

ABOUT = """\
Play the simulation: whole producers and workers in virtual time, over the strict model of SQS, with faults in every
call, crashes, stops, pauses and clocks that disagree. One seed is one run of 15 to 60 jobs; it decides all that
happens, so that the same seed gives the same trace on every machine. A ledger of what truly happened is checked
against the promises (I1 to I15 and I19 of docs/reliability.md).
"""
EXAMPLES = """\
examples:
  make simulate SEEDS=10000                   the long form; about 25 minutes on two cores
  make simulate SEEDS=500 KIND=fifo           only one kind of scene
  make simulate SEED=144                      one seed again, with its whole trace
  make simulate SEEDS=1000 LEDGER=run.json    the summary for other programs

Ends with 0 where every promise held, with 1 where one was broken: each such seed is named with the command that plays
it again, the first ones with what happened to the jobs concerned.
"""

_TRACES = 3
"""Failing seeds whose traces are shown …"""
_LINES = 120
"""… and how much of each."""


def main() -> int:
    options = _parser().parse_args()
    console = Console()
    if options.seed is not None:
        return _play_one(options.seed, options.kind, console)
    began = time.monotonic()
    tally = _play_many(options, console)
    console.print(tally.as_table())
    seconds = time.monotonic() - began
    console.print(f"\n{tally.kinds.total() / seconds:.1f} seeds a second on {options.cores} cores")
    if options.ledger is not None:
        ledger = {**stamp("simulate"), **tally.as_json(), "seconds": round(seconds, 1)}
        options.ledger.write_text(json.dumps(ledger, indent=2) + "\n")
    return 1 if tally.broken else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation",
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", metavar="N", type=_positive, default=1000, help="how many to play (default: 1000)")
    parser.add_argument("--first", metavar="N", type=int, default=0, help="the first of them (default: 0)")
    parser.add_argument("--seed", metavar="N", type=int, help="play this one, and print its whole trace")
    parser.add_argument("--kind", choices=get_args(Kind), help="the scene of all seeds (default: each has its own)")
    parser.add_argument(
        "--cores", metavar="N", type=_positive, default=cores(), help="processes that play (default: all)"
    )
    parser.add_argument("--ledger", metavar="FILE", type=Path, help="write the summary as JSON")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def _play_one(seed: int, kind: Kind | None, console: Console) -> int:
    report = play(seed, kind, whole_trace=True)
    for line in report.trace:
        print(line)
    tally = Tally(kind)
    tally.add(report)
    console.print(tally.as_table())
    for violation in report.violations:
        console.print(violation, style="red", markup=False)
    return 1 if report.violations else 0


def _play_many(options: argparse.Namespace, console: Console) -> Tally:
    tally = Tally(options.kind)
    seeds = range(options.first, options.first + options.seeds)
    with progress_bars(console) as progress:
        bar = progress.add_task("simulating", total=len(seeds))
        for report in play_side_by_side(seeds, options.kind, options.cores):
            progress.advance(bar)
            tally.add(report)
            if report.violations:
                _show(report, tally, progress.console)
    return tally


def _show(report: Report, tally: Tally, console: Console) -> None:
    console.rule(f"seed {report.seed}, {report.kind}")
    for violation in report.violations:
        console.print(violation, style="red", markup=False)
    if len(tally.broken) <= _TRACES:
        for line in report.trace[-_LINES:]:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(f"play it again: {replay_of(report, tally.forced)}")


if __name__ == "__main__":
    sys.exit(main())
