"""Whole lives under weather: several workers that come and go, and an SQS in which everything goes wrong now and then.

Virtual time and seeded chance, so a seed that fails, fails again. What must hold whatever happens: no job is
lost, none completes twice, no two runs of a job overlap.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import Any

import pytest
from tests.worker.rig import LOST, UNAVAILABLE, Rig
from tests.worker.virtual import virtually

from sqsjobs import Discard, Reject, Retry, RetryAfter, Snooze, current_job, exponential
from sqsjobs import events as ev
from sqsjobs.job import JobStatus
from sqsjobs.transport.model import Fault, Refusal

JOBS = 80
GONE = Refusal("ReceiptHandleIsInvalid", "The receipt handle has expired.")


class Weather:
    """Lets a share of all calls go wrong, each in one of the ways in which it can."""

    def __init__(self, random: Random, share: float) -> None:
        self._random = random
        self.share = share
        self.kinds: Counter[str] = Counter()

    def __call__(self, operation: str, queue: str | None) -> Fault | None:
        if operation == "GetQueueAttributes" or self._random.random() >= self.share:
            return None
        kind = self._random.choice(["before", "no answer", "after", "slow", "partial", "throttled", "special"])
        self.kinds[f"{operation} {kind}"] += 1
        match kind:
            case "before":
                return Fault(before=UNAVAILABLE)
            case "no answer":
                return Fault(before=LOST)
            case "after":
                return Fault(after=LOST)
            case "slow":
                return Fault(delay=self._random.uniform(0.1, 6))
            case "throttled":
                return Fault(before=Refusal("RequestThrottled", "slow down"))
            case "partial":
                wrong = UNAVAILABLE if self._random.random() < 0.8 or operation.startswith("Send") else GONE
                return Fault(entries={self._random.randrange(4): wrong})
            case _:
                fifo = queue is not None and queue.endswith(".fifo")
                return Fault(
                    duplicate=operation == "ReceiveMessage" and not fifo, resurrect=operation.startswith("Del")
                )


class Ledger:
    """What ran when, and what was completed."""

    def __init__(self) -> None:
        self.running: set[str] = set()
        self.runs: Counter[str] = Counter()
        self.overlaps: list[str] = []

    def enter(self, job_id: str) -> None:
        if job_id in self.running:
            self.overlaps.append(job_id)
        self.running.add(job_id)
        self.runs[job_id] += 1


def declare(rig: Rig, ledger: Ledger, random: Random, queue: str):
    @rig.task(name=f"on.{queue}", queue=queue, retry=Retry(max_attempts=30, backoff=exponential(1, 20)))
    async def job(n: int) -> str:
        job_id = current_job().id
        ledger.enter(job_id)
        try:
            await asyncio.sleep(random.choice([0, 0.1, 1, 5, 30]))
            match random.random():
                case chance if chance < 0.10:
                    raise ValueError(n)
                case chance if chance < 0.14:
                    raise Snooze(3)
                case chance if chance < 0.18:
                    raise RetryAfter(4)
                case chance if chance < 0.20:
                    raise Discard("enough")
                case chance if chance < 0.22:
                    raise Reject("never")
            return job_id
        finally:
            ledger.running.discard(job_id)

    return job


async def come_and_go(rig: Rig, random: Random, name: str, weather: Weather) -> None:
    """Be a worker that is deployed anew again and again, gracefully or not, while there is weather."""
    deploys = 0
    while weather.share:
        deploys += 1
        options: dict[str, Any] = {"visibility": 20, "grace": 8, "fifo_receive": 3, "concurrency": 6, "wait": 5}
        worker = rig.worker("work", "work.fifo", name=f"{name}.{deploys}", seed=random.randrange(99), **options)
        running = asyncio.ensure_future(worker.run())
        await asyncio.sleep(random.uniform(5, 60))
        for _ in range(random.choice([1, 1, 2])):
            worker.stop()
        await running


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("seed", range(4))
@virtually
async def test_no_weather_loses_a_job(rig, seed, stored):
    """I1, I2, I4, I15, I19."""
    random, ledger = Random(seed), Ledger()
    if not stored:
        rig.store = None
    tasks = [declare(rig, ledger, random, queue) for queue in ("work", "work.fifo")]
    ids = set()
    for n in range(JOBS):
        task = tasks[n % 2]
        ids.add(await rig.send(task, n=n, group=f"g{n % 5}" if n % 2 else None))
    weather = rig.sqs.faults = Weather(random, share=0.12)
    workers = [asyncio.ensure_future(come_and_go(rig, random, f"w{n}", weather)) for n in range(3)]
    await asyncio.sleep(200)
    weather.share = 0.0
    await asyncio.gather(*workers)
    async with rig.working("work", "work.fifo", name="last", visibility=20):
        async with asyncio.timeout(7200):
            while rig.messages() or rig.messages("work.fifo"):
                await asyncio.sleep(5)
    assert sum(weather.kinds.values()) > 25
    assert ids == ledger.runs.keys()
    assert not rig.events.of(ev.SettleFailed, lambda e: e.disposition == "leave")
    dead = {annotation.job_id for queue in ("work-dlq", "work-dlq.fifo") for _, annotation in rig.dead_letters(queue)}
    if stored:
        assert ledger.overlaps == []
        for job_id in ids:
            record = await rig.record(job_id)
            assert record.status.ended, job_id
            assert (record.status is JobStatus.FAILED) == record.dead_lettered == (job_id in dead)
            assert record.status is not JobStatus.SUCCEEDED or record.result == f'"{job_id}"'.encode()
    deleted = {event.job_id for event in rig.events.of(ev.JobSettled) if event.disposition == "delete"}
    assert ids == (deleted | dead) - {None}  # None: deleted once more, unread
