"""A rogue producer: ten bad messages for every good one, made to fill logs, metrics and dead-letter queues."""

from __future__ import annotations

import asyncio
import json
from itertools import cycle

from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs
from tests.sealing.samples import NEW, sealing
from tests.worker.rig import Rig
from tests.worker.virtual import virtually

from sqsjobs import events as ev
from sqsjobs.job import new_job_id
from sqsjobs.observability.floodgate import Floodgate
from sqsjobs.observability.logs import LogObserver
from sqsjobs.observability.metrics import MetricsObserver

GOOD, BAD_EACH = 1000, 10
STEERING = "\r\n\x1b[2J2027-01-01 forged line\u202e"


def bad_bodies():
    """Bodies that are wrong in every way, and that say something new each time."""
    for n in cycle(range(10_000_000)):
        name = f"{STEERING}{n}"
        yield from (
            f"no JSON \u202e{n}",
            json.dumps({"sqsjobs": 1, "task": name}),
            json.dumps({"sqsjobs": 1, "task": "work", "args": {name: 1}, "id": new_job_id()}),
            json.dumps({"sqsjobs": 2, "header": name, "content": ""}),
            "[" * 500,
        )


async def waits_of_good_jobs(rig: Rig, queue: str, *, bad: int, good: int = GOOD) -> list[float]:
    """Send good jobs, each with some bad messages before it, to a worker; return how long each good one waited."""
    layers = sealing(NEW, clock=rig.clock, require_signature=False)
    bodies = bad_bodies()
    task = rig.registry.get("work")
    assert task is not None
    jobs = set()
    async with rig.working(queue, sealing=layers, name=queue):
        for n in range(good):
            for _ in range(bad):
                await rig.send_body(next(bodies), queue=queue)
            job = rig.job(task, queue=queue, n=n)
            jobs.add(job.id)
            await rig.send_body(await layers.seal(job), queue=queue)
            await asyncio.sleep(0.05)
        await rig.events.wait(ev.JobSettled, lambda event: event.job_id in jobs, count=good)
    return sorted(event.waited for event in rig.events.of(ev.JobStarted, lambda event: event.job.id in jobs))


@virtually
async def test_a_flood_of_poison_harms_nobody(rig):
    """S18: ten thousand bad messages among a thousand good jobs, which wait no longer; bad ones are dead-lettered without a
    retry, and lines are few; S14, S19: whatever they say. In virtual time, in which waits can be compared on any machine.
    """

    @rig.task(name="work")
    async def work(n: int) -> None:
        await asyncio.sleep(0.1)

    alone = await waits_of_good_jobs(rig, "other", bad=0)
    before = len(rig.events.all)
    amid = await waits_of_good_jobs(rig, "work", bad=BAD_EACH)
    assert len(amid) == GOOD
    assert amid[GOOD * 99 // 100] <= 2 * alone[GOOD * 99 // 100] + 0.05

    flood = rig.events.all[before:]
    settled = [event for event in flood if isinstance(event, ev.JobSettled)]
    assert len({event.message_id for event in settled}) == len(settled) == GOOD * (1 + BAD_EACH)
    assert {annotation.reason for _, annotation in rig.dead_letters()} == {
        "invalid-envelope",
        "invalid-arguments",
        "over-limit",
    }
    assert len(list(rig.dead_letters())) == GOOD * BAD_EACH

    with capture_logs() as lines:
        observe = LogObserver(floodgate=Floodgate(now=lambda: 0.0))
        for event in flood:
            observe(event)
    complaints = [line for line in lines if line["log_level"] == "warning"]
    assert 0 < len(complaints) <= 10 * 2 * 4
    assert all(len(str(value)) < 1000 for line in complaints for value in line.values())


@virtually
async def test_a_flood_makes_no_metrics(rig):
    """S19: after a thousand bad messages the number of time series is that of the first hundred."""

    @rig.task(name="work")
    async def work(n: int) -> None: ...

    await waits_of_good_jobs(rig, "work", bad=1, good=100)
    registry = CollectorRegistry()
    observe = MetricsObserver({"work"}, {"work", "work-dlq"}, registry)

    def series() -> int:
        for event in rig.events.all:
            observe(event)
        return sum(len(family.samples) for family in registry.collect())

    few = series()
    await waits_of_good_jobs(rig, "work", bad=BAD_EACH, good=100)
    assert series() == few
