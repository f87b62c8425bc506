"""How seldom a worker's process looks for garbage: what it costs is bounded, and so is what waits to be found."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Iterator

import pytest

from sqsjobs.cli.memory import COLLECT_AFTER, COLLECT_AFTER_MOST, collecting_seldom


@pytest.fixture(autouse=True)
def pythons_own() -> Iterator[None]:
    """Begin with what Python brings, and leave what the tests had."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


async def begun() -> None:
    await until(lambda: gc.get_threshold()[0] == COLLECT_AFTER)


async def test_each_look_within_a_second_puts_the_next_one_off():
    with collecting_seldom(every=60):
        seen = [gc.get_threshold()[0]]
        for _ in range(10):
            gc.collect(0)
            seen.append(gc.get_threshold()[0])
    assert seen[:4] == [COLLECT_AFTER, 2 * COLLECT_AFTER, 4 * COLLECT_AFTER, 8 * COLLECT_AFTER]
    assert seen[-1] == COLLECT_AFTER_MOST


async def test_it_begins_again_every_second():
    with collecting_seldom(every=0.001):
        for _ in range(3):
            gc.collect(0)
            assert gc.get_threshold()[0] > COLLECT_AFTER
            await begun()


async def test_garbage_in_circles_is_found_within_the_next_second():
    with collecting_seldom(every=0.001):
        for _ in range(10):
            gc.collect(0)
        circle = Circle()
        gone = weakref.ref(circle)
        del circle
        kept = [[number] for number in range(COLLECT_AFTER * 2)]  # fewer than it waits for now
        assert gone() is not None
        await begun()
        kept += [[number] for number in range(COLLECT_AFTER * 2)]
        assert gone() is None


async def test_what_the_app_has_set_up_itself_is_left_alone():
    gc.set_threshold(50_000, 20, 20)
    with collecting_seldom(every=0.001):
        await asyncio.sleep(0)
        gc.collect(0)
        assert gc.get_threshold() == (50_000, 20, 20)
    assert gc.get_threshold() == (50_000, 20, 20)


async def test_afterwards_all_is_as_it_was():
    callbacks = list(gc.callbacks)
    with collecting_seldom():
        gc.collect(0)
    assert (gc.get_threshold(), gc.callbacks) == ((700, 10, 10), callbacks)


class Circle:
    def __init__(self) -> None:
        self.itself = self
