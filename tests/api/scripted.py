"""A transport to the memory model on which each send may go wrong in its own way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from sqsjobs import MemorySQS, MemoryTransport, TransportError
from sqsjobs.errors import TransportUnavailable
from sqsjobs.transport.base import NotSent, OutgoingMessage, SendResult

Send = Callable[[], Awaitable[list[SendResult]]]
Step = Callable[[Sequence[OutgoingMessage], Send], Awaitable[list[SendResult]]]


async def works(_messages, send):
    return await send()


def fails(kind: type[TransportError], *, sent: bool = True) -> Step:
    """The request fails; SQS does nothing."""

    async def step(_messages, _send):
        raise kind(f"it is {kind.__name__}", operation="SendMessageBatch", queue="q", code=kind.__name__, sent=sent)

    return step


def loses_the_answer() -> Step:
    """SQS does what it is asked, and the answer is lost."""

    async def step(_messages, send):
        await send()
        raise TransportUnavailable("no answer", operation="SendMessageBatch", queue="q")

    return step


def refuses(*positions: int, retryable: bool = True) -> Step:
    """SQS takes all but the messages at `positions`."""

    async def step(messages, send):
        results = await send([message for n, message in enumerate(messages) if n not in positions])
        for n in sorted(positions):
            results.insert(n, NotSent("InternalError" if retryable else "Bad", "it is refused", retryable))
        return results

    return step


def waits_for(gate: asyncio.Event, then: Step = works) -> Step:
    async def step(messages, send):
        await gate.wait()
        return await then(messages, send)

    return step


class ScriptedTransport(MemoryTransport):
    """Takes one step of `script` for each request, then works (or repeats `always`); keeps what was asked."""

    def __init__(self, *script: Step, sqs: MemorySQS | None = None, always: Step = works):
        super().__init__(sqs, create_missing=True)
        self.script = list(script)
        self.always = always
        self.requests: list[list[OutgoingMessage]] = []

    async def send(self, queue, messages):
        self.requests.append(list(messages))
        step = self.script.pop(0) if self.script else self.always

        async def send(chosen=messages):
            return await super(ScriptedTransport, self).send(queue, chosen) if chosen else []

        return await step(messages, send)

    def clone(self):
        clone = ScriptedTransport(sqs=self.sqs, always=self.always)
        clone.script, clone.requests = self.script, self.requests
        return clone
