"""A model of SQS with a clock that stands still until it is told to go on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sqsjobs.transport.model import NewMessage, Receipt, ReceiveRequest, Refusal, SentMessage, SqsModel, StaleHandles
from sqsjobs.transport.model.account import redrive_policy


class ManualClock:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return 1_800_000_000.0 + self.time


class World:
    """The model with short words for what tests do with it."""

    def __init__(self, *, stale_handles: StaleHandles = StaleHandles.IGNORED, max_in_flight: int = 120_000) -> None:
        self.clock = ManualClock()
        self.model = SqsModel(self.clock, random.Random(1), stale_handles=stale_handles, max_in_flight=max_in_flight)

    def create(self, name: str, **attributes: str) -> None:
        fifo = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
        self.model.account.create(name, {**fifo, **attributes}, {})

    def create_with_dead_letter_queue(self, name: str, dead_letter_queue: str, *, max_receive_count: int) -> None:
        self.create(dead_letter_queue)
        policy = redrive_policy(self.model.account.arn_of(dead_letter_queue), max_receive_count)
        self.create(name, RedrivePolicy=policy)

    def send(self, queue: str, body: str, **options: object) -> SentMessage:
        return self.model.sending.send(queue, NewMessage(body, **options))  # type: ignore[arg-type]

    def send_in_group(self, queue: str, *bodies: str, group: str = "g") -> None:
        for body in bodies:
            self.send(queue, body, group=group, deduplication_id=f"{group}-{body}-{self.clock.time}")

    def receive(self, queue: str, **request: object) -> list[Receipt]:
        return self.model.receiving.receive(queue, ReceiveRequest(**{"limit": 10, **request}))  # type: ignore[arg-type]

    def bodies(self, queue: str, **request: object) -> list[str]:
        return [receipt.body for receipt in self.receive(queue, **request)]

    def counts(self, queue: str) -> tuple[int, int, int]:
        """Return (visible, in flight, delayed)."""
        found = self.model.account.queue(queue)
        return found.visible, found.in_flight, found.delayed

    def elapse(self, seconds: float) -> None:
        self.clock.time += seconds


@contextmanager
def refused(code: str, text: str = "") -> Iterator[None]:
    """Expect a refusal with this code, as clients see it."""
    with pytest.raises(Refusal) as caught:
        yield
    assert caught.value.code == code, caught.value
    assert text in caught.value.problem
