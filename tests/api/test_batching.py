"""The batcher: who goes together, when, and what everybody gets."""

from __future__ import annotations

import asyncio
import sys

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from sqsjobs.batching import Batcher, first_batch


class Flushes:
    """Records what is flushed; each flush waits for its gate, if there is one."""

    def __init__(self, gated: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.started: asyncio.Queue[list[int]] = asyncio.Queue()
        self.gates = asyncio.Semaphore(0)
        self.gated = gated

    async def __call__(self, items: list[int]) -> list[int]:
        self.batches.append(items)
        self.started.put_nowait(items)
        if self.gated:
            await self.gates.acquire()
        return [item * 10 for item in items]


async def test_items_of_one_turn_go_together_and_each_gets_its_own_result():
    flushes = Flushes()
    async with Batcher(flushes) as batcher:
        assert await asyncio.gather(*(batcher.submit(n) for n in range(5))) == [0, 10, 20, 30, 40]
    assert flushes.batches == [[0, 1, 2, 3, 4]]


async def test_a_batch_has_at_most_max_items():
    flushes = Flushes()
    async with Batcher(flushes, max_items=10) as batcher:
        await asyncio.gather(*(batcher.submit(n) for n in range(23)))
    assert [len(batch) for batch in flushes.batches] == [10, 10, 3]


async def test_a_batch_has_at_most_max_bytes_and_a_larger_item_goes_alone():
    flushes = Flushes()
    async with Batcher(flushes, max_bytes=10, size=lambda n: n) as batcher:
        await asyncio.gather(*(batcher.submit(n) for n in (4, 6, 1, 50, 2)))
    assert flushes.batches == [[4, 6], [1], [50], [2]]


async def test_what_comes_while_all_flushes_are_busy_gathers_until_one_ends():
    flushes = Flushes(gated=True)
    async with Batcher(flushes, concurrency=1) as batcher:
        first = batcher.submit_nowait(1)
        await flushes.started.get()
        others = []
        for n in (2, 3, 4):
            others.append(batcher.submit_nowait(n))
            await asyncio.sleep(0)
        assert flushes.batches == [[1]]
        flushes.gates.release()
        assert (await first) == 10
        assert await flushes.started.get() == [2, 3, 4]
        flushes.gates.release()
        assert await asyncio.gather(*others) == [20, 30, 40]


async def test_several_flushes_run_at_once():
    flushes = Flushes(gated=True)
    async with Batcher(flushes, max_items=1, concurrency=2) as batcher:
        futures = [batcher.submit_nowait(n) for n in range(3)]
        await flushes.started.get()
        await flushes.started.get()
        await asyncio.sleep(0)
        assert len(flushes.batches) == 2
        for _ in range(3):
            flushes.gates.release()
        await asyncio.gather(*futures)


async def test_a_lingering_batch_waits_for_company():
    flushes = Flushes()
    async with Batcher(flushes, linger=0.03) as batcher:
        first = batcher.submit_nowait(1)
        await asyncio.sleep(0.005)
        second = batcher.submit_nowait(2)
        assert flushes.batches == []
        assert [await first, await second] == [10, 20]
    assert flushes.batches == [[1, 2]]


async def test_a_full_batch_does_not_linger_and_the_rest_does():
    flushes = Flushes()
    async with Batcher(flushes, linger=0.05, max_items=2) as batcher:
        futures = [batcher.submit_nowait(n) for n in (1, 2, 3)]
        await asyncio.gather(*futures[:2])
        assert flushes.batches == [[1, 2]]
        assert not futures[2].done()
        assert await futures[2] == 30


async def test_an_urgent_item_takes_what_waits_along_at_once():
    flushes = Flushes()
    async with Batcher(flushes, linger=60) as batcher:
        waiting = batcher.submit_nowait(1)
        assert await batcher.submit(2, urgent=True) == 20
        assert await waiting == 10
    assert flushes.batches == [[1, 2]]


def test_an_urgent_item_takes_what_lingers_along_at_once_on_uvloop_too():
    """The timers of uvloop are no `asyncio.TimerHandle`s."""
    uvloop.run(asyncio.wait_for(test_an_urgent_item_takes_what_waits_along_at_once(), timeout=10))


async def test_a_byte_full_batch_does_not_linger():
    flushes = Flushes()
    async with Batcher(flushes, linger=60, max_bytes=10, size=lambda n: n) as batcher:
        futures = [batcher.submit_nowait(4), batcher.submit_nowait(6)]
        assert await asyncio.gather(*futures) == [40, 60]


async def test_a_flush_that_raises_fails_its_own_batch_alone():
    async def flush(items: list[int]) -> list[int]:
        if 1 in items:
            raise OSError("gone")
        return items

    async with Batcher(flush, max_items=2) as batcher:
        results = await asyncio.gather(*(batcher.submit(n) for n in (1, 2, 3)), return_exceptions=True)
    assert [str(result) for result in results] == ["gone", "gone", "3"]


async def test_a_flush_with_too_few_results_fails_its_batch():
    async def flush(_items):
        return []

    async with Batcher(flush) as batcher:
        with pytest.raises(RuntimeError, match="gave 0 results"):
            await batcher.submit(1)


async def test_a_caller_cancelled_before_the_flush_is_left_out_and_takes_nobody_down():
    flushes = Flushes()
    async with Batcher(flushes, linger=0.01) as batcher:
        one, two = asyncio.create_task(batcher.submit(1)), asyncio.create_task(batcher.submit(2))
        await asyncio.sleep(0)
        one.cancel()
        assert await two == 20
    assert flushes.batches == [[2]]


async def test_a_caller_cancelled_during_the_flush_takes_nobody_down():
    flushes = Flushes(gated=True)
    async with Batcher(flushes) as batcher:
        one, two = asyncio.create_task(batcher.submit(1)), asyncio.create_task(batcher.submit(2))
        await flushes.started.get()
        one.cancel()
        flushes.gates.release()
        assert await two == 20
    with pytest.raises(asyncio.CancelledError):
        await one


async def test_a_flush_that_is_cancelled_before_it_began_leaves_its_items_to_the_next():
    flushes = Flushes()
    async with Batcher(flushes) as batcher:
        before = asyncio.all_tasks()
        future = batcher.submit_nowait(1)
        (flush,) = asyncio.all_tasks() - before
        flush.cancel()
        assert await future == 10


async def test_leaving_flushes_what_waits_and_awaits_it():
    flushes = Flushes()
    async with Batcher(flushes, linger=60, max_items=2) as batcher:
        futures = [batcher.submit_nowait(n) for n in range(5)]
    assert [future.result() for future in futures] == [0, 10, 20, 30, 40]


async def test_a_cancelled_exit_leaves_nobody_waiting():
    flushes = Flushes(gated=True)
    batcher = Batcher(flushes, max_items=1, concurrency=1)
    await batcher.__aenter__()
    futures = [batcher.submit_nowait(n) for n in range(3)]
    await flushes.started.get()
    leaving = asyncio.create_task(batcher.__aexit__())
    await asyncio.sleep(0)
    leaving.cancel()
    done, pending = await asyncio.wait(futures)
    assert not pending
    assert all(future.cancelled() for future in done)


if sys.version_info >= (3, 12):  # before, no task begins before its turn

    async def test_an_eager_task_factory_changes_neither_the_order_nor_the_number_of_flushes():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        flushes = Flushes(gated=True)
        async with Batcher(flushes, concurrency=1) as batcher:
            futures = [batcher.submit_nowait(n) for n in range(25)]
            assert await flushes.started.get() == list(range(10))
            for _ in range(3):
                flushes.gates.release()
            assert await asyncio.gather(*futures) == [n * 10 for n in range(25)]
        assert flushes.batches == [list(range(10)), list(range(10, 20)), list(range(20, 25))]


async def test_submitting_outside_the_batcher_is_an_error():
    batcher = Batcher(Flushes())
    with pytest.raises(RuntimeError, match="not open"):
        batcher.submit_nowait(1)
    async with batcher:
        pass
    with pytest.raises(RuntimeError, match="not open"):
        await batcher.submit(1)


@given(
    sizes=st.lists(st.integers(0, 30), min_size=1, max_size=30),
    max_items=st.integers(1, 10),
    max_bytes=st.none() | st.integers(1, 60),
)
def test_the_first_batch_is_the_longest_that_fits(sizes, max_items, max_bytes):
    """R30: at least one, never more than fits, never fewer."""
    count = first_batch(sizes, max_items, max_bytes)

    def fits(n: int) -> bool:
        return n <= max_items and (max_bytes is None or sum(sizes[:n]) <= max_bytes)

    assert 1 <= count <= len(sizes)
    assert fits(count) or count == 1
    assert count == len(sizes) or not fits(count + 1)
