"""How full the in-flight quota of a queue is, looked up where this worker has much hidden in it."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final

from sqsjobs.errors import TransportError
from sqsjobs.transport.base import Transport

__all__ = ["Quota"]

_CROWD: Final = 1000
"""Messages that this worker has hidden between two looks, from which on it looks at their queue's quota."""
_IN_FLIGHT: Final = 120_000
"""Messages in flight that SQS allows a queue ("Amazon SQS message quotas")."""
_LOOK_EVERY: Final = 60.0


class Quota:
    """The shares of the in-flight quota that are used up.

    Attributes:
        shares: by queue, from 0 to 1, of those that were looked at: once a minute, from the first time on.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._hidden: Counter[str] = Counter()
        self.shares: dict[str, float] = {}

    def count_hidden(self, queue: str) -> None:
        """Count a message that was not done with, and so may be hidden in `queue` now."""
        self._hidden[queue] += 1

    async def watch(self) -> None:
        """Keep the shares up to date until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            hidden, self._hidden = self._hidden, Counter()
            for queue in self.shares.keys() | {queue for queue, count in hidden.items() if count > _CROWD}:
                try:
                    described = await self._transport.describe(queue)
                except TransportError:
                    continue
                self.shares[queue] = described.in_flight / _IN_FLIGHT
