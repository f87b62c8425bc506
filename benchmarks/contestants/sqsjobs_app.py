"""sqsjobs: `python -m sqsjobs worker benchmarks.contestants.sqsjobs_app:app`, and its producer."""

from __future__ import annotations

import asyncio
import sys

from benchmarks.contestants.producing import ENDPOINT, QUEUES, TASK, at_once, on_word, stamp
from sqsjobs import App

app = App("benchmark", store=None, endpoint_url=ENDPOINT)


@app.task(name="no_op", queue=QUEUES[0])
async def no_op(number: int) -> None:
    """Do nothing."""


@app.task(name="io", queue=QUEUES[0])
async def io(number: int) -> None:
    """Wait for something for 50 ms."""
    await asyncio.sleep(0.05)


@app.task(name="tell", queue=QUEUES[0])
async def tell(sent: float) -> None:
    """Tell when it started."""
    stamp(sent)


TASKS = {"no_op": no_op, "io": io}


async def produce(way: str) -> None:
    """Enqueue as often as asked for, each time so many jobs."""
    task = TASKS[TASK]
    async with app:
        while jobs := on_word():
            if way == "many":
                await app.enqueue_many(task.call(number) for number in range(jobs))
            else:
                await at_once(task.enqueue, jobs, int(way))
            print("done", flush=True)


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:
        asyncio.run(produce(sys.argv[1]))
    else:
        uvloop.run(produce(sys.argv[1]))
