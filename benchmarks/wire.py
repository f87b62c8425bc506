"""What one call to SQS costs its client, over the wires there are to choose from.

    make bench-wire
    python -m benchmarks.wire --rounds 7 --calls 400 --concurrency 16

Every contestant makes the same calls against the benchmark server, which runs in a process of its own on another core:
sends of ten messages, receives of ten, deletes of ten. They take turns within a round, and what is told is the median
over the rounds of the ratio to aioboto3 in the same round, of CPU by the operating system's accounting: the machine
may be slow or busy, as long as it is so for all. docs/wire.md has the table, and what follows from it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib.metadata
import os
import secrets
import ssl
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import aioboto3
import aiohttp
import msgspec
import uvloop
from aiobotocore.config import AioConfig
from botocore import xform_name
from tests.transport.wire.certificates import Authority

from benchmarks.contestants import OTHERS
from benchmarks.house import ROOT, server
from benchmarks.machine import WORKER_CORE, describe, on_core
from benchmarks.report.page import put_between_markers
from sqsjobs.transport.address import SqsEndpoint
from sqsjobs.transport.answers import ReceivedMessage
from sqsjobs.transport.sqs_client import open_session
from sqsjobs.transport.sqs_options import Timeouts, Wire
from sqsjobs.transport.wire.signing import Credentials, Signer

CallSqs: TypeAlias = Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Makes a call: operation and parameters to answer."""

BODY = "x" * 230
"""About what the envelope of a small job takes."""
STAND_IN = Credentials("local", "local", None)


@dataclass(frozen=True, slots=True)
class Contestant:
    """A way to call SQS, and the event loop it runs on."""

    name: str
    connect: Callable[[str, int], AbstractAsyncContextManager[CallSqs]]
    loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop


# The contestants ------------------------------------------------------------------------------------------


@asynccontextmanager
async def aioboto3_as_it_comes(url: str, connections: int) -> AsyncIterator[CallSqs]:
    config = AioConfig(max_pool_connections=connections)
    session = aioboto3.Session("local", "local", region_name="us-east-1")
    async with session.client("sqs", endpoint_url=url, config=config) as client:
        yield lambda operation, parameters: getattr(client, xform_name(operation))(**parameters)


@asynccontextmanager
async def sqsjobs_over(wire: Wire, url: str, connections: int) -> AsyncIterator[CallSqs]:
    session = await open_session(SqsEndpoint(endpoint_url=url), wire)
    async with session.client(connections, Timeouts()) as client:
        yield lambda operation, parameters: client.call(operation, "bench", **parameters)


