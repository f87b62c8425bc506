"""What the trials came to: as a table for people, and as JSON for other programs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, Final

from rich.table import Table
from tests.proof.stamp import stamp
from tests.rows import rows_of
from tests.seeded_bugs.bug import Bug
from tests.seeded_bugs.trial import Trial

__all__ = ["as_json", "as_list", "as_table", "caught"]

_INVARIANT: Final = re.compile(r"\b(I\d+):")
_COLOURS: Final = {"caught": "green", "missed": "red", "no verdict": "red", "not here": "dim"}


def caught(trials: Iterable[Trial]) -> int:
    """Return how many bugs were caught; of one with variants, each."""
    ordered = sorted(trials, key=_place)
    return sum(
        all(trial.verdict == "caught" for trial in variants)
        for _, variants in groupby(ordered, lambda trial: trial.bug.number)
    )


def as_table(trials: Iterable[Trial]) -> Table:
    """Return one line for each bug: what it is, and who caught it."""
    table = Table("", "bug", "verdict", pad_edge=False, box=None)
    table.add_column("caught by", overflow="fold")
    table.add_column("promise")
    table.add_column("s", justify="right")
    for trial in sorted(trials, key=_place):
        colour = _COLOURS[trial.verdict]
        table.add_row(
            trial.bug.id,
            trial.bug.name,
            f"[{colour}]{trial.verdict}[/]",
            _first_of(trial) or trial.problem,
            " ".join(_promises(trial)),
            f"{trial.seconds:.0f}",
        )
    return table


def as_list(bugs: Iterable[Bug]) -> Table:
    """Return one line for each bug: what it is, and who ought to catch it."""
    table = Table("", "bug", "seen in", "tests", pad_edge=False, box=None)
    for bug in bugs:
        table.add_row(bug.id, bug.name, bug.seen_in, "\n".join(map(_short, bug.tests)) or bug.not_here)
    return table


def as_json(trials: Sequence[Trial], *, of: int, at_least: int, seconds: float) -> dict[str, Any]:
    """Return all of it, ready to be written as JSON."""
    return {
        **stamp("seeded-bugs"),
        "command": "make seeded-bugs",
        "caught": caught(trials),
        "of": of,
        "at least": at_least,
        "seconds": round(seconds, 1),
        "bugs": [
            {
                "id": trial.bug.id,
                "bug": trial.bug.name,
                "seen in": trial.bug.seen_in,
                "verdict": trial.verdict,
                "caught by": [test for test, _ in trial.by],
                "promises": _promises(trial),
                "problem": trial.problem,
                "seconds": round(trial.seconds, 1),
            }
            for trial in sorted(trials, key=_place)
        ],
    }


def _place(trial: Trial) -> tuple[int, str]:
    return trial.bug.number, trial.bug.id


def _promises(trial: Trial) -> list[str]:
    """The invariants that the failures name, or else the rows that the tests are for."""
    named = {name for _, reason in trial.by for name in _INVARIANT.findall(reason)}
    return sorted(named) or sorted({row for test, _ in trial.by for row in rows_of(test)})


def _first_of(trial: Trial) -> str:
    more = len(trial.by) - 1
    return "".join(_short(test) for test, _ in trial.by[:1]) + (f" and {more} more" if more > 0 else "")


def _short(test: str) -> str:
    return test.removeprefix("tests/")
