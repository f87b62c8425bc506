"""The reader that all share: what is seen, how often the store is asked, and what happens when it is away."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.store.samples import NOW, job_id, queued, request, retry, succeed
from tests.worker.virtual import VirtualClock, VirtualLoop, as_test

from sqsjobs.errors import ConfigurationError, ResultsUnread, StoreError, StoreUnavailable
from sqsjobs.events import StoreFailed
from sqsjobs.following import Reader
from sqsjobs.job import JobId, JobStatus
from sqsjobs.store.memory import MemoryStore


class Counted(MemoryStore):
    """A store that counts what it is asked, and can be away, or broken."""

    def __init__(self) -> None:
        super().__init__(clock=VirtualClock())
        self.reads: list[int] = []
        self.problem: Exception | None = None
        self.withheld: JobId | None = None

    async def records(self, job_ids):
        if self.problem:
            raise self.problem
        self.reads.append(len(job_ids))
        records = await super().records(job_ids)
        if self.withheld in records:
            others = {job: record for job, record in records.items() if job != self.withheld}
            raise ResultsUnread(others, {self.withheld: StoreUnavailable("no answer from the bucket")})
        return records


class Asked(Counted):
    """The same without push."""

    listening = None  # type: ignore[assignment]


class Deaf(Counted):
    """The same, and its ears cannot be opened."""

    def listening(self, wake):
        raise StoreUnavailable("no connection")


def in_virtual_time(*kinds: type[Counted]) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., None]]:
    """Make a test of a coroutine function, for stores of these `kinds`, or all.

    It is called with a store, its reader, what the observer has heard, and pytest's fixtures.
    """

    def test_of(scenario: Callable[..., Awaitable[None]]) -> Callable[..., None]:
        def test(kind: type[Counted], **fixtures: Any) -> None:
            async def play() -> None:
                heard: list[Any] = []
                async with kind() as store, Reader(store, observer=heard.append) as reader:
                    await scenario(store, reader, heard, **fixtures)
                    assert reader._subjects == {}

            with asyncio.Runner(loop_factory=VirtualLoop) as runner:
                runner.run(play())

        named = as_test(test, scenario, given=("store", "reader", "heard"), asks=("kind",))
        return pytest.mark.parametrize("kind", kinds or (Counted, Asked, Deaf))(named)

    return test_of


async def end(store, job):
    await store.claim(request(job))
    await store.change(job, 1, succeed())


@in_virtual_time()
async def test_a_view_shows_the_state_and_then_each_change(store, reader, heard):
    job = job_id()
    with reader.view(job) as view:
        assert await view.next() is None
        await store.insert(queued(job))
        assert (await view.next()).status is JobStatus.QUEUED
        await store.claim(request(job))
        assert (await view.next()).status is JobStatus.RUNNING
        await store.change(job, 1, succeed())
        assert (await view.next()).status is JobStatus.SUCCEEDED


@in_virtual_time()
async def test_what_changes_while_nobody_looks_is_seen_in_its_newest_state(store, reader, heard):
    job = job_id()
    await store.insert(queued(job))
    with reader.view(job) as view:
        assert (await view.next()).status is JobStatus.QUEUED
        await end(store, job)
        await asyncio.sleep(100)
        assert (await view.next()).status is JobStatus.SUCCEEDED


@in_virtual_time()
async def test_a_cancelled_look_loses_nothing(store, reader, heard):
    job = job_id()
    await store.insert(queued(job))
    with reader.view(job) as view:
        await view.next()
        for _ in range(20):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(view.next(), 0.3)
        await end(store, job)
        seen = None
        while seen is None:
            try:
                seen = await asyncio.wait_for(view.next(), 0.01)
            except TimeoutError:
                continue
        assert seen.status is JobStatus.SUCCEEDED


@in_virtual_time(Asked)
async def test_a_new_view_never_shows_what_was_before_it(store, reader, heard):
    """Also where another view has seen the job just now, or a read of it is under way: it may have been sent again."""
    job = job_id()
    await store.claim(request(job))
    await store.cancel(job, NOW + 100)
    with reader.view(job) as first:
        assert (await first.next()).status is JobStatus.CANCELLED
        slow, begun, go_on = store.records, asyncio.Event(), asyncio.Event()

        async def records(job_ids):
            found = await slow(job_ids)
            begun.set()
            await go_on.wait()
            return found

        store.records = records
        await begun.wait()
        await store.reopen(job, NOW + 101)
        with reader.view(job) as second:
            looking = asyncio.create_task(second.next())
            await asyncio.sleep(0.1)
            assert not looking.done()
            go_on.set()
            assert (await looking).status is JobStatus.QUEUED


@in_virtual_time()
async def test_a_thousand_waiters_cost_a_bounded_number_of_reads(store, reader, heard):
    """Each for a job of its own, for ten minutes: at most 500 records a second, in at most three reads."""
    ids = [job_id() for _ in range(1000)]
    for job in ids:
        await store.insert(queued(job))

    async def wait(job):
        with reader.view(job) as view:
            while (record := await view.next()) and not record.status.ended:
                pass

    waiting = asyncio.gather(*map(wait, ids))
    await asyncio.sleep(30)
    store.reads.clear()
    await asyncio.sleep(600)
    assert sum(store.reads) <= 600 * 500
    assert len(store.reads) <= 600 * 3
    assert len(reader._subjects) == 1000
    ended = asyncio.get_running_loop().time()
    for job in ids:
        await end(store, job)
    await waiting
    assert asyncio.get_running_loop().time() - ended < 5


@in_virtual_time(Counted)
async def test_where_changes_are_told_nothing_is_read_in_vain(store, reader, heard):
    """A store that pushes is asked at the begin, at each change, and every half minute to make sure."""
    job = job_id()
    await store.insert(queued(job))
    with reader.view(job) as view:
        await view.next()
        await asyncio.sleep(600)
        assert len(store.reads) <= 22
        store.reads.clear()
        began = asyncio.get_running_loop().time()
        await end(store, job)
        while (await view.next()).status is not JobStatus.SUCCEEDED:
            pass
        assert asyncio.get_running_loop().time() - began < 0.05
        assert len(store.reads) <= 2


@in_virtual_time()
async def test_nothing_is_read_while_nobody_waits(store, reader, heard):
    with reader.view(job_id()) as view:
        await view.next()
    await asyncio.sleep(1)
    store.reads.clear()
    await asyncio.sleep(1000)
    assert store.reads == []


@in_virtual_time()
async def test_a_store_that_is_away_for_half_a_minute_is_waited_for(store, reader, heard):
    job = job_id()
    await store.insert(queued(job))
    with reader.view(job) as view:
        await view.next()
        store.problem = StoreUnavailable("away")
        await end(store, job)
        looking = asyncio.create_task(view.next())
        await asyncio.sleep(30)
        assert not looking.done()
        assert view.problem is store.problem
        assert StoreFailed("records", "away") in heard
        store.problem = None
        assert (await looking).status is JobStatus.SUCCEEDED
        assert view.problem is None


@in_virtual_time()
async def test_who_waits_is_told_when_the_store_stays_away_and_may_go_on(store, reader, heard):
    job = job_id()
    await store.insert(queued(job))
    with reader.view(job) as view:
        await view.next()
        store.problem = StoreUnavailable("away")
        await store.claim(request(job))
        began = asyncio.get_running_loop().time()
        with pytest.raises(StoreUnavailable, match="away"):
            await view.next()
        assert 55 <= asyncio.get_running_loop().time() - began <= 125
        store.problem = None
        assert (await view.next()).status is JobStatus.RUNNING


@in_virtual_time()
async def test_a_result_that_cannot_be_read_for_a_moment_is_read_a_moment_later(store, reader, heard):
    """Also where changes are told, because this one was told of; whoever waits for another job knows nothing of it."""
    late, prompt = job_id(), job_id()
    for job in (late, prompt):
        await store.claim(request(job))
    with reader.view(late) as of_late, reader.view(prompt) as of_prompt:
        await asyncio.gather(of_late.next(), of_prompt.next())
        store.withheld = late
        for job in (late, prompt):
            await end(store, job)
        assert (await asyncio.wait_for(of_prompt.next(), 3)).status is JobStatus.SUCCEEDED
        assert heard[-1].operation == "records"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(of_late.next(), 20)
        store.withheld = None
        assert (await asyncio.wait_for(of_late.next(), 3)).status is JobStatus.SUCCEEDED
    assert heard.count(heard[-1]) < 40


@in_virtual_time(Counted)
@pytest.mark.parametrize("problem", [StoreError("no permission"), ZeroDivisionError("a fault of a store")])
async def test_a_store_that_fails_for_good_is_not_waited_for(store, reader, heard, problem):
    store.problem = problem
    with reader.view(job_id()) as view, pytest.raises(type(problem)):
        await view.next()


@in_virtual_time(Deaf)
async def test_an_ear_that_cannot_be_opened_is_told_and_tried_again(store, reader, heard):
    with reader.view(job_id()) as view:
        await view.next()
        await asyncio.sleep(25)
    assert heard.count(StoreFailed("listen", "no connection")) in (2, 3)


@in_virtual_time(Counted)
async def test_who_still_waits_when_the_app_is_closed_hears_so(store, reader, heard):
    view = reader.view(job_id())
    await view.next()
    looking = asyncio.create_task(view.next())
    await asyncio.sleep(1)
    await reader.__aexit__()
    with pytest.raises(ConfigurationError, match="closed"):
        await looking
    view.close()
    with pytest.raises(ConfigurationError, match="closed"):
        await view.next()


@in_virtual_time(Counted)
async def test_a_view_that_is_forgotten_is_closed(store, reader, heard):
    """``async for`` that is broken off keeps nothing."""
    view = reader.view(job_id())
    await view.next()
    del view
    gc.collect()


@in_virtual_time()
async def test_waiters_that_come_and_go_leave_nothing_behind(store, reader, heard):
    for _ in range(300):
        with reader.view(job_id()) as view:
            await view.next()
            await store.insert(queued())
    await asyncio.sleep(1)
    assert len(reader._schedule) == 0
    assert all(not ear._jobs for ear in store._shelf.ears)


@in_virtual_time()
async def test_memory_is_flat_however_many_have_waited(store, reader, heard):
    """Four times 400 waiters: after the last of them not more is held than after the first, but for their records."""

    async def wait(job):
        with reader.view(job) as view:
            while (record := await view.next()) and not record.status.ended:
                pass

    async def wave():
        ids = [job_id() for _ in range(400)]
        for job in ids:
            await store.claim(request(job))
        waiting = asyncio.gather(*map(wait, ids))
        await asyncio.sleep(10)
        for job in ids:
            await store.change(job, 1, succeed())
        await waiting
        store._shelf.records.clear()
        store.reads.clear()
        await asyncio.sleep(100)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        held = [await wave() for _ in range(4)]
    finally:
        tracemalloc.stop()
    assert held[-1] < held[0] + 100_000, held


@in_virtual_time()
async def test_of_two_who_look_at_one_job_each_sees_all(store, reader, heard):
    job = job_id()
    await store.insert(queued(job))
    with reader.view(job) as one, reader.view(job) as other:
        for view in (one, other):
            assert (await view.next()).status is JobStatus.QUEUED
        await store.claim(request(job))
        await store.change(job, 1, retry())
        for view in (one, other):
            while (await view.next()).status is not JobStatus.RETRYING:
                pass
