"""Receiving as tests need it: AWS may give out less than there is, so what is expected is asked for until it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from sqsjobs.transport.base import Delivery, NotSent, OutgoingMessage, Sent, Transport

Look: TypeAlias = Callable[[str], Awaitable[list[Delivery]]]
"""The fixture `look`: receives what there is, for queues in which there should be nothing."""

PATIENCE = 20.0
"""Seconds after which what has not come does not come."""


async def send(transport: Transport, queue: str, *messages: OutgoingMessage | str) -> list[str]:
    """Send messages that must be accepted, and return their ids."""
    whole = [OutgoingMessage(message) if isinstance(message, str) else message for message in messages]
    results = await transport.send(queue, whole)
    assert all(isinstance(result, Sent) for result in results), results
    return [result.message_id for result in results if isinstance(result, Sent)]


async def send_refused(transport: Transport, queue: str, message: OutgoingMessage) -> NotSent:
    """Send a message that must be refused as an entry."""
    [result] = await transport.send(queue, [message])
    assert isinstance(result, NotSent), f"{result} of a message that SQS does not take"
    return result


async def take(transport: Transport, queue: str, count: int = 1, *, visibility: float = 30) -> list[Delivery]:
    """Receive `count` messages."""
    taken: list[Delivery] = []
    async with asyncio.timeout(PATIENCE):
        while len(taken) < count:
            taken += await transport.receive(queue, limit=count - len(taken), wait=2, visibility=visibility)
    return taken


async def take_one(transport: Transport, queue: str, *, visibility: float = 30) -> Delivery:
    """Receive a message."""
    [delivery] = await take(transport, queue, visibility=visibility)
    return delivery
