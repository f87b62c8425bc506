"""taskiq with taskiq-aio-sqs: receives of ten, acknowledged when done, no result backend.

Its batching of sends tells a caller that all is well before SQS has said so, and is not used.
"""

from __future__ import annotations

import asyncio
import sys

from taskiq_aio_sqs import SQSBroker, SQSQueue

from benchmarks.contestants.producing import ENDPOINT, QUEUES, TASK, WAIT, on_uvloop, produce, stamp

queues = [SQSQueue(name=name, max_number_of_messages=10, wait_time_seconds=WAIT) for name in QUEUES]
broker = SQSBroker(QUEUES[0], endpoint_url=ENDPOINT).with_default_queue(queues[0]).with_queues(*queues[1:])


@broker.task(task_name="no_op")
async def no_op(number: float) -> None:
    """Do nothing."""


@broker.task(task_name="io")
async def io(number: float) -> None:
    """Wait for something for 50 ms."""
    await asyncio.sleep(0.05)


@broker.task(task_name="tell")
async def tell(number: float) -> None:
    """Tell how long ago it was sent."""
    stamp(number)


async def main(way: str) -> None:
    """Produce with `kiq`."""
    await broker.startup()
    await produce({"no_op": no_op, "io": io, "tell": tell}[TASK].kiq, way)
    await broker.shutdown()


if __name__ == "__main__":
    on_uvloop(main(sys.argv[1]))
