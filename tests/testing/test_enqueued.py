"""What was enqueued: assertions written as the call was, and messages that say what came instead."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, timedelta
from unittest.mock import ANY

import pytest

from sqsjobs import App, InvalidArguments
from sqsjobs.errors import ConfigurationError
from sqsjobs.testing import MemoryApp
from sqsjobs.transport.base import OutgoingMessage


@dataclass
class Thumb:
    key: str
    day: date


app = App("thumbs")
invoice = app.remote("billing.invoice", queue="billing")


@app.task(queue="images")
async def resize(thumb: Thumb, width: int = 200, tags: list[str] = []) -> None: ...  # noqa: B006 - a default as users write it


@app.task(queue="orders.fifo")
async def order(number: int) -> None: ...


THUMB = Thumb("a.png", date(2026, 1, 31))


@pytest.fixture
async def jobs() -> AsyncIterator[MemoryApp]:
    async with MemoryApp(app) as jobs:
        yield jobs


async def test_arguments_match_by_position_by_name_and_by_default(jobs: MemoryApp) -> None:
    handle = await resize.enqueue(THUMB, tags=["x"])
    job = jobs.assert_enqueued(resize, THUMB, 200, tags=["x"])
    assert job.id == handle.id
    assert job.arguments == {"thumb": THUMB, "width": 200, "tags": ["x"]}
    jobs.assert_enqueued(resize)
    jobs.assert_enqueued(resize, thumb=ANY, width=200)
    jobs.assert_enqueued(resize, tags=("x",))
    jobs.assert_not_enqueued(resize, width=201)
    jobs.assert_not_enqueued(resize, Thumb("b.png", THUMB.day))


async def test_options_match_where_the_test_gives_them(jobs: MemoryApp) -> None:
    await resize.using(delay=timedelta(seconds=90.5), headers={"a": "1", "b": "2"}, queue="urgent").enqueue(THUMB)
    await order.using(group="customer-7").enqueue(1)
    jobs.assert_enqueued(resize.using(delay=90.5))
    jobs.assert_enqueued(resize.using(headers={"a": "1"}))
    jobs.assert_enqueued(resize.using(queue="urgent"), THUMB)
    jobs.assert_not_enqueued(resize.using(delay=60))
    jobs.assert_not_enqueued(resize.using(headers={"a": "2"}))
    jobs.assert_not_enqueued(resize.using(queue="slow"))
    jobs.assert_enqueued(order.using(group="customer-7"), 1)
    jobs.assert_not_enqueued(order.using(group="customer-8"))


async def test_jobs_are_counted_and_kept_in_order_after_they_ran(jobs: MemoryApp) -> None:
    await app.enqueue_many(order.using(group="g").call(number) for number in range(25))
    await jobs.drain()
    assert [job.arguments["number"] for job in jobs.enqueued(order)] == list(range(25))
    assert len(jobs.assert_enqueued_times(25, order)) == 25
    with pytest.raises(AssertionError, match=r"order\(number=3\) was enqueued 1 times, not 2"):
        jobs.assert_enqueued_times(2, order, 3)
    with pytest.raises(AssertionError, match=r"(?s)order\(…\) was enqueued 25 times, not 1.*and 5 more"):
        jobs.assert_enqueued(order)


async def test_a_task_whose_code_is_elsewhere_matches_by_name(jobs: MemoryApp) -> None:
    await invoice.enqueue(customer="ada", total=12)
    assert jobs.assert_enqueued(invoice, customer="ada").queue == "billing"
    jobs.assert_not_enqueued(invoice, customer="bob")
    assert not (await jobs.drain()).jobs  # its queue is another program's


async def test_a_failed_assertion_lists_what_was_enqueued_the_tasks_own_first(jobs: MemoryApp) -> None:
    with pytest.raises(AssertionError, match=r"resize\(…\) was not enqueued, nor was anything else"):
        jobs.assert_enqueued(resize)
    await order.using(group="g").enqueue(1)
    await resize.using(delay=5, headers={"tenant": "7"}).enqueue(THUMB)
    with pytest.raises(AssertionError) as failure:
        jobs.assert_enqueued(resize.using(delay=30), width=90)
    assert str(failure.value).splitlines() == [
        "resize(width=90, …), delayed by 30 s was not enqueued. These were:",
        f"  resize(thumb={THUMB!r}, width=200, tags=[]), on queue 'images', delayed by 5 s, with headers {{'tenant': '7'}}",
        "  order(number=1), on queue 'orders.fifo', in group 'g'",
    ]


async def test_what_no_job_could_have_is_refused(jobs: MemoryApp) -> None:
    with pytest.raises(InvalidArguments, match="widht"):
        jobs.assert_not_enqueued(resize, widht=200)
    with pytest.raises(ConfigurationError, match="deduplicated"):
        jobs.assert_enqueued(resize.using(unique="a"))


async def test_messages_written_by_hand_are_no_obstacle(jobs: MemoryApp) -> None:
    wrong = '{"sqsjobs": 1, "task": "resize", "id": "0123456789abcdef", "args": {"width": "wide"}}'
    smallest = OutgoingMessage('{"sqsjobs": 1, "task": "billing.invoice", "args": {"total": 1}}')
    await app.transport.send("images", [OutgoingMessage("not JSON"), OutgoingMessage(wrong), smallest, smallest])
    assert jobs.assert_enqueued(resize).arguments == {"width": "wide"}
    jobs.assert_enqueued_times(2, invoice, total=1)
    assert len(jobs.enqueued()) == 3


def test_what_was_enqueued_without_an_event_loop_counts_too() -> None:
    with MemoryApp(app) as jobs:
        resize.enqueue_sync(THUMB)
        jobs.assert_enqueued(resize, THUMB)
