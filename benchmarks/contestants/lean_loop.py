"""A bare loop over the lean wire: receive, run, delete with nothing around it. The floor under sqsjobs itself."""

from __future__ import annotations

import asyncio
import json
import sys

from benchmarks.contestants.bare import TASKS
from benchmarks.contestants.marks import set_marks
from benchmarks.contestants.producing import CONCURRENCY, ENDPOINT, QUEUES, TASK, WAIT, at_once, on_uvloop, produce
from sqsjobs.transport.base import OutgoingMessage
from sqsjobs.transport.sqs import SqsTransport


def connect() -> SqsTransport:
    """Make the transport."""
    return SqsTransport(endpoint_url=ENDPOINT, wire="lean")


async def work() -> None:
    """Process messages until the process is ended."""
    async with connect() as transport:
        loops = max(1, CONCURRENCY // 10)
        await asyncio.gather(*(_consume(transport, queue) for queue in QUEUES for _ in range(loops)))


async def _consume(transport: SqsTransport, queue: str) -> None:
    while True:
        deliveries = await transport.receive(queue, limit=10, wait=WAIT, visibility=60)
        if TASK == "io":
            await asyncio.gather(*(_run(delivery.body) for delivery in deliveries))
        else:  # tasks of their own are for jobs that wait
            for delivery in deliveries:
                await _run(delivery.body)
        if deliveries:
            await transport.delete(queue, [delivery.receipt_handle for delivery in deliveries])


async def _run(body: str) -> None:
    job = json.loads(body)
    await TASKS[job["task"]](**job["args"])


async def send() -> None:
    """Produce one message a call, or ten."""
    async with connect() as transport:

        async def one(number: float) -> None:
            await transport.send(QUEUES[0], [_message(number)])

        async def ten(_: float) -> None:
            await transport.send(QUEUES[0], [_message(number) for number in range(10)])

        await produce(one, sys.argv[1], lambda jobs: at_once(ten, jobs // 10, 10))


def _message(number: float) -> OutgoingMessage:
    return OutgoingMessage(json.dumps({"task": TASK, "args": {"number": number}}))


if __name__ == "__main__":
    set_marks()
    on_uvloop(work() if sys.argv[1] == "worker" else send())
