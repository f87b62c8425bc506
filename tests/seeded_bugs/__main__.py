"""`python -m tests.seeded_bugs`, or `make seeded-bugs`: whether the suite notices bugs that others have had."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from tests.seeded_bugs.bug import Bug
from tests.seeded_bugs.bugs import BUGS, COUNT
from tests.seeded_bugs.report import as_json, as_list, as_table, caught
from tests.seeded_bugs.trial import Trial, try_bug, try_clean

ABOUT = """\
Does the suite notice? Thirty-five bugs, most of which some job system has had,
are put one by one into a copy of the tree, and the quickest tests that ought
to notice are run there. The same tests run on a copy without any bug, too: a
test that fails there proves nothing.
"""
EXAMPLES = """\
examples:
  make seeded-bugs                             all of them
  make seeded-bugs ARGS='--only 5 --only 28b'  some
  make seeded-bugs ARGS='--list'               what they are, and the tests, without a run
  make seeded-bugs LEDGER=bugs.json            the table for other programs

The code of a bug is in tests/seeded_bugs/bugs: a file, what it reads, and what it is
to read instead. A bug whose place has changed is an error that says so.

Ends with 0 if at least as many were caught as --at-least says and the tests pass
without a bug, else with 1.
"""

_AT_LEAST: Final = 30
_WIDTH: Final = 180
_LIMIT: Final = 240.0
_CLEAN_LIMIT: Final = 900.0


def main() -> int:
    """Run what was asked for, and return the exit code."""
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    bugs = [bug for bug in BUGS if not options.only or bug.id in options.only or str(bug.number) in options.only]
    if not bugs:
        console.print(f"there is no bug {', '.join(options.only)}: they are 1 to {COUNT}; see --list")
        return 2
    if options.list:
        console.print(as_list(bugs))
        return 0
    began = time.monotonic()
    clean, trials = _all(bugs, options.cores, console)
    console.print(as_table(trials))
    for test, reason in clean.by:
        console.print(f"[red]{test} fails without any bug:[/] {reason}", highlight=False)
    if clean.problem:
        console.print(f"[red]the tests without any bug:[/] {clean.problem}", highlight=False)
    numbers = len({bug.number for bug in bugs})
    console.print(f"caught {caught(trials)} of {numbers}", highlight=False)
    wanted = numbers if options.only else options.at_least
    if options.ledger:
        seconds = time.monotonic() - began
        ledger = as_json(trials, of=numbers, at_least=wanted, seconds=seconds)
        options.ledger.write_text(json.dumps(ledger, indent=2) + "\n")
    return 0 if clean.verdict == "missed" and caught(trials) >= wanted else 1


def _all(bugs: Sequence[Bug], cores: int, console: Console) -> tuple[Trial, list[Trial]]:
    """Try the tests without a bug, and every bug, some side by side."""
    clean, trials = None, []
    columns = TextColumn("{task.description:<40}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("seeding", total=len(bugs) + 1)
        for trial in _side_by_side(bugs, cores):
            progress.update(bar, advance=1, description=f"{trial.bug.id} {trial.bug.name}"[:40])
            if trial.bug.number:
                trials.append(trial)
            else:
                clean = trial
    assert clean is not None
    return clean, [trial.but_for(clean) for trial in trials]


def _side_by_side(bugs: Sequence[Bug], cores: int) -> Iterator[Trial]:
    tests = sorted({test for bug in bugs for test in bug.tests})
    with ThreadPoolExecutor(cores) as pool:
        # The longest first.
        running = [pool.submit(try_clean, tests, limit=_CLEAN_LIMIT)]
        running += [pool.submit(try_bug, bug, limit=_LIMIT) for bug in bugs]
        for done in as_completed(running):
            yield done.result()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make seeded-bugs",
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", metavar="NN", action="append", default=[], help="only this bug; may be repeated")
    parser.add_argument("--list", action="store_true", help="show the bugs and their tests, and run nothing")
    parser.add_argument("--cores", metavar="N", type=int, default=os.cpu_count() or 1, help="bugs at once")
    parser.add_argument(
        "--at-least", metavar="N", type=int, default=_AT_LEAST, help="how many must be caught (default: %(default)s)"
    )
    parser.add_argument("--ledger", metavar="FILE", type=Path, help="write the table as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
