"""Feeds inputs in several processes at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context

from tests.fuzz.playing import Score, flip_bits, play_all

__all__ = ["cores", "flipped_side_by_side", "played_side_by_side"]

_AT_ONCE = 2000
"""Inputs that a process is given at a time."""


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def played_side_by_side(seeds: range, only: str | None, processes: int) -> Iterator[tuple[int, Score]]:
    """Feed the inputs of `seeds`; yield, as they come, how many were fed and what they came to."""
    return _side_by_side(partial(play_all, only=only), seeds, _AT_ONCE, processes)


def flipped_side_by_side(messages: range, processes: int) -> Iterator[tuple[int, Score]]:
    """Feed so many sealed messages with each of their bits flipped."""
    return _side_by_side(flip_bits, messages, 2, processes)


def _side_by_side(
    feed: Callable[[Sequence[int]], Score], numbers: range, at_once: int, processes: int
) -> Iterator[tuple[int, Score]]:
    parts = [numbers[place : place + at_once] for place in range(0, len(numbers), at_once)]
    if processes == 1:
        for part in parts:
            yield len(part), feed(part)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        fed = {pool.submit(feed, part): len(part) for part in parts}
        try:
            for done in as_completed(fed):
                yield fed[done], done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
