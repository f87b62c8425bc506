"""Plays seeds: each in a world of its own, and none of them leaves anything behind."""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial

from tests.side_by_side import side_by_side
from tests.simulation.chance import seeded
from tests.simulation.loop import VirtualLoop
from tests.simulation.scenario import Kind
from tests.simulation.scenes import scenario_of
from tests.simulation.world import Report, World

__all__ = ["play", "play_all", "play_side_by_side"]

_SWEEP_EVERY = 20
_SWEEPS = 10
"""Collections at most: a coroutine that is thrown out may hold on to others until the next."""
_AT_ONCE = 10
"""Seeds that a process plays before it hands its reports over."""


def play(seed: int, kind: Kind | None = None, *, whole_trace: bool = False) -> Report:
    """Play one seed; `kind` puts it into another scene."""
    with _sweeping():
        return _played(seed, kind, whole_trace=whole_trace)


def play_all(seeds: Iterable[int], kind: Kind | None = None) -> Iterator[Report]:
    """Play one seed after the other."""
    left = list(seeds)
    while left:
        some, left = left[:_SWEEP_EVERY], left[_SWEEP_EVERY:]
        with _sweeping():
            reports = [_played(seed, kind) for seed in some]
        yield from reports


def play_side_by_side(seeds: Sequence[int], kind: Kind | None, processes: int) -> Iterator[Report]:
    """Play seeds in so many processes; yield the reports as they come."""
    for _, reports in side_by_side(partial(_play_each, kind=kind), seeds, at_once=_AT_ONCE, processes=processes):
        yield from reports


def _play_each(seeds: Sequence[int], kind: Kind | None) -> list[Report]:
    return list(play_all(seeds, kind))


def _played(seed: int, kind: Kind | None, *, whole_trace: bool = False) -> Report:
    return copy_context().run(_play, seed, kind, whole_trace)


def _play(seed: int, kind: Kind | None, whole_trace: bool) -> Report:
    loop = VirtualLoop()
    with seeded(seed):
        world = World(scenario_of(seed, kind), loop)
        try:
            loop.run_until_complete(world.play())
        except Exception as problem:
            world.break_off(problem)
        finally:
            world.end()
            loop.close()
    return world.report(whole_trace=whole_trace)


@contextmanager
def _sweeping() -> Iterator[None]:
    """Collect the dead machines at the end, and not before: coroutines that never ended complain as they go.

    They alone are looked through, and not all that a process full of tests had before.
    """
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        before, sys.unraisablehook = sys.unraisablehook, lambda _: None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for _ in range(_SWEEPS):
                    if not gc.collect():
                        break
        finally:
            sys.unraisablehook = before
            gc.enable()
