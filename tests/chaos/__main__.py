"""``make chaos``: the long form, or any part of it, of any size."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
from functools import partial
from math import inf
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from tests.chaos.parts import PARTS
from tests.chaos.report import Result, save, show
from tests.chaos.runner import run_part

TEACHING = """\
Real worker processes, over HTTP, on a local server on a bad day, with real
signals. Every job writes into a ledger when it begins and how it ends; at the
end a checker reads it, and the records, and the dead letters: nothing lost,
nothing completed twice, every repeated run explained, no process left behind.

parts, in their order, and how much of them the long form has:
{parts}

    make chaos                                    all of it, about 25 minutes on 2 cores
    make chaos ARGS='--part kills --size 20'      20 kills
    make chaos ARGS='--short'                     what the tests run
    make chaos ARGS='--part stops --seed 7'       the chances of a run that failed

Ends with 1 if a promise was broken; what the part wrote is kept then, and the
last lines say where, and how to run it again.
"""


def main() -> int:
    """Run what was asked for, and return the exit code."""
    options = _options()
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    folder = options.folder or Path(tempfile.mkdtemp(prefix="sqsjobs-chaos-"))
    console = Console()
    console.print(f"seed {seed}, ledgers in {folder}", highlight=False)
    results: list[Result] = []
    with _bars(console) as bars:
        for name in options.part or PARTS:
            results.append(_run(name, options, seed, folder, bars))
            if options.ledger:  # after every part, for runs that are broken off
                save(results, seed, _command(), options.ledger)
    show(results, console)
    return 1 if _tell_what_failed(results, seed, console) else 0


def _run(name: str, options: argparse.Namespace, seed: int, folder: Path, bars: Progress) -> Result:
    part = PARTS[name]
    size = options.size or (part.short if options.short else part.size)
    bar = bars.add_task(name, total=1.0)
    progress = partial(_show, bars, bar)
    result = asyncio.run(run_part(name, size, seed, folder / name, limit=options.minutes * 60, progress=progress))
    bars.update(bar, completed=1.0, description=f"{name}{' FAILED' if result.violations else ''}")
    return result


def _tell_what_failed(results: list[Result], seed: int, console: Console) -> bool:
    failed = [result for result in results if result.violations]
    for result in failed:
        console.print(
            f"{result.part}: {len(result.violations)} promises broken; all of it is in {result.folder}; again with\n"
            f"    make chaos ARGS='--part {result.part} --size {result.size} --seed {seed}'",
            highlight=False,
        )
    return bool(failed)


def _bars(console: Console) -> Progress:
    share = TextColumn("{task.percentage:>3.0f} %")
    return Progress(TextColumn("{task.description:<20}"), BarColumn(), share, TimeElapsedColumn(), console=console)


def _command() -> str:
    return "make chaos" + (f" ARGS='{' '.join(sys.argv[1:])}'" if sys.argv[1:] else "")


def _show(bar: Progress, task: TaskID, done: float) -> None:
    bar.update(task, completed=done)


def _options() -> argparse.Namespace:
    parts = "\n".join(f"  {name:<13} {part.does} ({part.size:,} {part.unit})" for name, part in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="make chaos",
        description=TEACHING.format(parts=parts),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--part", action="append", choices=PARTS, help="only this one; may be repeated")
    parser.add_argument("--size", type=int, help="how much of each, in place of the long form's")
    parser.add_argument("--minutes", type=float, default=inf, help="begin nothing more of a part after so long")
    parser.add_argument("--short", action="store_true", help="as little of each as the tests run")
    parser.add_argument("--seed", type=int, help="of all chance; any, by default")
    parser.add_argument("--ledger", type=Path, metavar="FILE", help="write the summary to it, as JSON")
    parser.add_argument("--folder", type=Path, help="where the parts write; a new one, by default")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
