"""The model against much simpler ones, under sequences of calls that hypothesis makes up.

The simple ones keep plain lists and look through all of them at every step; what they say must be what
the model says, whatever happens in whatever order.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from tests.transport.model_world import World
from tests.trials import examples

from sqsjobs.transport.model import Refusal

SECONDS = st.sampled_from([0, 1, 2, 5, 30, 299, 300, 400])


@dataclass
class Known:
    """A message as the simple model knows it."""

    id: str
    body: str
    sent_at: float
    hidden_until: float
    group: str = ""
    delayed: bool = False
    receives: int = 0
    received_at: float = 0.0
    handle: str = ""


@dataclass
class Simple:
    """A queue with its dead-letter queue, as lists."""

    retention: float = 10_000.0
    max_receive_count: int = 3
    alive: list[Known] = field(default_factory=list)
    dead: list[Known] = field(default_factory=list)

    def at(self, now: float) -> None:
        """Let time pass."""
        self.alive = [it for it in self.alive if it.sent_at + self.retention > now]
        self.dead = [it for it in self.dead if it.sent_at + 345_600 > now]
        for it in self.alive:
            if it.hidden_until <= now:
                it.delayed = False

    def counts(self, now: float) -> tuple[int, int, int]:
        hidden = [it for it in self.alive if it.hidden_until > now]
        delayed = sum(it.delayed for it in hidden)
        return len(self.alive) - len(hidden), len(hidden) - delayed, delayed


class StandardQueue(RuleBasedStateMachine):
    """Nothing is lost, nothing is given out while it is hidden, counts are right, poison ends in the dead-letter queue."""

    handles: Bundle[str] = Bundle("handles")

    @initialize()
    def create(self) -> None:
        self.world = World()
        self.simple = Simple()
        self.world.create_with_dead_letter_queue("jobs", "dead", max_receive_count=3)
        self.world.model.account.set_attributes("jobs", {"MessageRetentionPeriod": "10000"})

    @property
    def now(self) -> float:
        return self.world.clock.time

    @rule(delay=st.sampled_from([0, 0, 1, 60, 900]))
    def send(self, delay: int) -> None:
        sent = self.world.send("jobs", "x", delay=delay)
        self.simple.alive.append(Known(sent.message_id, "x", self.now, self.now + delay, delayed=delay > 0))

    @rule(target=handles, limit=st.integers(1, 10), visibility=SECONDS)
    def receive(self, limit: int, visibility: int):
        visible = {it.id: it for it in self.simple.alive if it.hidden_until <= self.now}
        received = self.world.receive("jobs", limit=limit, visibility=visibility)
        exhausted = [it for it in visible.values() if it.receives >= 3]
        moved = [it for it in exhausted if it.id not in self._ids_in("jobs")]
        for it in moved:
            self.simple.alive.remove(it)
            self.simple.dead.append(it)
        assert len({it.message_id for it in received}) == len(received)
        assert len(received) == min(limit, len(visible) - len(exhausted)) or len(moved) < len(exhausted)
        for receipt in received:
            known = visible[receipt.message_id]
            known.receives += 1
            assert receipt.receive_count == known.receives <= 3
            known.hidden_until, known.received_at, known.handle = self.now + visibility, self.now, receipt.handle
        return multiple(*(it.handle for it in received))

    @rule(handle=handles)
    def delete(self, handle: str) -> None:
        self.world.model.leases.delete("jobs", handle)
        self.simple.alive = [it for it in self.simple.alive if it.handle != handle]

    @rule(handle=handles, seconds=SECONDS)
    def change_visibility(self, handle: str, seconds: int) -> None:
        known = next((it for it in self.simple.alive if it.handle == handle), None)
        try:
            self.world.model.leases.change_visibility("jobs", handle, seconds)
        except Refusal:
            assert known is None, "a handle of the latest receipt holds"
        else:
            assert known is not None, "a stale handle holds nothing"
            known.hidden_until = self.now + seconds

    @rule(seconds=st.sampled_from([0.1, 1 / 3, 1, 5, 30, 900, 5_000]))
    def elapse(self, seconds: float) -> None:
        self.world.elapse(seconds)
        self.simple.at(self.now)

    @rule()
    def elapse_until_something_changes(self) -> None:
        """Whoever sleeps until then finds the change made, and the next one later."""
        when = self.world.model.account.queue("jobs").next_change()
        if when is not None:
            self.world.clock.time = when
            self.simple.at(when)
            later = self.world.model.account.queue("jobs").next_change()
            assert later is None or later > when

    @invariant()
    def counts_and_contents_agree(self) -> None:
        assert self.world.counts("jobs") == self.simple.counts(self.now)
        assert self._ids_in("jobs") == {it.id for it in self.simple.alive}
        assert self._ids_in("dead") == {it.id for it in self.simple.dead}

    @invariant()
    def the_next_change_is_never_late(self) -> None:
        changes = [it.hidden_until for it in self.simple.alive if it.hidden_until > self.now]
        next_change = self.world.model.account.queue("jobs").next_change()
        assert not changes or (next_change is not None and next_change <= min(changes))

    def _ids_in(self, queue: str) -> set[str]:
        return set(self.world.model.account.queue(queue).messages)


class FifoQueue(RuleBasedStateMachine):
    """Per group the order of sending holds, whatever is released, extended, deleted or expires."""

    handles: Bundle[str] = Bundle("handles")

    @initialize()
    def create(self) -> None:
        self.world = World()
        self.world.create("jobs.fifo")
        self.alive: list[Known] = []
        self.remembered: dict[str, tuple[float, str]] = {}

    @property
    def now(self) -> float:
        return self.world.clock.time

    @rule(group=st.sampled_from("ab"), deduplication_id=st.sampled_from([str(n) for n in range(12)]))
    def send(self, group: str, deduplication_id: str) -> None:
        sent = self.world.send("jobs.fifo", "x", group=group, deduplication_id=deduplication_id)
        until, message_id = self.remembered.get(deduplication_id, (0.0, ""))
        if until > self.now:
            assert sent.message_id == message_id
        else:
            self.remembered[deduplication_id] = (self.now + 300, sent.message_id)
            self.alive.append(Known(sent.message_id, "x", self.now, self.now, group))

    @rule(target=handles, limit=st.integers(1, 4), visibility=SECONDS)
    def receive(self, limit: int, visibility: int):
        available = {group: self._prefix(group) for group in "ab"}
        received = self.world.receive("jobs.fifo", limit=limit, visibility=visibility)
        assert len(received) == min(limit, sum(map(len, available.values())))
        for receipt in received:
            known = available[receipt.group or ""].pop(0)
            assert receipt.message_id == known.id, "the first of its group"
            known.handle, known.hidden_until = receipt.handle, self.now + visibility
        return multiple(*(it.handle for it in received))

    @rule(handle=handles)
    def delete(self, handle: str) -> None:
        held = self._held(handle)
        try:
            self.world.model.leases.delete("jobs.fifo", handle)
        except Refusal:
            assert held is None
        else:
            self.alive = [it for it in self.alive if it is not held]

    @rule(handle=consumes(handles), seconds=SECONDS)
    def change_visibility(self, handle: str, seconds: int) -> None:
        held = self._held(handle)
        try:
            self.world.model.leases.change_visibility("jobs.fifo", handle, seconds)
        except Refusal:
            assert held is None
        else:
            assert held is not None
            held.hidden_until = self.now + seconds

    @rule(seconds=st.sampled_from([0.5, 1, 5, 30, 300]))
    def elapse(self, seconds: float) -> None:
        self.world.elapse(seconds)

    @invariant()
    def contents_agree(self) -> None:
        assert set(self.world.model.account.queue("jobs.fifo").messages) == {it.id for it in self.alive}

    def _prefix(self, group: str) -> list[Known]:
        found: list[Known] = []
        for it in self.alive:
            if it.group == group:
                if it.hidden_until > self.now:
                    break
                found.append(it)
        return found

    def _held(self, handle: str) -> Known | None:
        return next((it for it in self.alive if it.handle == handle and it.hidden_until > self.now), None)


TestStandardQueue = StandardQueue.TestCase
TestStandardQueue.settings = examples(60, stateful_step_count=40)
TestFifoQueue = FifoQueue.TestCase
TestFifoQueue.settings = examples(60, stateful_step_count=40)
