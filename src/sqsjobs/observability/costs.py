"""What jobs cost in requests to SQS, and so in dollars: counted requests over counted jobs.

SQS bills by the request. What a job costs has two sides, which mostly are two processes: to send it, and to work on it
(receives, empty ones included, deletes, heartbeats). Both are told, and what a job costs is their sum.
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


@dataclass(slots=True)
class QueueCost:
    """What was counted on one queue since the processes began.

    Attributes:
        sends: requests that send.
        sent: jobs that SQS accepted.
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

    def count(self, name: str, labels: Mapping[str, str], value: float) -> None:
        """Take a counter into account, if it has to do with the cost."""
        match name, labels.get("outcome"):
            case "sqsjobs_sqs_requests_total", _:
                if labels["operation"] in _SENDING:
                    self.sends += value
                else:
                    self.works += value
            case "sqsjobs_jobs_enqueued_total", _:
                self.sent += value
            case "sqsjobs_messages_settled_total", _ if labels["disposition"] in _DONE:
                self.done += value
            case "sqsjobs_polls_total", "messages" | "empty" as outcome:
                self.receives += value
                self.empty += value if outcome == "empty" else 0.0


def costs_of(samples: Iterable[Sample]) -> Iterator[QueueCost]:
    """Yield what each queue's jobs cost, by the counters of one process or of several."""
    costs: dict[str, QueueCost] = {}
    for name, labels, value in samples:
        if queue := labels.get("queue"):
            costs.setdefault(queue, QueueCost(queue)).count(name, labels, value)
    yield from costs.values()
