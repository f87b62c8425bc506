"""What follows a try to send: whether there is another, when, and what may have happened meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from sqsjobs.errors import (
    TransportError,
    TransportUnavailable,
)
from sqsjobs.transport.base import NotSent, SendResult, Sent

__all__ = [
    "Answer",
    "Patience",
    "RetryBudget",
    "SendPolicy",
    "again_in_order",
    "may_succeed_later",
]

Answer: TypeAlias = SendResult | TransportError
"""What a try got for one message."""


@dataclass(frozen=True, slots=True)
class SendPolicy:
    """How hard a producer tries; durations in seconds.

    Attributes:
        deadline: after which no further try is made. Far below the five minutes for which FIFO queues know a
            repeated send by its deduplication id.
        first_pause: before the second try at most (full jitter), doubled for every further one …
        longest_pause: … up to this.
        retry_rate, retry_burst: how many jobs a second, and at once, may be tried again by the whole producer.
        concurrency: requests at once for one queue; FIFO queues: one.
        chunk: how many calls of an `enqueue_many` are on their way at once.
    """

    deadline: float = 10.0
    first_pause: float = 0.1
    longest_pause: float = 2.0
    retry_rate: float = 500.0
    retry_burst: float = 1000.0
    concurrency: int = 16
    chunk: int = 1000


def again_in_order(groups: Sequence[str | None], answers: Sequence[Answer]) -> list[int]:
    """Return which messages of a request to a FIFO queue may be sent again without changing a group's order.

    Those may that SQS may accept later, unless it has accepted a later one of their group: sent now, they
    would come after it.
    """
    overtaken: set[str | None] = set()
    again: list[int] = []
    for n in reversed(range(len(answers))):
        if isinstance(answers[n], Sent):
            overtaken.add(groups[n])
        elif groups[n] not in overtaken and may_succeed_later(answers[n]):
            again.append(n)
    return again[::-1]


def may_succeed_later(answer: Answer) -> bool:
    """Whether another try may get a better answer."""
    return isinstance(answer, TransportUnavailable) or (isinstance(answer, NotSent) and answer.retryable)


class RetryBudget:
    """How often a whole producer may try again: `rate` times a second, and `burst` times at once.

    Without it, a queue that is down or throttled would be asked the more, the worse it is.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self._cost = 1 / rate
        self._credit = burst / rate
        self._paid_until = 0.0

    def reserve(self, now: float, earliest: float, latest: float) -> float | None:
        """Return when the next try may be made, from `earliest` on; None, and nothing is spent, if after `latest`."""
        due = max(self._paid_until, now) + self._cost
        at = max(earliest, due - self._credit)
        if at > latest:
            return None
        self._paid_until = due
        return at


class Patience:
    """The tries of one job, or of one batch: pauses with full jitter, until `deadline` on the loop's clock."""

    def __init__(self, policy: SendPolicy, budget: RetryBudget, random: Random, deadline: float) -> None:
        self._now = asyncio.get_running_loop().time
        self._deadline = deadline
        self._ceiling = policy.first_pause
        self._longest = policy.longest_pause
        self._budget = budget
        self._random = random

    def pause(self) -> float | None:
        """Return the seconds to wait before the next try, or None if there is none."""
        now = self._now()
        jittered = now + self._random.uniform(0, self._ceiling)
        self._ceiling = min(self._longest, self._ceiling * 2)
        at = self._budget.reserve(now, jittered, self._deadline)
        return None if at is None else at - now
