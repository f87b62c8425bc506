"""Jobs that kill the process they run in, between jobs that do not (R10, I11)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby

from tests.chaos import app as jobs
from tests.chaos.checker import WRITTEN
from tests.chaos.field import Field
from tests.chaos.ledger import Ledger, Run

__all__ = ["pills"]

MATES = 15
CRASH_LIMIT = 3
WAYS = ("kill", "segfault", "exit", "abort", "memory")
MEMORY = 3 * 1024**3
"""Bytes of address space that a worker has, so that a job which takes all there is meets an end."""


async def pills(field: Field, size: int) -> dict[str, object]:
    """Send `size` pills, in groups of as many as there are ways to die, each pill with its mates.

    Each group has a supervisor of its own: one whose processes die again and again takes longer and longer to replace
    them, up to half a minute. What takes all memory is alone with its mates: in a process without memory nobody can say
    any more whose child has died of what. It kills its process when there is no more, as the kernel would; the limit of
    ours only spares the machine.
    """
    ways: dict[int, str] = {}
    slowest = 0.0
    for _, group in groupby(field.steps(size), key=_group):
        worker = await field.worker("--processes", "2", memory=MEMORY)
        for n in group:
            await _send(field, ways, WAYS[n % len(WAYS)])
        slowest = max(slowest, await field.drained(within=60))
        worker.stop()
        await worker.ended(within=60)
    return {
        "pills": dict(Counter(ways.values())),
        "slowest convergence of a group (s)": round(slowest, 1),
        **await _contained(field, ways),
    }


def _group(n: int) -> tuple[int, bool]:
    return n // len(WAYS), WAYS[n % len(WAYS)] == "memory"


async def _send(field: Field, ways: dict[int, str], way: str) -> None:
    ways[number := next(field.numbers)] = way
    await field.send_one(jobs.pill.call(number, way))
    await field.send([jobs.work.call(next(field.numbers), 0.2) for _ in range(MATES)])


async def _contained(field: Field, ways: dict[int, str]) -> dict[str, object]:
    """I11: each pill was started as often as it may be, and is a dead letter for just that; its mates are not."""
    ledger, checked = await field.judged()
    starts = Counter(run.number for run in _blamed(ledger, ways))
    for number, way in ways.items():
        if not 1 <= starts[number] <= CRASH_LIMIT:
            raise AssertionError(f"I11: the pill {way!r} (number {number}) was started {starts[number]} times")
    letters = {letter.job: letter.reason for letter in await field.letters()}
    if letters != {ledger.ids[number]: "crash-limit" for number in ways}:
        raise AssertionError(f"I11: {len(ways)} pills, and these dead letters: {dict(checked.dead_lettered)}")
    return {"dead letters": dict(checked.dead_lettered)}


def _blamed(ledger: Ledger, ways: dict[int, str]) -> Iterator[Run]:
    """Yield the runs of the pills, but those alone in a child whose worker died of another pill before it could tell."""
    for run in (run for runs in ledger.runs.values() for run in runs if run.number in ways):
        death = ledger.deaths.get(run.worker) if run.worker != run.pid else None
        if death is None or not run.start <= death.at <= run.start + WRITTEN:
            yield run
