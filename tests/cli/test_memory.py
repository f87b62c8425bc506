"""How seldom a worker's process looks for garbage: what it costs is bounded, and so is what waits to be found."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import weakref
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from sqsjobs.cli.memory import (
    COLLECT_AFTER,
    COLLECT_AFTER_MOST,
    collect_seldom,
    collecting_seldom,
    give_back,
    share_arenas,
)


@pytest.fixture(autouse=True)
def worker_as_it_begins() -> Iterator[None]:
    """Begin with what a worker makes of what Python brings, and leave what the tests had."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    collect_seldom()
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
    collect_seldom()
    with collecting_seldom(every=0.001):
        gc.collect(0)
        await asyncio.sleep(0.01)
        assert gc.get_threshold() == (50_000, 20, 20)
    assert gc.get_threshold() == (50_000, 20, 20)


@pytest.mark.parametrize("wish", [(50_000, 20, 20), (0, 10, 10)])
async def test_what_the_app_sets_up_later_stands(wish: tuple[int, int, int]):
    with collecting_seldom(every=0.001):
        gc.set_threshold(*wish)
        gc.collect(0)
        await asyncio.sleep(0.01)
        assert gc.get_threshold() == wish
    assert gc.get_threshold() == wish


async def test_afterwards_nothing_is_done_any_more(monkeypatch: pytest.MonkeyPatch):
    loop, callbacks, timers = asyncio.get_running_loop(), list(gc.callbacks), list[str]()

    def noted(delay: float, callback: Callable[..., object], *args: object) -> asyncio.TimerHandle:
        timers.append(callback.__module__)
        return type(loop).call_later(loop, delay, callback, *args)

    monkeypatch.setattr(loop, "call_later", noted)
    with collecting_seldom(every=0.001):
        gc.collect(0)
        await begun()
        assert "sqsjobs.cli.memory" in timers
    assert gc.callbacks == callbacks
    assert gc.get_threshold()[0] == COLLECT_AFTER
    timers.clear()
    await asyncio.sleep(0.01)
    assert "sqsjobs.cli.memory" not in timers


@pytest.mark.parametrize(
    ("environment", "wished"),
    [
        ({}, [(-8, 2)]),
        ({"MALLOC_ARENA_MAX": "4"}, []),
        ({"GLIBC_TUNABLES": "glibc.malloc.arena_max=4"}, []),
        ({"GLIBC_TUNABLES": "glibc.malloc.tcache_count=1"}, [(-8, 2)]),
    ],
)
def test_threads_share_two_arenas_unless_the_environment_says_how_many(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], wished: list[tuple[int, int]]
):
    seen: list[tuple[int, int]] = []
    library = SimpleNamespace(mallopt=lambda *wish: seen.append(wish))
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library)
    for name in ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    share_arenas()
    assert seen == wished


def test_a_c_library_without_arenas_is_no_trouble(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    share_arenas()
    give_back()


class Circle:
    def __init__(self) -> None:
        self.itself = self
