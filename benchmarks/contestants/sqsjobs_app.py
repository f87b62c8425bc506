"""sqsjobs: `sqsjobs worker benchmarks.contestants.sqsjobs_app:app`, and a producer with its own app."""

from __future__ import annotations

import asyncio
import sys

from benchmarks.contestants.marks import set_marks
from benchmarks.contestants.producing import ENDPOINT, QUEUES, TASK, on_uvloop, produce, stamp
from sqsjobs import App

set_marks()
app = App("benchmark", store=None, endpoint_url=ENDPOINT)


@app.task(name="no_op", queue=QUEUES[0])
async def no_op(number: float) -> None:
    """Do nothing."""


@app.task(name="io", queue=QUEUES[0])
async def io(number: float) -> None:
    """Wait for something for 50 ms."""
    await asyncio.sleep(0.05)


@app.task(name="tell", queue=QUEUES[0])
async def tell(number: float) -> None:
    """Tell how long ago it was sent."""
    stamp(number)


async def main(way: str) -> None:
    """Produce with `enqueue`, or with `enqueue_many`."""
    task = {"no_op": no_op, "io": io, "tell": tell}[TASK]
    async with app:
        await produce(task.enqueue, way, lambda jobs: app.enqueue_many(task.call(number) for number in range(jobs)))


if __name__ == "__main__":
    on_uvloop(main(sys.argv[1]))
