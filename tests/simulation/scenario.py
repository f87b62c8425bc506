"""What a seed stands for: queues, workers and their options, jobs and what they will do, and when what goes wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sqsjobs.store.tracking import Tracking
from sqsjobs.transport.model import StaleHandles

__all__ = ["PARK_FOR", "Act", "ActKind", "Blow", "Foreign", "Kind", "Play", "Scenario"]

PARK_FOR = 90.0
"""Seconds for which workers keep what they do not know."""

Kind: TypeAlias = Literal[
    "standard", "without-store", "fifo", "contest", "dependency", "wall", "retention", "fortnight"
]
"""Which promises are at stake.

A standard queue with a job store or without one; a FIFO queue (with a store); the store's compare-and-set, where most
messages come twice, the store answers badly and users cancel; a dependency that is down for an hour; jobs up to the
12-hour wall of SQS; jobs up to the end of a retention of five minutes, and of fourteen days.
"""

ActKind: TypeAlias = Literal["return", "raise", "snooze", "retry-after", "discard", "reject", "kill", "depend"]
"""How a run ends; "depend": it fails while the dependency is down."""

Blow: TypeAlias = Literal[
    "kill", "suspend", "cut-off", "stop", "stop-at-once", "sqs-outage", "store-outage", "step-clock", "suspend-producer"
]
"""What can happen to a machine, or to a service."""


@dataclass(frozen=True, slots=True)
class Act:
    """What one run of a job does: it works for `seconds` and then ends in this way.

    Attributes:
        kind: how.
        seconds: of work.
        delay: of a snooze or a retry.
        stubborn: seconds for which it cleans up when it is cancelled; below 0, it does not let itself be cancelled.
    """

    kind: ActKind = "return"
    seconds: float = 0.1
    delay: float = 0.0
    stubborn: float = 0.0


@dataclass(frozen=True, slots=True)
class Play:
    """A job to be enqueued.

    Attributes:
        number: by which the trace calls it.
        task: its name.
        acts: what its runs do, in turn; the last one again and again.
        at: when it is enqueued, in seconds from the start.
        delay: with which it is enqueued.
        group: of a FIFO queue.
        queue: where it goes.
    """

    number: int
    task: str
    acts: tuple[Act, ...]
    at: float
    queue: str
    delay: float = 0.0
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Foreign:
    """A message that no app of ours has sent: `body` as it is, and the reason with which it is to be dead-lettered."""

    body: str
    reason: str
    at: float
    queue: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """All that a seed decides before time begins; durations in seconds.

    Attributes:
        storm: how long things go wrong.
        fault_rate: the share of calls that go wrong meanwhile.
        store_fault_rate: the same for the job store.
        blows: what happens, and when.
        skews: of the wall clocks, by machine.
        retention: of the queues.
        max_in_flight: of a queue.
        twice: how much likelier than usual it is that messages are delivered twice.
        cancellations: when a user cancels which job.
        down: from when to when the dependency is.
        shifts: how often, and for how long, there are workers at all; None: always.
        patience: how long after the storm everything must have ended.
    """

    seed: int
    kind: Kind
    tracking: Tracking
    queues: tuple[str, ...]
    workers: tuple[dict[str, Any], ...]
    plays: tuple[Play, ...]
    foreign: tuple[Foreign, ...]
    storm: float
    fault_rate: float
    store_fault_rate: float
    blows: tuple[tuple[float, Blow, float], ...]
    skews: tuple[float, ...]
    stale_handles: StaleHandles
    bulk: float = 0.0
    old_workers: float = 0.0
    retention: int = 345_600
    max_in_flight: int = 120_000
    twice: int = 1
    cancellations: tuple[tuple[float, int], ...] = ()
    down: tuple[float, float] = (0.0, 0.0)
    shifts: tuple[float, float] | None = None
    patience: float = 1800.0

    @property
    def has_store(self) -> bool:
        """Whether the workers keep records, and so claim jobs before they run."""
        return self.tracking != "off"

    @property
    def fifo(self) -> bool:
        """Whether the queues are FIFO."""
        return self.queues[0].endswith(".fifo")
