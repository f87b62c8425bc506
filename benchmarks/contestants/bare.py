"""A bare loop over aioboto3: receive ten, run them, delete ten, as a careful engineer would write it by hand.

A few loops at a time (ten jobs each), one client with connections enough for all of them, uvloop where it is
installed; no heartbeats, no retries, no records: what every framework is to be measured against.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import aioboto3
from aiobotocore.config import AioConfig

from benchmarks.contestants.producing import (
    CONCURRENCY,
    ENDPOINT,
    QUEUES,
    TASK,
    WAIT,
    at_once,
    on_uvloop,
    produce,
    stamp,
)


async def no_op(number: float) -> None:
    """Do nothing."""


async def io(number: float) -> None:
    """Wait for something for 50 ms."""
    await asyncio.sleep(0.05)


async def tell(number: float) -> None:
    """Tell how long ago it was sent."""
    stamp(number)


TASKS = {"no_op": no_op, "io": io, "tell": tell}


def connect() -> Any:
    """Open a client for SQS, with a connection for every loop that may be under way."""
    session = aioboto3.Session("local", "local", region_name="us-east-1")
    return session.client("sqs", endpoint_url=ENDPOINT, config=AioConfig(max_pool_connections=1000))


async def work() -> None:
    """Process messages until the process is ended."""
    async with connect() as client:
        urls = [(await client.get_queue_url(QueueName=name))["QueueUrl"] for name in QUEUES]
        loops = max(1, CONCURRENCY // 10)
        await asyncio.gather(*(_consume(client, url) for url in urls for _ in range(loops)))


async def _consume(client: Any, url: str) -> None:
    while True:
        answer = await client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=WAIT)
        if messages := answer.get("Messages"):
            await asyncio.gather(*(_run(message["Body"]) for message in messages))
            entries = [{"Id": str(number), "ReceiptHandle": it["ReceiptHandle"]} for number, it in enumerate(messages)]
            await client.delete_message_batch(QueueUrl=url, Entries=entries)


async def _run(body: str) -> None:
    job = json.loads(body)
    await TASKS[job["task"]](**job["args"])


async def send() -> None:
    """Produce with SendMessage, or with batches of ten."""
    async with connect() as client:
        url = (await client.get_queue_url(QueueName=QUEUES[0]))["QueueUrl"]

        async def one(number: float) -> None:
            await client.send_message(QueueUrl=url, MessageBody=_body(number))

        async def ten(_: float) -> None:
            entries = [{"Id": str(number), "MessageBody": _body(number)} for number in range(10)]
            await client.send_message_batch(QueueUrl=url, Entries=entries)

        await produce(one, sys.argv[1], lambda jobs: at_once(ten, jobs // 10, 10))


def _body(number: float) -> str:
    return json.dumps({"task": TASK, "args": {"number": number}})


if __name__ == "__main__":
    on_uvloop(work() if sys.argv[1] == "worker" else send())
