"""What long forms share: many numbers worked through in several processes at once, under a bar that shows how far."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["cores", "progress_bars", "side_by_side"]

T = TypeVar("T")


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def side_by_side(
    work: Callable[[Sequence[int]], T], numbers: Sequence[int], *, at_once: int, processes: int
) -> Iterator[tuple[int, T]]:
    """Work through `numbers`, `at_once` of them at a time in each of the processes; one does without another process.

    Yields, as they come, how many were worked through and what they came to. `work` is found by its name there.
    """
    parts = [numbers[place : place + at_once] for place in range(0, len(numbers), at_once)]
    if processes == 1:
        for part in parts:
            yield len(part), work(part)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        working = {pool.submit(work, part): len(part) for part in parts}
        try:
            for done in as_completed(working):
                yield working.pop(done), done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def progress_bars(console: Console) -> Progress:
    """Return bars that are gone at the end; none where nobody looks on."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=True, disable=not sys.stdout.isatty())
