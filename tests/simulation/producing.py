"""The producer's machine: enqueues the jobs of a scenario through the app, and notes what it was told of each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from tests.simulation.ledger import Ledger
from tests.simulation.loop import Machine
from tests.simulation.scenario import Foreign, Play, Scenario
from tests.simulation.stage import APP, NEW_TASKS

from sqsjobs.app.plan import Plan
from sqsjobs.errors import EnqueueManyError, EnqueueUncertain, SqsJobsError, StoreError
from sqsjobs.job import Call, JobId
from sqsjobs.store.base import JobStore
from sqsjobs.transport.base import OutgoingMessage, SendResult, Sent, Transport

__all__ = ["produce"]


async def produce(
    scenario: Scenario, machine: Machine, transport: Transport, store: JobStore | None, ledger: Ledger, random: Random
) -> None:
    """Enqueue all jobs at their times: single ones by themselves, what comes at one time in bulk; and foreign messages."""

    def plan(before: Plan) -> Plan:
        return replace(
            before, transport=transport, store=store, tracking=scenario.tracking, clock=machine.clock, observers=()
        )

    with APP.replanned(plan):
        async with APP, asyncio.TaskGroup() as sends:
            for foreign in scenario.foreign:
                sends.create_task(_send_foreign(foreign, transport, ledger))
            for plays in _in_bulks(scenario, random):
                sends.create_task(_enqueue(plays, ledger))
            if store is not None:
                for at, number in scenario.cancellations:
                    sends.create_task(_cancel(at, number, store, machine, ledger))


def _in_bulks(scenario: Scenario, random: Random) -> Iterator[list[Play]]:
    """Yield the jobs that are enqueued together; on FIFO all of one time, since only then is their order defined."""
    for at in sorted({play.at for play in scenario.plays}):
        together = [play for play in scenario.plays if play.at == at]
        if scenario.fifo or random.random() < scenario.bulk:
            yield together
        else:
            yield from ([play] for play in together)


async def _enqueue(plays: Sequence[Play], ledger: Ledger) -> None:
    await asyncio.sleep(plays[0].at)
    numbers = [play.number for play in plays]
    calls = [_call(play) for play in plays]
    try:
        handles = [await APP.send_call(calls[0])] if len(plays) == 1 else await APP.enqueue_many(calls)
    except EnqueueManyError as error:
        _note_each(numbers, error, ledger)
    except EnqueueUncertain as error:
        _note(numbers[0], "uncertain", error.job_id, ledger)
    except SqsJobsError as error:
        _note(numbers[0], "rejected", getattr(error, "job_id", None) or "", ledger)
    else:
        for number, handle in zip(numbers, handles, strict=True):
            _note(number, "accepted", handle.id, ledger)


async def _cancel(at: float, number: int, store: JobStore, machine: Machine, ledger: Ledger) -> None:
    """Cancel a job, as a user does who asks again where no answer comes."""
    await asyncio.sleep(at)
    _, job_id = ledger.answers.get(number, ("", ""))
    while job_id:
        try:
            record = await store.cancel(JobId(job_id), machine.clock.wall())
        except StoreError:
            await asyncio.sleep(1)
        else:
            ledger.counts["cancelled"] += 1
            status = record.status.value if record else "unknown"
            ledger.tell("producer", f"job {number} is cancelled by its user, and is {status}", job_id)
            return


def _call(play: Play) -> Call[Any]:
    task = NEW_TASKS.get(play.task)
    assert task is not None
    return task.using(queue=play.queue, delay=play.delay, group=play.group).call(number=play.number)


def _note_each(numbers: Sequence[int], error: EnqueueManyError, ledger: Ledger) -> None:
    """I13: the account of an `enqueue_many` has every call in one of its lists."""
    failed = {call.index for call in error.rejected} | {call.index for call in error.uncertain}
    accepted = [number for place, number in enumerate(numbers) if place not in failed]
    if len(accepted) != len(error.accepted):
        ledger.break_("I13", f"{len(numbers)} calls got {len(error.accepted) + len(failed)} outcomes")
    for number, handle in zip(accepted, error.accepted, strict=False):
        _note(number, "accepted", handle.id, ledger)
    for rejected in error.rejected:
        _note(numbers[rejected.index], "rejected", rejected.job_id, ledger)
    for uncertain in error.uncertain:
        _note(numbers[uncertain.index], "uncertain", uncertain.job_id, ledger)


def _note(number: int, outcome: str, job_id: str, ledger: Ledger) -> None:
    if number in ledger.answers:
        ledger.break_("I13", f"job {number} has two outcomes", job_id)
    ledger.answers[number] = (outcome, job_id)
    ledger.call_it(job_id, f"j{number}")
    ledger.counts[f"{outcome} sends"] += 1
    ledger.tell("producer", f"job {number} is {outcome}", job_id)


async def _send_foreign(foreign: Foreign, transport: Transport, ledger: Ledger) -> None:
    """Send what no app of ours has sent, until SQS has it."""
    await asyncio.sleep(foreign.at)
    fifo = foreign.queue.endswith(".fifo")
    message = OutgoingMessage(
        foreign.body, group="foreign" if fifo else None, deduplication_id=f"{foreign.at:.6f}" if fifo else None
    )
    result: SendResult | None
    while True:
        try:
            (result,) = await transport.send(foreign.queue, [message])
        except SqsJobsError:
            result = None
        if isinstance(result, Sent):
            ledger.tell("producer", f"a foreign message is accepted: {foreign.body}", result.message_id)
            return
        await asyncio.sleep(1)
