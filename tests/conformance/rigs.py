"""The port of the conformance suite: what it needs beside `Transport` itself, and who offers it.

A rig makes queues, opens transports to them and lets time pass; it takes its queues away at the end.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Protocol, Self

from sqsjobs.clock import SystemClock
from sqsjobs.local import LocalServer
from sqsjobs.transport.address import SqsEndpoint
from sqsjobs.transport.base import Transport, is_fifo
from sqsjobs.transport.memory import MemorySQS, MemoryTransport
from sqsjobs.transport.sqs import SqsTransport, Timeouts, Wire
from sqsjobs.transport.sqs_client import SqsClient, open_session

RUN = secrets.token_hex(4)
"""Tells the queues of one run of the suite from those of another."""


class Rig(Protocol):
    """A place with queues. `open` gives a transport that adds the prefix of this rig's queues to their names."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc_info: object) -> None: ...

    async def create_queue(
        self, name: str, attributes: Mapping[str, str] | None = None, *, dead_letter_queue: str | None = None
    ) -> None:
        """Create a queue; with a dead-letter queue, already created, it has a maxReceiveCount of 2."""
        ...

    async def delete_queue(self, name: str) -> None: ...

    async def open(self) -> Transport: ...

    async def elapse(self, seconds: float) -> None:
        """Let so much time pass: by waiting, or by moving the clock."""
        ...


class MovableClock(SystemClock):
    """The machine's clock, and a way to move it forward."""

    def __init__(self) -> None:
        self.offset = 0.0

    def now(self) -> float:
        return super().now() + self.offset

    def wall(self) -> float:
        return super().wall() + self.offset


class MemoryRig:
    """The model of SQS in this process."""

    def __init__(self) -> None:
        self._clock = MovableClock()
        self._sqs = MemorySQS(clock=self._clock)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    async def create_queue(
        self, name: str, attributes: Mapping[str, str] | None = None, *, dead_letter_queue: str | None = None
    ) -> None:
        self._sqs.create_queue(name, attributes=attributes, dead_letter_queue=dead_letter_queue, max_receive_count=2)

    async def delete_queue(self, name: str) -> None:
        with self._sqs.use() as model:
            model.account.delete(name)

    async def open(self) -> Transport:
        return await self._stack.enter_async_context(MemoryTransport(self._sqs))

    async def elapse(self, seconds: float) -> None:
        self._clock.offset += seconds
        self._sqs.tick()


class ServerRig:
    """A server that speaks SQS's protocol: moto's, any other, AWS's.

    Args:
        endpoint_url: None for AWS itself, in the region and account that the environment says.
        wire: which way the calls of its transports take.
    """

    def __init__(self, endpoint_url: str | None, wire: Wire = "auto") -> None:
        self._wire = wire
        self._endpoint = SqsEndpoint(endpoint_url=endpoint_url, allow_http=True)
        self._prefix = f"sqsjobs-test-{RUN}-{secrets.token_hex(4)}-"
        self._urls: dict[str, str] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        session = await open_session(self._endpoint)
        self._client: SqsClient = await self._stack.enter_async_context(session.client(10, Timeouts()))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for name in tuple(self._urls):
            await self.delete_queue(name)
        await self._stack.aclose()

    async def create_queue(
        self, name: str, attributes: Mapping[str, str] | None = None, *, dead_letter_queue: str | None = None
    ) -> None:
        given = {**({"FifoQueue": "true"} if is_fifo(name) else {}), **(attributes or {})}
        if dead_letter_queue is not None:
            answer = await self._client.call(
                "GetQueueAttributes", name, QueueUrl=self._urls[dead_letter_queue], AttributeNames=["QueueArn"]
            )
            arn = answer["Attributes"]["QueueArn"]
            given["RedrivePolicy"] = f'{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": 2}}'
        full_name = self._prefix + name
        answer = await self._client.call("CreateQueue", name, QueueName=full_name, Attributes=given)
        self._urls[name] = answer["QueueUrl"]
        if not self._endpoint.local:
            await asyncio.sleep(1)  # until the queue can be used (SQS API reference, CreateQueue)

    async def delete_queue(self, name: str) -> None:
        await self._client.call("DeleteQueue", name, QueueUrl=self._urls.pop(name))

    async def open(self) -> Transport:
        endpoint_url = self._endpoint.endpoint_url
        transport = SqsTransport(endpoint_url=endpoint_url, queue_prefix=self._prefix, allow_http=True, wire=self._wire)
        return await self._stack.enter_async_context(transport)

    async def elapse(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class LocalRig(ServerRig):
    """The project's own server, in this event loop, with a clock that can be moved."""

    def __init__(self, server: LocalServer, clock: MovableClock, wire: Wire) -> None:
        super().__init__(server.endpoint_url, wire)
        self._server = server
        self._clock = clock

    async def elapse(self, seconds: float) -> None:
        self._clock.offset += seconds
        self._server.sqs.tick()
