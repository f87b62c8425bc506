"""The memory of a worker's process: when Python looks for garbage, and how the C library keeps what is free."""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

from sqsjobs.settings import names_arenas

__all__ = ["COLLECT_AFTER", "COLLECT_AFTER_MOST", "collect_seldom", "collecting_seldom", "give_back", "share_arenas"]

_PYTHONS_OWN: Final = (700, 2000)
"""Allocations after which Python looks through the youngest objects: in 3.11 and 3.12, and in 3.13."""
COLLECT_AFTER: Final = 10_000
"""The same, in a worker, at the begin of every second."""
COLLECT_AFTER_MOST: Final = 160_000
"""The same, after looks enough within one second."""

_ARENA_MAX: Final = -8
"""``M_ARENA_MAX`` of mallopt(3)."""
_ARENAS: Final = 2


def collect_seldom() -> None:
    """Let Python look for garbage in circles seldom, unless the app has set that up itself."""
    if gc.get_threshold()[0] in _PYTHONS_OWN:
        gc.collect()
        gc.freeze()  # modules, tasks, routes: what is there now stays
        gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])


@contextmanager
def collecting_seldom(every: float = 1.0) -> Iterator[None]:
    """After `collect_seldom`, let it look more seldom still while the running event loop is busy.

    Thousands of jobs come and go, dozens of objects each, and hardly one of them ends in a circle; but it is the number of
    objects that makes Python look. So each look within `every` seconds doubles the number that brings the next, and then
    it begins again: a worker that is busy looks a few times a second. What the app sets meanwhile stands from then on.
    """
    loop, ours = asyncio.get_running_loop(), COLLECT_AFTER
    timer: asyncio.TimerHandle

    def put(number: int) -> None:
        nonlocal ours
        first, *others = gc.get_threshold()
        if first == ours:
            ours = number
            gc.set_threshold(number, *others)

    def begin_again() -> None:
        nonlocal timer
        put(COLLECT_AFTER)
        timer = loop.call_later(every, begin_again)

    def has_looked(phase: str, _: Mapping[str, Any]) -> None:
        if phase == "stop":
            put(min(ours * 2, COLLECT_AFTER_MOST))

    timer = loop.call_later(every, begin_again)
    gc.callbacks.append(has_looked)
    try:
        yield
    finally:
        timer.cancel()
        with suppress(ValueError):  # somebody else has removed it
            gc.callbacks.remove(has_looked)
        put(COLLECT_AFTER)


def share_arenas() -> None:
    """Have all threads allocate from two places, where the C library gives nearly each its own (glibc).

    Each place keeps what was free in its worst moment; most of what threads allocate, they allocate in turns. Whoever has
    said in the environment how many there should be (``MALLOC_ARENA_MAX``) is not overruled.
    """
    if not names_arenas():
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Give the operating system what loading and opening has left free, where the C library can (glibc)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
