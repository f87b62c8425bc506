"""A bare loop over aioboto3: receive ten, run them, delete ten, as a careful engineer would write it by hand.

A few loops at a time (ten jobs each), one client with connections enough for all of them, uvloop where it is
installed; no heartbeats, no retries, no records: what every framework is to be measured against.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import aioboto3
from aiobotocore.config import AioConfig

from benchmarks.contestants.producing import ENDPOINT, QUEUES, TASK, at_once, on_word, stamp

CONCURRENCY = int(os.environ.get("BENCH_CONCURRENCY", "100"))


async def no_op(number: int) -> None:
    """Do nothing."""


async def io(number: int) -> None:
    """Wait for something for 50 ms."""
    await asyncio.sleep(0.05)


async def tell(sent: float) -> None:
    """Tell when it started."""
    stamp(sent)


TASKS = {"no_op": no_op, "io": io, "tell": tell}


def connect() -> Any:
    session = aioboto3.Session("local", "local", region_name="us-east-1")
    config = AioConfig(max_pool_connections=4 * CONCURRENCY)
    return session.client("sqs", endpoint_url=ENDPOINT, config=config)


async def work() -> None:
    """Process messages until the process is ended."""
    async with connect() as client:
        urls = [(await client.get_queue_url(QueueName=name))["QueueUrl"] for name in QUEUES]
        loops = [_consume(client, url) for url in urls for _ in range(max(1, CONCURRENCY // 10))]
        await asyncio.gather(*loops)


async def _consume(client: Any, url: str) -> None:
    while True:
        answer = await client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=10)
        messages = answer.get("Messages")
        if not messages:
            continue
        await asyncio.gather(*(_run(message["Body"]) for message in messages))
        entries = [{"Id": str(number), "ReceiptHandle": it["ReceiptHandle"]} for number, it in enumerate(messages)]
        await client.delete_message_batch(QueueUrl=url, Entries=entries)


async def _run(body: str) -> None:
    job = json.loads(body)
    await TASKS[job["task"]](**job["args"])


async def produce(way: str) -> None:
    """Enqueue as often as asked for, each time so many jobs."""
    async with connect() as client:
        url = (await client.get_queue_url(QueueName=QUEUES[0]))["QueueUrl"]
        while jobs := on_word():
            if way == "many":
                await at_once(lambda _: _send_ten(client, url), jobs // 10, 8)
            else:
                await at_once(
                    lambda number: client.send_message(QueueUrl=url, MessageBody=_body(number)), jobs, int(way)
                )
            print("done", flush=True)


async def _send_ten(client: Any, url: str) -> None:
    entries = [{"Id": str(number), "MessageBody": _body(number)} for number in range(10)]
    await client.send_message_batch(QueueUrl=url, Entries=entries)


def _body(number: int) -> str:
    return json.dumps({"task": TASK, "args": {"number": number}})


if __name__ == "__main__":
    main = work() if sys.argv[1] == "worker" else produce(sys.argv[1])
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)
