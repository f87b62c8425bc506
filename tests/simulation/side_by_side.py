"""Plays seeds in several processes at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from tests.simulation.playing import play_all
from tests.simulation.scenario import Kind
from tests.simulation.world import Report

__all__ = ["cores", "play_side_by_side"]

_AT_ONCE = 10
"""Seeds that a process plays before it hands its reports over."""


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def play_side_by_side(seeds: Sequence[int], kind: Kind | None, processes: int) -> Iterator[Report]:
    """Play seeds in so many processes; yield the reports as they come."""
    parts = [seeds[place : place + _AT_ONCE] for place in range(0, len(seeds), _AT_ONCE)]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        playing = [pool.submit(_play, part, kind) for part in parts]
        try:
            for part in as_completed(playing):
                yield from part.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _play(seeds: Sequence[int], kind: Kind | None) -> list[Report]:
    return list(play_all(seeds, kind))
