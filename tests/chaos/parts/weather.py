"""Every kind of fault strikes every operation, while jobs are sent, received, prolonged, retried and deleted (R59)."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from tests.chaos import app as jobs
from tests.chaos.field import Field

from sqsjobs.job import Call
from sqsjobs.local.mishaps import KINDS

__all__ = ["rules", "weather"]

OPERATIONS: Final = ("SendMessageBatch", "ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch")
LEASE: Final = 6
SHARE: Final = 0.3
"""Of all calls that are struck."""
WEIGHTS: Final = {"half-open-before": 0.1, "half-open-after": 0.1, "too-large": 0.05, "expired-token": 0.5}
"""Kinds that cost seconds, or megabytes, are rarer; the others have 1."""
SECONDS: Final = {"latency": 0.2, "late": 0.2, "slow": 0.2}
AT_ONCE: Final = 20
"""Callers that enqueue at one time, each a job at a time, so that there are many requests."""
BACKLOG: Final = 400


async def weather(field: Field, size: int) -> dict[str, object]:
    """Send `size` jobs and run them, in bad weather; then let it clear up, and see that everything ends."""
    await field.worker("--visibility", str(LEASE), "--concurrency", "25")
    await field.worker("--visibility", str(LEASE), "--concurrency", "25")
    await field.faults({"seed": field.random.randrange(2**32), "rules": rules(SHARE)})
    await _send(field, size)
    while await field.waiting() > size / 100:
        await asyncio.sleep(0.2)
    await field.faults({"rules": []})
    seconds = await field.drained(within=120)
    codes = await field.stop_all()
    return {"jobs": field.done, "seconds to converge": round(seconds, 1), "exit codes at the end": codes}


def rules(share: float) -> list[dict[str, object]]:
    """Return rules by which a share of the calls of each operation is struck, by all kinds that can happen to it.

    Each kind strikes one of the first calls, so that all have struck, however few calls there are, and chance rules then.
    """
    first: list[dict[str, object]] = []
    later: list[dict[str, object]] = []
    for operation in OPERATIONS:
        kinds = {kind: WEIGHTS.get(kind, 1.0) for kind, it in KINDS.items() if it.can_happen_to(operation)}
        for place, (kind, weight) in enumerate(kinds.items()):
            rule: dict[str, object] = {"kind": kind, "operation": operation}
            if kind in SECONDS:
                rule["seconds"] = SECONDS[kind]
            first.append(rule | {"calls": [2 + 2 * place]})
            later.append(rule | {"rate": share * weight / sum(kinds.values())})
    return first + later


async def _send(field: Field, size: int) -> None:
    """Let callers enqueue one after the other, and wait while there is more to do than is good for a queue."""
    numbers = field.steps(size)

    async def caller() -> None:
        for done in numbers:
            await field.send_one(_call(field))
            if done % AT_ONCE == 0:
                while await field.waiting() > BACKLOG:
                    await asyncio.sleep(0.1)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(caller())


def _call(field: Field) -> Call[Any]:
    number, chance = next(field.numbers), field.random.random()
    if chance < 0.02:
        return jobs.work.call(number, LEASE * 0.8)  # long enough for heartbeats
    if chance < 0.05:
        return jobs.work.call(number, 0.01, failures=1)
    if chance < 0.1:
        return jobs.in_thread.call(number, 0.02)
    return jobs.work.call(number, 0.01)
