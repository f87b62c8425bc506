"""What goes wrong with single calls: decided by a seeded generator, for every operation, while the storm lasts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

from tests.simulation.loop import Machine

from sqsjobs.transport.model import Fault, NoAnswer, Refusal

__all__ = ["LOST_ANSWER", "LOST_REQUEST", "OUTAGES", "Storm"]

LOST_REQUEST = "lost request"
LOST_ANSWER = "lost answer"

OUTAGES = ("silence", "server errors", "throttling", "credentials expired")
"""The ways in which SQS can be away."""

_SERVER_ERRORS = ("ServiceUnavailable", "InternalFailure")

_KINDS: dict[str, int] = {
    LOST_REQUEST: 4,
    LOST_ANSWER: 4,
    "server error": 4,
    "server error after": 2,
    "throttled": 3,
    "credentials expired": 2,
    "KMS throttled": 1,
    "slow": 4,
    "failed entries": 6,
    "duplicate": 4,
    "resurrect": 4,
}
_TWICE = ("duplicate", "resurrect")
_BATCHES = ("SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch")
_ONLY: dict[str, tuple[str, ...]] = {
    "failed entries": _BATCHES,
    "duplicate": ("ReceiveMessage",),
    "resurrect": ("DeleteMessageBatch",),
    "KMS throttled": ("ReceiveMessage", "SendMessageBatch"),
}


class Storm:
    """Decides what goes wrong; it is the model's `Faults`.

    Args:
        rate, store_rate: the shares of calls that go wrong.
        fifo: whether the queues are FIFO, which do not deliver twice.
        twice: how much likelier than usual it is that others do.
        entries: tells how many entries the call has that is being carried out.
        note: told of every fault: what.

    Attributes:
        is_raging: whether anything goes wrong at all.
        outage: how SQS is away just now, for everybody; or nothing.
        store_is_out: whether the job store does not.
        counts: what went wrong, by operation and kind; a message that was to come twice counts when it does (`came_twice`).
    """

    def __init__(
        self,
        random: Random,
        *,
        rate: float,
        store_rate: float,
        fifo: bool,
        twice: int,
        entries: Callable[[], int],
        note: Callable[[str], None],
    ) -> None:
        self._random = random
        self._rate = rate
        self._store_rate = store_rate
        self._fifo = fifo
        self._kinds = {kind: weight * (twice if kind in _TWICE else 1) for kind, weight in _KINDS.items()}
        self._entries = entries
        self._note = note
        self._cut_off: set[str] = set()
        self.is_raging = True
        self.outage = ""
        self.store_is_out = False
        self.counts: Counter[tuple[str, str]] = Counter()

    def __call__(self, operation: str, queue: str | None) -> Fault | None:
        if self.outage:
            return self._counted(operation, "outage", Fault(before=self._absence()))
        if not self.is_raging or self._random.random() >= self._rate:
            return None
        kinds = {kind: weight for kind, weight in self._kinds.items() if self._can_be(kind, operation)}
        kind = self._random.choices(tuple(kinds), tuple(kinds.values()))[0]
        return self._counted(operation, kind, self._fault(kind))

    def store_fault(self, operation: str) -> str:
        """Return what goes wrong with a call of the job store, or nothing."""
        if self.store_is_out:
            kind = LOST_REQUEST
        elif self.is_raging and self._random.random() < self._store_rate:
            kind = self._random.choice((LOST_REQUEST, LOST_ANSWER))
        else:
            return ""
        self._counted(f"store.{operation}", kind, Fault())
        return kind

    def came_twice(self, operation: str, kind: str) -> None:
        """Count such a fault, which strikes nothing where there is nothing to give out, or to delete."""
        self.counts[operation, kind] += 1

    def cut_off(self, machine: Machine) -> None:
        """Let nothing of a machine get through."""
        self._cut_off.add(machine.name)

    def let_through(self, machine: Machine) -> None:
        """End that."""
        self._cut_off.discard(machine.name)

    def is_cut_off(self, machine: Machine) -> bool:
        """Whether nothing of it gets through."""
        return machine.name in self._cut_off

    def calm(self) -> None:
        """Let nothing go wrong any more."""
        self.is_raging = self.store_is_out = False
        self.outage = ""
        self._cut_off.clear()

    def _can_be(self, kind: str, operation: str) -> bool:
        if self._fifo and kind in _TWICE:
            return False
        return operation in _ONLY.get(kind, (operation,))

    def _counted(self, operation: str, kind: str, fault: Fault) -> Fault:
        self.counts[operation, kind] += kind not in _TWICE
        self._note(kind)
        return fault

    def _absence(self) -> Refusal | NoAnswer:
        match self.outage:
            case "server errors":
                return self._refusal(*_SERVER_ERRORS)
            case "throttling":
                return self._refusal("RequestThrottled")
            case "credentials expired":
                return self._refusal("ExpiredTokenException")
            case _:
                return NoAnswer()

    def _refusal(self, *shapes: str) -> Refusal:
        return Refusal(self._random.choice(shapes), "the storm")

    def _fault(self, kind: str) -> Fault:
        delay = self._random.choice((0.0, 0.0, 0.5, 3.0)) * self._random.random()
        match kind:
            case "lost request":
                return Fault(delay=delay, before=NoAnswer())
            case "lost answer":
                return Fault(delay=delay, after=NoAnswer())
            case "server error":
                return Fault(delay=delay, before=self._refusal(*_SERVER_ERRORS))
            case "server error after":
                return Fault(delay=delay, after=self._refusal(*_SERVER_ERRORS))
            case "throttled":
                return Fault(before=self._refusal("RequestThrottled"))
            case "credentials expired":
                return Fault(before=self._refusal("ExpiredTokenException"))
            case "KMS throttled":
                return Fault(before=self._refusal("KmsThrottled"))
            case "failed entries":
                size = self._entries()
                positions = self._random.sample(range(size), self._random.randint(1, min(6, size)))
                return Fault(entries={position: self._entry_refusal() for position in positions})
            case "duplicate":
                return Fault(duplicate=True)
            case "resurrect":
                return Fault(resurrect=True)
            case _:
                return Fault(delay=self._random.uniform(0.2, 8.0))

    def _entry_refusal(self) -> Refusal:
        return self._refusal("InternalFailure", "ServiceUnavailable", "RequestThrottled")
