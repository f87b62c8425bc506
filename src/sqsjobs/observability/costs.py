"""What jobs cost in requests to SQS, and so in dollars: counted requests over counted jobs.

SQS bills by the request. What a job costs has two sides, which mostly are two processes: to send it, and to work on it
(receives, empty ones included, deletes, heartbeats, and retries that are sent anew). Both are told apart, and what a job
costs is their sum; one side alone is never the cost of a job.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = ["FIFO_PRICE", "STANDARD_PRICE", "QueueCost", "Sample", "Side", "costs_of"]

STANDARD_PRICE: Final = 0.40
"""Dollars for a million requests to standard queues. Source: "Amazon SQS pricing" (aws.amazon.com/sqs/pricing), US East
(N. Virginia), the first 100 billion a month after the free million; a request there is up to 64 KiB of payload."""
FIFO_PRICE: Final = 0.50
"""The same for FIFO queues."""

Side: TypeAlias = Literal["send", "work"]
Sample: TypeAlias = tuple[str, Mapping[str, str], float]
"""A counter's name, labels and value, as they are exposed."""

_SENDING: Final = frozenset({"SendMessage", "SendMessageBatch"})
_DONE: Final = frozenset({"delete", "deadletter"})
"""Dispositions after which a message is gone from its queue."""


@dataclass(frozen=True, slots=True)
class QueueCost:
    """What was counted on one queue since the processes began.

    Attributes:
        sends: requests that sent what was enqueued.
        sent: jobs that were enqueued, and accepted by SQS.
        works: all other requests.
        done: messages that were settled for good.
        receives: receives that were answered.
        empty: those without messages.
    """

    queue: str
    sends: float = 0.0
    sent: float = 0.0
    works: float = 0.0
    done: float = 0.0
    receives: float = 0.0
    empty: float = 0.0

    def __add__(self, other: QueueCost) -> QueueCost:
        return QueueCost(
            self.queue,
            sends=self.sends + other.sends,
            sent=self.sent + other.sent,
            works=self.works + other.works,
            done=self.done + other.done,
            receives=self.receives + other.receives,
            empty=self.empty + other.empty,
        )

    def requests_per_job(self) -> dict[Side, float]:
        """Return the requests for a job, of each side that has had one."""
        sides: dict[Side, tuple[float, float]] = {"send": (self.sends, self.sent), "work": (self.works, self.done)}
        return {side: requests / jobs for side, (requests, jobs) in sides.items() if jobs}

    def empty_receive_ratio(self) -> float | None:
        """Return the part of the receives that brought nothing, or None before the first."""
        return self.empty / self.receives if self.receives else None

    def price(self, asked: float | None) -> float:
        """Return the price of a million requests: what is asked, or AWS's for a queue of this kind."""
        if asked is not None:
            return asked
        return FIFO_PRICE if self.queue.endswith(".fifo") else STANDARD_PRICE


def costs_of(*expositions: Iterable[Sample]) -> Iterator[QueueCost]:
    """Yield what each queue's jobs cost, by the counters of each process, or of each supervisor's processes."""
    costs: dict[str, QueueCost] = {}
    for samples in expositions:
        for cost in _by_process(samples):
            costs[cost.queue] = costs.get(cost.queue, QueueCost(cost.queue)) + cost
    yield from costs.values()


def _by_process(samples: Iterable[Sample]) -> Iterator[QueueCost]:
    counts: dict[tuple[str, str], _Count] = {}
    for name, labels, value in samples:
        if queue := labels.get("queue"):
            counts.setdefault((queue, labels.get("process", "")), _Count()).take(name, labels, value)
    return (count.cost(queue) for (queue, _), count in counts.items())


@dataclass(slots=True)
class _Count:
    """What one process counted on one queue."""

    sends: float = 0.0
    sent: float = 0.0
    resent: float = 0.0
    others: float = 0.0
    done: float = 0.0
    receives: float = 0.0
    empty: float = 0.0

    def take(self, name: str, labels: Mapping[str, str], value: float) -> None:
        """Take a counter into account, if it has to do with the cost."""
        match name, labels:
            case "sqsjobs_sqs_requests_total", {"operation": operation}:
                if operation in _SENDING:
                    self.sends += value
                else:
                    self.others += value
            case "sqsjobs_jobs_enqueued_total", _:
                self.sent += value
            case "sqsjobs_messages_settled_total", {"disposition": "resend"}:
                self.resent += value
            case "sqsjobs_messages_settled_total", {"disposition": disposition} if disposition in _DONE:
                self.done += value
            case "sqsjobs_polls_total", {"outcome": "messages" | "empty" as outcome}:
                self.receives += value
                self.empty += value if outcome == "empty" else 0.0

    def cost(self, queue: str) -> QueueCost:
        """Return what that costs, with the worker's own sends on the side of its work."""
        own = self._own_sends()
        return QueueCost(
            queue,
            sends=self.sends - own,
            sent=self.sent,
            works=self.others + own,
            done=self.done,
            receives=self.receives,
            empty=self.empty,
        )

    def _own_sends(self) -> float:
        """Return the sends that enqueued nothing.

        A process that both enqueues and sends anew shares its sends out by the message, since requests are counted
        by queue alone.
        """
        messages = self.sent + self.resent
        return self.sends * self.resent / messages if messages else 0.0
