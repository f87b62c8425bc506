"""A plan of what goes wrong on the local server: rules, each with a kind of fault, and the calls that it strikes.

{"seed": 7, "rules": [
    {"kind": "throttled", "rate": 0.05},
    {"kind": "drop-after", "operation": "SendMessageBatch", "calls": [1, 3]},
    {"kind": "latency", "queue": "images", "rate": 0.2, "seconds": 1.5}
]}
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Final, Self

import msgspec

from sqsjobs.errors import ConfigurationError
from sqsjobs.local.mishaps import KINDS, Mishap
from sqsjobs.local.operations import OPERATIONS

__all__ = ["FaultPlan", "FaultRule", "Struck"]

_OPERATIONS: Final = frozenset({*OPERATIONS, "ReceiveMessage"})


class FaultRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which calls a kind of fault strikes.

    Attributes:
        kind: one of `KINDS`, such as ``"drop-after"``.
        operation: such as ``"ReceiveMessage"``; None for all that the kind can happen to.
        queue: the queue that a call is about; None for all.
        rate: how probable it is for each such call, from 0 to 1.
        calls: in place of a rate, which of such calls: 1 is the first.
        seconds: how long it takes, where time plays a part; None for what the kind usually takes.

    Raises:
        ConfigurationError: if it strikes nothing, or what cannot be.
    """

    kind: str
    operation: str | None = None
    queue: str | None = None
    rate: float | None = None
    calls: frozenset[int] = frozenset()
    seconds: float | None = None

    def __post_init__(self) -> None:
        kind = KINDS.get(self.kind)
        if kind is None:
            raise ConfigurationError(f"no kind of fault is called {self.kind!r}; there are {', '.join(KINDS)}")
        if self.operation is not None and self.operation not in _OPERATIONS:
            raise ConfigurationError(f"SQS has no operation {self.operation!r}; one is ReceiveMessage")
        if self.operation is not None and not kind.can_happen_to(self.operation):
            possible = ", ".join(sorted(kind.operations or ()))
            raise ConfigurationError(f"{self.kind!r} cannot happen to {self.operation}, only to {possible}")
        if (self.rate is None) == (not self.calls):
            raise ConfigurationError(f"a rule says either how often {self.kind!r} strikes (rate) or when (calls)")
        if self.rate is not None and not 0 <= self.rate <= 1:
            raise ConfigurationError(f"the rate of {self.kind!r} is from 0 to 1, not {self.rate}")
        if self.seconds is not None and not 0 <= self.seconds <= 3600:
            raise ConfigurationError(f"the seconds of {self.kind!r} are from 0 to 3,600, not {self.seconds}")

    def concerns(self, operation: str, queue: str | None) -> bool:
        """Whether it may strike such a call."""
        return (
            (self.operation is None or self.operation == operation)
            and (self.queue is None or self.queue == queue)
            and KINDS[self.kind].can_happen_to(operation)
        )


class _Plan(msgspec.Struct, forbid_unknown_fields=True):
    rules: list[FaultRule]
    seed: int = 0


class _Report(msgspec.Struct):
    seed: int
    rules: list[FaultRule]
    calls: int
    injected: dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Struck:
    """A call that a fault has struck.

    Attributes:
        kind: of the fault.
        operation: of the call.
        queue: that it was about, or empty.
        asked: the request's body.
        answered: the body of the answer, whatever became of it on its way; empty if nothing was carried out.
    """

    kind: str
    operation: str
    queue: str
    asked: bytes
    answered: bytes


class FaultPlan:
    """Decides for every call whether a fault strikes it, and counts those that did.

    A call is struck by the first of the rules that hits it. Each rule has a random sequence of its own, so that
    the same seed strikes the same of the calls that the rule concerns, whatever else is called.

    Args:
        rules: in order.
        seed: of the random sequences.
        observer: is told of every call that was struck, when its answer was made; it must not block.

    Attributes:
        calls: how many there were.
        injected: how often each kind struck each operation: ``injected["SendMessageBatch", "drop-after"]``.
    """

    def __init__(
        self, rules: list[FaultRule], *, seed: int = 0, observer: Callable[[Struck], None] | None = None
    ) -> None:
        self.observer: Callable[[Struck], None] | None = observer
        self.calls: int = 0
        self.injected: Counter[tuple[str, str]] = Counter()
        self._seed = seed
        self._rules = [(rule, Random(f"{seed} {position}"), Counter[str]()) for position, rule in enumerate(rules)]

    def __repr__(self) -> str:
        return f"<FaultPlan of {len(self._rules)} rules: {self.injected.total()} of {self.calls} calls struck>"

    @classmethod
    def read(cls, text: str | bytes) -> Self:
        """Return the plan that a JSON text is.

        Raises:
            ConfigurationError: if it is none.
        """
        try:
            plan = msgspec.json.decode(text, type=_Plan)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f'this is no plan of faults: {error}; one is {{"rules": []}}') from error
        return cls(plan.rules, seed=plan.seed)

    def report(self) -> bytes:
        """Return the plan and what has become of it, as JSON."""
        by_operation: dict[str, dict[str, int]] = {}
        for (operation, kind), times in sorted(self.injected.items()):
            by_operation.setdefault(operation, {})[kind] = times
        rules = [rule for rule, _, _ in self._rules]
        return msgspec.json.encode(_Report(self._seed, rules, self.calls, by_operation))

    def strike(self, operation: str, queue: str | None) -> Mishap | None:
        """Return what goes wrong with a call, or None."""
        self.calls += 1
        for rule, random, seen in self._rules:
            if rule.concerns(operation, queue) and _hits(rule, random, seen):
                kind = KINDS[rule.kind]
                self.injected[operation, rule.kind] += 1
                return replace(
                    kind.mishap(rule.seconds if rule.seconds is not None else kind.seconds, random), kind=rule.kind
                )
        return None

    def tell(self, struck: Struck) -> None:
        """Tell the observer, if there is one."""
        if self.observer is not None:
            self.observer(struck)


def _hits(rule: FaultRule, random: Random, seen: Counter[str]) -> bool:
    seen["calls"] += 1
    return seen["calls"] in rule.calls if rule.rate is None else random.random() < rule.rate
