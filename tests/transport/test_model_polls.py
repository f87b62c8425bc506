"""Long polls on the model: who wakes them, who is served first, what becomes of those whose caller has gone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
from tests.transport.model_world import ManualClock

from sqsjobs.errors import QueueNotFound
from sqsjobs.transport.base import Delivery, OutgoingMessage
from sqsjobs.transport.memory import MemorySQS, MemoryTransport
from sqsjobs.transport.model import NewMessage


@pytest.fixture
async def transport() -> AsyncIterator[MemoryTransport]:
    async with MemoryTransport() as transport:
        transport.sqs.create_queue("jobs")
        transport.sqs.create_queue("jobs.fifo")
        yield transport


def messages(*bodies: str, group: str | None = None) -> list[OutgoingMessage]:
    return [OutgoingMessage(body, group=group, deduplication_id=group and body) for body in bodies]


async def opened(*polls: asyncio.Task[list[Delivery]]) -> None:
    """Wait until the polls, just created, are open: each opens in its first step."""
    await asyncio.sleep(0)
    assert not any(poll.done() for poll in polls)


def poll(
    transport: MemoryTransport, queue: str = "jobs", *, limit: int = 10, wait: float = 20, visibility: float = 30
) -> asyncio.Task[list[Delivery]]:
    return asyncio.create_task(transport.receive(queue, limit=limit, wait=wait, visibility=visibility))


def bodies(deliveries: list[Delivery]) -> list[str]:
    return [delivery.body for delivery in deliveries]


# What wakes a poll ------------------------------------------------------------------------------------


async def test_a_send_wakes_a_poll(transport: MemoryTransport) -> None:
    waiting = poll(transport)
    await opened(waiting)
    await transport.send("jobs", messages("a", "b"))
    assert bodies(await waiting) == ["a", "b"]


async def test_the_end_of_a_delay_wakes_a_poll(transport: MemoryTransport) -> None:
    waiting = poll(transport)
    await opened(waiting)
    with transport.sqs.use() as model:
        model.sending.send("jobs", NewMessage("later", delay=0.05))
    assert bodies(await waiting) == ["later"]


async def test_the_end_of_a_visibility_timeout_wakes_a_poll(transport: MemoryTransport) -> None:
    await transport.send("jobs", messages("a"))
    await transport.receive("jobs", limit=1, wait=0, visibility=0.05)
    (delivery,) = await poll(transport)
    assert delivery.receive_count == 2


async def test_a_shortened_visibility_wakes_a_poll_in_time(transport: MemoryTransport) -> None:
    """The poll was waiting for an end that was moved."""
    await transport.send("jobs", messages("a"))
    (delivery,) = await transport.receive("jobs", limit=1, wait=0, visibility=100)
    waiting = poll(transport)
    await opened(waiting)
    await transport.change_visibility("jobs", [(delivery.receipt_handle, 0.05)])
    assert bodies(await waiting) == ["a"]


async def test_a_release_wakes_a_poll(transport: MemoryTransport) -> None:
    """R6: visibility 0."""
    await transport.send("jobs", messages("a"))
    (delivery,) = await transport.receive("jobs", limit=1, wait=0, visibility=100)
    waiting = poll(transport)
    await opened(waiting)
    await transport.change_visibility("jobs", [(delivery.receipt_handle, 0)])
    assert bodies(await waiting) == ["a"]


async def test_a_delete_that_opens_a_group_wakes_a_poll(transport: MemoryTransport) -> None:
    await transport.send("jobs.fifo", messages("1", "2", group="g"))
    (delivery,) = await transport.receive("jobs.fifo", limit=1, wait=0, visibility=100)
    waiting = poll(transport, "jobs.fifo")
    await opened(waiting)
    await transport.delete("jobs.fifo", [delivery.receipt_handle])
    assert bodies(await waiting) == ["2"]


async def test_a_delete_that_makes_room_wakes_a_poll() -> None:
    """R62: the queue had as many messages in flight as it can."""
    async with MemoryTransport(MemorySQS(max_in_flight=1), create_missing=True) as transport:
        await transport.send("jobs", messages("a", "b"))
        (delivery,) = await transport.receive("jobs", limit=10, wait=0, visibility=100)
        waiting = poll(transport)
        await opened(waiting)
        await transport.delete("jobs", [delivery.receipt_handle])
        assert bodies(await waiting) == ["b"]


async def test_a_dead_letter_wakes_a_poll_on_the_dead_letter_queue(transport: MemoryTransport) -> None:
    transport.sqs.create_queue("work", dead_letter_queue="dead", max_receive_count=1)
    await transport.send("work", messages("a"))
    await transport.receive("work", limit=1, wait=0, visibility=0)
    waiting = poll(transport, "dead")
    await opened(waiting)
    assert await transport.receive("work", limit=1, wait=0, visibility=0) == []
    assert bodies(await waiting) == ["a"]


async def test_a_poll_ends_empty_when_its_wait_is_over(transport: MemoryTransport) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    assert await transport.receive("jobs", limit=1, wait=0.1, visibility=30) == []
    assert 0.1 <= loop.time() - started < 5


async def test_an_alarm_that_rings_before_its_time_is_set_again() -> None:
    """Timers are the event loop's, deadlines the clock's; the two need not agree to the nanosecond."""
    clock = ManualClock()
    async with MemoryTransport(MemorySQS(clock=clock), create_missing=True) as transport:
        patient, hasty = poll(transport, wait=20), poll(transport, wait=0.02)
        await opened(patient, hasty)
        await asyncio.sleep(0.05)
        assert not hasty.done()
        clock.time += 0.02
        assert await asyncio.wait_for(hasty, timeout=10) == []
        transport.sqs.end_polls()
        assert await patient == []


async def test_deleting_the_queue_ends_its_polls(transport: MemoryTransport) -> None:
    """R61."""
    waiting = poll(transport)
    await opened(waiting)
    with transport.sqs.use() as model:
        model.account.delete("jobs")
    with pytest.raises(QueueNotFound):
        await waiting


async def test_an_injected_clock_is_looked_at_on_every_tick() -> None:
    clock = ManualClock()
    async with MemoryTransport(MemorySQS(clock=clock), create_missing=True) as transport:
        await transport.send("jobs", [OutgoingMessage("later", delay=10)])
        waiting, patient = poll(transport, wait=20), poll(transport, "others", wait=20)
        await opened(waiting, patient)
        clock.time += 10
        transport.sqs.tick()
        assert bodies(await waiting) == ["later"]
        clock.time += 10
        transport.sqs.tick()
        assert await patient == []


# Who is served ----------------------------------------------------------------------------------------


async def test_twenty_polls_share_twenty_messages(transport: MemoryTransport) -> None:
    polls = [poll(transport) for _ in range(20)]
    await opened(*polls)
    for half in (range(10), range(10, 20)):
        await transport.send("jobs", messages(*map(str, half)))
    shares = await asyncio.gather(*polls)
    assert [len(share) for share in shares] == [1] * 20


async def test_what_comes_at_once_is_shared_evenly(transport: MemoryTransport) -> None:
    polls = [poll(transport) for _ in range(3)]
    await opened(*polls)
    await transport.send("jobs", messages(*map(str, range(10))))
    assert [len(share) for share in await asyncio.gather(*polls)] == [4, 3, 3]


async def test_the_first_to_come_is_the_first_served(transport: MemoryTransport) -> None:
    polls = [poll(transport, limit=1) for _ in range(3)]
    await opened(*polls)
    for number, waiting in enumerate(polls):
        await transport.send("jobs", messages(str(number)))
        assert bodies(await waiting) == [str(number)]


async def test_a_newcomer_does_not_overtake(transport: MemoryTransport) -> None:
    """Not even where time has shown a message of which the waiting poll was not yet told."""
    clock = ManualClock()
    async with MemoryTransport(MemorySQS(clock=clock), create_missing=True) as transport:
        await transport.send("jobs", [OutgoingMessage("later", delay=10)])
        waiting = poll(transport, wait=20)
        await opened(waiting)
        clock.time += 10
        assert await transport.receive("jobs", limit=1, wait=0, visibility=30) == []
        assert bodies(await waiting) == ["later"]


async def test_the_polls_that_stay_go_on_watching_the_time(transport: MemoryTransport) -> None:
    """The first poll, which was watching for the end of a delay, is served and leaves."""
    first, second = poll(transport, limit=1), poll(transport, limit=1)
    await opened(first, second)
    with transport.sqs.use() as model:
        model.sending.send("jobs", NewMessage("later", delay=0.1))
    await transport.send("jobs", messages("now"))
    assert bodies(await first) == ["now"]
    assert bodies(await second) == ["later"]


# Callers that have gone -------------------------------------------------------------------------------


async def test_a_cancelled_poll_goes_on_and_hides_what_it_finds(transport: MemoryTransport) -> None:
    """R5: as at SQS; the message is in flight to nobody, and its receive counts."""
    waiting = poll(transport, visibility=0.1)
    await opened(waiting)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await transport.send("jobs", messages("a"))
    described = await transport.describe("jobs")
    assert (described.visible, described.in_flight) == (0, 1)
    (delivery,) = await transport.receive("jobs", limit=1, wait=5, visibility=30)
    assert (delivery.body, delivery.receive_count) == ("a", 2)


async def test_a_cancelled_poll_is_over_when_its_wait_is() -> None:
    clock = ManualClock()
    async with MemoryTransport(MemorySQS(clock=clock), create_missing=True) as transport:
        waiting = poll(transport, wait=10)
        await opened(waiting)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        clock.time += 10
        await transport.send("jobs", messages("a"))
        assert bodies(await transport.receive("jobs", limit=1, wait=0, visibility=30)) == ["a"]


async def test_a_cancelled_poll_goes_on_watching_the_time_for_those_behind_it(transport: MemoryTransport) -> None:
    cancelled, waiting = poll(transport, limit=1, visibility=100), poll(transport, limit=1)
    await opened(cancelled, waiting)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    with transport.sqs.use() as model:
        for body in ("to nobody", "to us"):
            model.sending.send("jobs", NewMessage(body, delay=0.05))
    assert bodies(await waiting) == ["to us"]


async def test_polls_wait_in_the_loops_of_several_threads(transport: MemoryTransport) -> None:
    received: list[str] = []
    is_open = threading.Event()

    async def consume() -> None:
        async with transport.clone() as clone:
            waiting = poll(clone)
            await opened(waiting)
            is_open.set()
            received.extend(bodies(await waiting))

    thread = threading.Thread(target=lambda: asyncio.run(consume()))
    thread.start()
    await asyncio.to_thread(is_open.wait)
    await transport.send("jobs", messages("from another loop"))
    await asyncio.to_thread(thread.join)
    assert received == ["from another loop"]


async def test_a_closed_loop_does_not_keep_the_others_from_watching(transport: MemoryTransport) -> None:
    """The first poll's loop is gone: it hides one message more, and the next poll watches the time."""
    with transport.sqs.use() as model:
        for body in ("to nobody", "to us"):
            model.sending.send("jobs", NewMessage(body, delay=0.3))

    async def abandon() -> None:
        async with transport.clone() as clone:
            await opened(poll(clone, limit=1, visibility=100))

    await asyncio.to_thread(lambda: asyncio.run(abandon()))
    assert bodies(await asyncio.wait_for(poll(transport, limit=1), timeout=10)) == ["to us"]
    assert (await transport.describe("jobs")).in_flight == 2


async def test_many_threads_lose_and_double_nothing(transport: MemoryTransport) -> None:
    total, got = 300, []

    async def consume(clone: MemoryTransport) -> None:
        async with clone:
            while deliveries := await clone.receive("jobs", limit=10, wait=0.5, visibility=100):
                got.extend(bodies(deliveries))
                await clone.delete("jobs", [it.receipt_handle for it in deliveries])

    def thread() -> None:
        asyncio.run(consume(transport.clone()))

    threads = [asyncio.create_task(asyncio.to_thread(thread)) for _ in range(4)]
    for start in range(0, total, 10):
        await transport.send("jobs", messages(*map(str, range(start, start + 10))))
        await asyncio.sleep(0)
    await asyncio.gather(*threads)
    assert sorted(got, key=int) == [str(n) for n in range(total)]