@asynccontextmanager
async def aiohttp_with_our_signer(url: str, connections: int) -> AsyncIterator[CallSqs]:
    signer = Signer(urlsplit(url).netloc, "us-east-1")
    trusted = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE"))
    connector = aiohttp.TCPConnector(limit=connections, ssl=trusted)
    async with aiohttp.ClientSession(connector=connector, skip_auto_headers={"Content-Type"}) as session:

        async def call(operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
            body = msgspec.json.encode(parameters)
            async with session.post(url, data=body, headers=headers(signer, operation, body)) as response:
                answer: Mapping[str, Any] = msgspec.json.decode(await response.read())
            return answer

        yield call


@asynccontextmanager
async def awscrt_with_our_signer(url: str, connections: int) -> AsyncIterator[CallSqs]:
    from awscrt import http  # noqa: PLC0415 - not there unless somebody installed it
    from awscrt.aio.http import AIOHttpClientConnection  # noqa: PLC0415
    from awscrt.io import ClientBootstrap, DefaultHostResolver, EventLoopGroup  # noqa: PLC0415

    where = urlsplit(url)
    signer = Signer(where.netloc, "us-east-1")
    group = EventLoopGroup(1)
    bootstrap = ClientBootstrap(group, DefaultHostResolver(group))
    connecting = [
        AIOHttpClientConnection.new(host_name=where.hostname, port=where.port, bootstrap=bootstrap)
        for _ in range(connections)
    ]
    idle = await asyncio.gather(*connecting)

    async def call(operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        body = msgspec.json.encode(parameters)
        lines = http.HttpHeaders(list(headers(signer, operation, body).items()))
        connection = idle.pop()
        try:
            request = http.HttpRequest("POST", "/", lines, BytesIO(body))
            stream = connection.request(request)
            chunks = []
            while chunk := await stream.get_next_response_chunk():
                chunks.append(chunk)
        finally:
            idle.append(connection)
        answer: Mapping[str, Any] = msgspec.json.decode(b"".join(chunks))
        return answer

    yield call
    await asyncio.gather(*(connection.close() for connection in idle))


def headers(signer: Signer, operation: str, body: bytes) -> dict[str, str]:
    lines = signer.head(operation, body, STAND_IN).decode().split("\r\n")[1:-2]
    return dict(line.split(": ", 1) for line in lines)


BASELINE = Contestant("aioboto3 as it comes", aioboto3_as_it_comes)
CONTESTANTS = (
    BASELINE,
    Contestant("aioboto3 as sqsjobs sets it up", partial(sqsjobs_over, "aioboto3")),
    Contestant("aiohttp, our signer", aiohttp_with_our_signer),
    Contestant("aiohttp, our signer, on uvloop", aiohttp_with_our_signer, uvloop.new_event_loop),
    Contestant("awscrt, our signer", awscrt_with_our_signer),
    Contestant("lean", partial(sqsjobs_over, "lean")),
    Contestant("lean on uvloop", partial(sqsjobs_over, "lean"), uvloop.new_event_loop),
)


# What is measured -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Cost:
    """Of all calls of one operation: CPU of this process and time, in seconds."""

    calls: int
    cpu: float
    seconds: float

    @property
    def cpu_per_call(self) -> float:
        return self.cpu / self.calls


@dataclass(slots=True)
class Measurement:
    """Calls of one contestant on one queue, several at a time."""

    call: CallSqs
    queue: str
    concurrency: int

    async def costs(self, calls: int) -> list[Cost]:
        """Send, receive and delete `calls` times ten messages; return the cost of each operation."""
        await self.call("ReceiveMessage", {"QueueUrl": self.queue})  # connects, and loads what the first call loads
        turns, handles = iter(range(calls)), list[list[str]]()
        return [
            await self._cost(self._send, turns),
            await self._cost(self._receive, handles),
            await self._cost(self._delete, handles),
        ]

    async def _cost(self, work: Callable[[Any], Awaitable[int]], shared: object) -> Cost:
        cpu, began = time.process_time(), time.perf_counter()
        calls = await asyncio.gather(*(work(shared) for _ in range(self.concurrency)))
        return Cost(sum(calls), time.process_time() - cpu, time.perf_counter() - began)

    async def _send(self, turns: Iterator[int]) -> int:
        entries = [{"Id": str(number), "MessageBody": BODY} for number in range(10)]
        made = 0
        for _ in turns:
            made += 1
            await self.call("SendMessageBatch", {"QueueUrl": self.queue, "Entries": entries})
        return made

    async def _receive(self, handles: list[list[str]]) -> int:
        asked = {
            "QueueUrl": self.queue, "MaxNumberOfMessages": 10, "VisibilityTimeout": 600, "WaitTimeSeconds": 0,
            "MessageSystemAttributeNames": ["ApproximateReceiveCount", "SentTimestamp"], "MessageAttributeNames": ["All"],
        }  # fmt: skip
        made = 1
        while messages := (await self.call("ReceiveMessage", asked)).get("Messages"):
            made += 1
            handles.append(list(map(_handle, messages)))
        return made

    async def _delete(self, handles: list[list[str]]) -> int:
        made = 0
        while handles:
            entries = [{"Id": str(number), "ReceiptHandle": it} for number, it in enumerate(handles.pop())]
            made += 1
            await self.call("DeleteMessageBatch", {"QueueUrl": self.queue, "Entries": entries})
        return made


def _handle(message: Mapping[str, Any] | ReceivedMessage) -> str:
    return message.receipt_handle if isinstance(message, ReceivedMessage) else message["ReceiptHandle"]


async def measure(contestant: Contestant, url: str, calls: int, concurrency: int) -> list[Cost]:
    """Let one contestant make its calls, on a queue of its own."""
    async with contestant.connect(url, concurrency) as call:
        queue = (await call("CreateQueue", {"QueueName": f"wire-{secrets.token_hex(4)}"}))["QueueUrl"]
        gc.collect()  # what the one before has left is not to be paid by this one
        try:
            return await Measurement(call, queue, concurrency).costs(calls)
        finally:
            await call("DeleteQueue", {"QueueUrl": queue})


# The run --------------------------------------------------------------------------------------------------


def measured(
    contestants: Sequence[Contestant], options: argparse.Namespace, certificate: Path | None = None
) -> list[dict[str, list[Cost]]]:
    """Run the server, over TLS with a certificate, and let everybody compete, after a first time that does not count."""
    with server(certificate) as running, on_core(WORKER_CORE):
        first = argparse.Namespace(**{**vars(options), "rounds": 1, "calls": 20})
        compete(contestants, running.url, first)  # imports, and what every first call loads
        return compete(contestants, running.url, options)


def compete(contestants: Sequence[Contestant], url: str, options: argparse.Namespace) -> list[dict[str, list[Cost]]]:
    """Return the costs of every contestant in every round; each round begins with another one."""
    rounds = []
    for number in range(options.rounds):
        first = number % len(contestants)
        costs = {}
        for contestant in (*contestants[first:], *contestants[:first]):
            with asyncio.Runner(loop_factory=contestant.loop) as runner:
                made = measure(contestant, url, options.calls, options.concurrency)
                costs[contestant.name] = runner.run(made)
        rounds.append(costs)
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    return rounds


def table(contestants: Sequence[Contestant], rounds: Sequence[Mapping[str, list[Cost]]]) -> str:
    """Return the table, in Markdown."""
    lines = [
        "| wire | send of 10 | receive of 10 | delete of 10 | µs of CPU a call | calls/s |",
        "|---|---|---|---|---|---|",
    ]
    lines += [f"| {contestant.name} | {' | '.join(_cells(contestant.name, rounds))} |" for contestant in contestants]
    return "\n".join(lines)


def _cells(name: str, rounds: Sequence[Mapping[str, list[Cost]]]) -> Iterator[str]:
    for operation in range(3):
        ratios = [
            costs[name][operation].cpu_per_call / costs[BASELINE.name][operation].cpu_per_call for costs in rounds
        ]
        yield f"{median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
    yield " / ".join(f"{median(costs[name][it].cpu_per_call for costs in rounds) * 1e6:.0f}" for it in range(3))
    rates = [sum(it.calls for it in costs[name]) / sum(it.seconds for it in costs[name]) for costs in rounds]
    yield f"{median(rates):.0f}"


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--calls", type=int, default=300, help="of each operation in a round (default: %(default)s)")
    parser.add_argument("--concurrency", type=int, default=8, help="calls at once (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="write docs/wire.md")
    options = parser.parse_args()
    sys.path.extend(str(path) for path in Path(OTHERS).parents[1].glob("lib/python*/site-packages"))  # awscrt alone
    contestants = [it for it in CONTESTANTS if "awscrt" not in it.name or find_spec("awscrt")]
    over_tls = [it for it in contestants if "awscrt" not in it.name]  # which has a TLS of its own
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder), "benchmark")
        authority.server("127.0.0.1")
        os.environ["AWS_CA_BUNDLE"] = str(authority.path)
        tables = [
            table(contestants, measured(contestants, options)),
            table(over_tls, measured(over_tls, options, Path(folder) / "server.pem")),
        ]
    versions = ", ".join(_version(package) for package in PACKAGES if find_spec(package))
    about = f"{datetime.now(UTC):%Y-%m-%d}, {describe()}; {versions}."
    text = f"{about}\n\n{tables[0]}\n\nThe same over TLS:\n\n{tables[1]}"
    print(text)
    if len(contestants) < len(CONTESTANTS):
        print("\nawscrt does not take part: `make bench-wire` installs it.")
    if options.write:
        put_between_markers(ROOT / "docs" / "wire.md", "comparison", text)


PACKAGES = ("aioboto3", "aiobotocore", "aiohttp", "awscrt", "httptools", "uvloop")


def _version(package: str) -> str:
    return f"{package} {importlib.metadata.version(package)}"


if __name__ == "__main__":
    main()
