"""What the parts came to: for machines as JSON, for readers as a table."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from tests.chaos.checker import Checked
from tests.chaos.ledger import Ledger
from tests.proof.stamp import stamp

__all__ = ["Result", "save", "show", "written"]


@dataclass(slots=True)
class Result:
    """A part's result.

    Attributes:
        part: its name.
        size: how much of it there was, in its `unit`.
        seconds: that it took.
        folder: where its ledger, job store and logs are, if they were kept.
        figures: of its own.
        checked: what the checker found; None if it did not come so far.
        injected: faults, by operation and kind.
        violations: what broke a promise.
    """

    part: str
    size: int
    unit: str
    seconds: float
    folder: Path
    figures: dict[str, object] = field(default_factory=dict)
    checked: Checked | None = None
    injected: Counter[tuple[str, str]] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def take(self, ledger: Ledger, checked: Checked) -> None:
        """Take over what the checker found."""
        self.checked = checked
        self.injected = ledger.injected
        self.violations += checked.violations


def written(results: list[Result], seed: int, command: str) -> dict[str, Any]:
    """Return everything, as what JSON can say."""
    return {
        **stamp("chaos"),
        "command": command,
        "seed": seed,
        "violations": sum(len(result.violations) for result in results),
        "faults injected": sum(result.injected.total() for result in results),
        "kinds of faults (fault x operation)": len(set().union(*(result.injected for result in results))),
        "parts": [_part(result) for result in results],
    }


def show(results: list[Result], console: Console) -> None:
    """Draw the table, and below it what repeated runs were due to, and what broke a promise."""
    table = Table("part", "size", "jobs", "runs", "lost", "faults", "kinds", "violations", "seconds")
    for result in results:
        checked = result.checked or Checked()
        lost = sum(text.startswith("I1:") for text in result.violations)
        row = (result.part, f"{result.size:,} {result.unit}", checked.sent.total(), checked.runs, lost)
        faults = (result.injected.total(), len(result.injected), len(result.violations), round(result.seconds))
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else cell for cell in (*row, *faults)))
    console.print(table)
    causes: Counter[str] = Counter()
    for result in results:
        causes.update((result.checked or Checked()).repeated)
    for cause, times in causes.most_common():
        console.print(f"  {times:>7,} runs were repeated: {cause}", highlight=False)
    for result in results:
        for violation in result.violations[:10]:
            console.print(f"[red]{result.part}: {violation}", highlight=False)


def _part(result: Result) -> dict[str, Any]:
    faults: dict[str, dict[str, int]] = {}
    for (operation, kind), times in sorted(result.injected.items()):
        faults.setdefault(operation, {})[kind] = times
    return {
        "part": result.part,
        result.unit: result.size,
        "seconds": round(result.seconds, 1),
        **result.figures,
        **(result.checked or Checked()).written(),
        "violations": result.violations,
        "faults": faults,
    }


def save(results: list[Result], seed: int, command: str, path: Path) -> None:
    """Write everything to a file."""
    path.write_text(json.dumps(written(results, seed, command), indent=2, default=str) + "\n")
