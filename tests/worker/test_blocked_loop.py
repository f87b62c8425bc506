"""What happens while a job blocks the event loop: in real time, with the heart in its own thread and short leases."""

from __future__ import annotations

import asyncio
import ctypes
import threading
import time

import pytest
from tests.worker import pills

from sqsjobs import current_job
from sqsjobs import events as ev
from sqsjobs.envelope import encode
from sqsjobs.job import JobStatus
from sqsjobs.outcome import Succeeded, Unstarted
from sqsjobs.store.memory import MemoryStore
from sqsjobs.transport.base import OutgoingMessage

SHORT = 2.0
"""Seconds of the leases here."""


def _sleep(seconds: float) -> None:
    time.sleep(seconds)


def _count(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


@pytest.mark.parametrize("block", [_sleep, _count])
async def test_leases_are_kept_while_a_job_blocks_the_loop_and_the_job_is_named(rig, block):
    """R13 and the seeded bug "heartbeat on the job's loop": the heart has a thread, and the watchdog a stack to show."""

    @rig.task()
    async def blocker() -> None:
        block(2.5 * SHORT)

    @rig.task()
    async def neighbour() -> None:
        await asyncio.sleep(0.1)

    await rig.send(neighbour)
    job_id = await rig.send(blocker)
    async with rig.working(visibility=SHORT):
        await rig.events.wait(ev.JobSettled, count=2)
    assert rig.events.count(ev.JobStarted) == 2
    assert rig.events.count(ev.LeaseEnded) == 0
    assert rig.events.count(ev.HeartbeatSent) >= 3
    blocked = rig.events.of(ev.LoopBlocked)
    assert [event.task for event in blocked] == [f"blocker {job_id}"] * 2  # a warning, and an alarm at a third of it
    assert block.__name__ in blocked[0].stack
    assert "blocker" in blocked[0].stack
    assert 0.1 <= blocked[0].seconds < 0.5
    assert blocked[1].seconds >= SHORT / 3


async def test_a_loop_that_turns_is_not_called_blocked(rig):
    @rig.task()
    async def polite() -> None:
        for _ in range(50):
            await asyncio.sleep(0.01)

    await rig.send(polite)
    async with rig.working(visibility=SHORT):
        await rig.events.wait(ev.JobSettled)
    assert rig.events.count(ev.LoopBlocked) == 0


async def test_a_loop_that_is_blocked_for_too_long_loses_its_leases(rig):
    """R11: a hung worker must not keep its messages for ever; what it finishes late is fenced by the store."""

    @rig.task()
    async def hung() -> None:
        if rig.events.count(ev.JobStarted) == 1:
            time.sleep(3 * SHORT)

    await rig.send(hung)
    async with rig.working(visibility=SHORT, stall_limit=0.5, concurrency=1):
        await rig.events.wait(ev.LeaseEnded)
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete")


async def test_what_arrives_while_the_loop_is_blocked_does_not_start_under_a_lease_that_is_over(rig):
    """Design section 7: lost before the start, so nothing is claimed and no attempt is burnt."""
    blocking = threading.Event()

    @rig.task()
    async def blocker() -> None:
        await asyncio.sleep(0.1)  # by now the next poll is open
        blocking.set()
        time.sleep(2 * SHORT)

    @rig.task()
    async def other() -> None: ...

    job = rig.job(other)

    def send_meanwhile() -> None:
        """Send as another process would: the open poll gets the message while nobody reads its answer."""

        async def send() -> None:
            async with rig.transport.clone() as transport:
                await transport.send("work", [OutgoingMessage(encode(job))])

        blocking.wait()
        asyncio.run(send())

    producer = threading.Thread(target=send_meanwhile)
    producer.start()
    await rig.send(blocker)
    async with rig.working(visibility=SHORT, concurrency=2):
        late = await rig.events.wait(ev.JobSettled, lambda e: e.task == "other")
        assert (type(late.outcome), late.disposition) == (Unstarted, "leave")
        done = await rig.events.wait(ev.JobSettled, lambda e: e.task == "other", count=2)
        assert isinstance(done.outcome, Succeeded)
    producer.join()
    assert (await rig.record(job.id)).attempts == 1


# C code that lets no other thread run: not even the heart's -----------------------------------------------


class Recording(MemoryStore):
    """Counts the ends that it takes."""

    ends = 0

    async def change(self, job_id, epoch, change):
        changed = await super().change(job_id, epoch, change)
        self.ends += changed and change.status.ended
        return changed


async def test_code_that_holds_the_interpreter_may_lose_its_lease_and_is_completed_once_all_the_same(rig):
    """R14: nothing of the process runs meanwhile, so the lease ends; what comes of it is compared with the claim."""

    @rig.task()
    async def greedy() -> None:
        if current_job().attempt == 1:
            ctypes.PyDLL(None).poll(None, 0, int(2.5 * SHORT * 1000))
        await asyncio.sleep(0.2)

    job_id = await rig.send(greedy)
    async with Recording(clock=rig.clock) as store, rig.working(store=store, visibility=SHORT):
        await rig.events.wait(ev.JobSettled, lambda e: e.disposition == "delete")
        record = await store.get(job_id)
    assert record is not None
    assert record.status is JobStatus.SUCCEEDED
    assert store.ends == 1
    assert rig.messages() == []


async def test_a_child_process_that_holds_its_interpreter_keeps_its_lease(rig):
    """R14: the heart beats in the parent, which is why such code belongs into one."""
    rig.know(pills.holds_the_interpreter)
    await rig.send(pills.holds_the_interpreter, seconds=2.5 * SHORT)
    async with rig.working(visibility=SHORT):
        await rig.events.wait(ev.JobSettled)
    assert rig.events.count(ev.JobStarted) == 1
    assert rig.events.count(ev.LeaseEnded) == 0
    assert rig.events.count(ev.HeartbeatSent) >= 3
