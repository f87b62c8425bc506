"""A run: every workload, round by round, with the contestants taking turns."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from tests.proof.stamp import stamp

from benchmarks.contestants import Contestant
from benchmarks.house import server
from benchmarks.machine import stolen
from benchmarks.results import Results, Stamp
from benchmarks.workloads.workload import Bench, Workload

__all__ = ["run"]


@dataclass(frozen=True, slots=True)
class _Turn:
    """One contestant's turn at one workload."""

    workload: Workload
    contestant: Contestant
    number: int

    def __str__(self) -> str:
        return f"{self.workload.name}, round {self.number + 1}: {self.contestant.name}"


class _Stamping:
    """Tells at any moment of a run what it is, and how much of its time was stolen until then."""

    def __init__(self) -> None:
        self._made = stamp("bench")
        self._began, self._stolen = time.monotonic(), stolen()

    def now(self) -> Stamp:
        passed = (time.monotonic() - self._began) * (os.cpu_count() or 1)
        return Stamp(self._made["date"][:10], self._made["commit"], (stolen() - self._stolen) / passed)


def run(
    workloads: Sequence[Workload],
    contestants: Sequence[Contestant],
    results: Results,
    console: Console,
    keep: Path | None = None,
) -> None:
    """Measure, and put the figures into `results`; a contestant that fails is told, and left out of that workload.

    Ctrl-C ends it early, with what was measured until then; `keep` has it all the time.
    """
    turns = list(_turns(workloads, contestants, results.rounds))
    stamped = _Stamping()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress, server() as running:
        bench = Bench(running, results.scale)
        going = progress.add_task("", total=len(turns))
        with contextlib.suppress(KeyboardInterrupt):
            for turn in turns:
                progress.update(going, description=str(turn))
                _take(turn, bench, results, console)
                results.stamps[turn.workload.name] = stamped.now()
                progress.advance(going)
                if keep is not None:
                    results.save(keep)


def _turns(workloads: Sequence[Workload], contestants: Sequence[Contestant], rounds: int) -> Iterator[_Turn]:
    """Yield the turns in their order: each round has every workload once, and begins with another contestant."""
    for number in range(rounds):
        for workload in workloads:
            taking = [it for it in workload.taking_part(number) if it in contestants]
            first = number % max(1, len(taking))
            for contestant in (*taking[first:], *taking[:first]):
                yield _Turn(workload, contestant, number)


def _take(turn: _Turn, bench: Bench, results: Results, console: Console) -> None:
    done = results.measured.setdefault(turn.workload.name, {}).setdefault(turn.contestant.name, [])
    if None in done:
        return  # it has failed before
    try:
        done.append(dict(turn.workload.measure(bench, turn.contestant)))
    except (RuntimeError, OSError) as error:
        done.append(None)
        results.failures.append(f"{turn}: {error}")
        console.print(f"[red]{turn} failed[/]", f"{error}", sep="\n", markup=True, highlight=False)
        with contextlib.suppress(RuntimeError, OSError):
            bench.server.delay(0)
