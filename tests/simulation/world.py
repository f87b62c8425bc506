"""One run: the scenario of a seed, played from its first job to the last, and what the ledger says of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

from anyio._backends._asyncio import _task_states
from tests.simulation.blows import Blows
from tests.simulation.fates import check_fates, letters_in
from tests.simulation.ledger import Ledger
from tests.simulation.lines import SqsLine, StoreLine
from tests.simulation.loop import BEGINNING, Machine, MachineClock, VirtualLoop
from tests.simulation.network import Network, entries, note_fault, sender
from tests.simulation.producing import produce
from tests.simulation.runs import check_runs, duplicates_of
from tests.simulation.scenario import Kind, Scenario
from tests.simulation.staff import Staff
from tests.simulation.stage import Stage, stage
from tests.simulation.storm import Storm
from tests.simulation.witness import watch_sqs, watch_store

from sqsjobs.store.base import JobStore
from sqsjobs.store.memory import MemoryStore
from sqsjobs.transport.base import Transport
from sqsjobs.transport.memory import MemoryTransport
from sqsjobs.transport.memory_sqs import MemorySQS

__all__ = ["Report", "World"]

_LOOKS = 360
"""How often, while there is patience, it is looked whether all has ended."""
_STOPPED_WITHIN = 60.0
_AFTERMATH = 5.0
"""Seconds in which what was left behind can still be seen."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a run came to.

    Attributes:
        violations: the invariants that did not hold: which, and how.
        trace: of what was involved in them; all of it, if asked for.
        digest: a hash of the whole trace: the same seed gives the same.
        seconds: of virtual time.
        counts: jobs, runs, calls, blows.
        ends: of the jobs that SQS had accepted.
        faults: what went wrong with calls, by operation and kind.
        duplicates: runs that nobody had asked for, by cause.
    """

    seed: int
    kind: Kind
    violations: tuple[str, ...]
    trace: tuple[str, ...]
    digest: str
    seconds: float
    counts: Counter[str]
    ends: Counter[str]
    faults: Counter[tuple[str, str]]
    duplicates: Counter[str]


class World:
    """Machines, network, SQS and job store of one run."""

    def __init__(self, scenario: Scenario, loop: VirtualLoop) -> None:
        seed = scenario.seed
        self._scenario = scenario
        self._loop = loop
        self._ledger = ledger = Ledger(loop.time)
        stage.set(Stage(ledger, {play.number: play for play in scenario.plays}, self._kill, scenario.down))
        self._storm = Storm(
            Random(f"storm {seed}"),
            rate=scenario.fault_rate,
            store_rate=scenario.store_fault_rate,
            fifo=scenario.fifo,
            twice=scenario.twice,
            entries=entries,
            note=self._note_fault,
        )
        self._sqs = MemorySQS(
            clock=MachineClock(loop),
            seed=seed,
            stale_handles=scenario.stale_handles,
            max_in_flight=scenario.max_in_flight,
            faults=self._storm,
        )
        self._transport = MemoryTransport(self._sqs)
        self._store = MemoryStore(clock=MachineClock(loop)) if scenario.has_store else None
        self._network = Network(loop, self._storm, Random(f"network {seed}"))
        self._producer = Machine(loop, "producer", skew=scenario.skews[-1])
        self._chores: list[asyncio.Task[None]] = []
        self._unseen: list[str] = []
        self._duplicates: Counter[str] = Counter()
        self._ends: Counter[str] = Counter()
        self._staff = Staff(scenario, loop, ledger, self._sqs, lines_of=self._lines_of, do=self._do)
        self._blows = Blows(scenario, self._storm, self._staff, self._producer, ledger)

    async def play(self) -> None:
        """Play it all, and check what came of it.

        Raises:
            Livelock: time does not go on.
        """
        scenario = self._scenario
        self._loop.set_exception_handler(lambda _, context: self._unseen.append(_told(context)))
        async with self._services():
            producing = self._producer.run(self._produce())
            self._staff.begin()
            for blow in scenario.blows:
                self._do(self._blows.strike(*blow))
            await asyncio.sleep(scenario.storm)
            self._ledger.tell("*", "the storm is over")
            self._blows.calm()
            await self._until_all_has_ended(producing)
            await self._staff.close(_STOPPED_WITHIN)
            await asyncio.sleep(_AFTERMATH)
            self._check()

    def break_off(self, problem: Exception) -> None:
        """I19: note that the run did not come to its end."""
        self._ledger.break_("I19", f"the run broke off: {problem!r}")

    def end(self) -> None:
        """Forget the machines: what they still say is not heard."""
        self._ledger.close()
        for machine in (self._producer, *(employed.machine for employed in self._staff.all)):
            machine.forget()
        for task in asyncio.all_tasks(self._loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            _task_states.pop(task, None)  # which would keep it for ever: its cancel scope knows it

    def report(self, *, whole_trace: bool) -> Report:
        """Return what came of it."""
        ledger = self._ledger
        involved = {thing for _, _, about in ledger.violations for thing in about}
        lines = ledger.lines if whole_trace else ledger.about(involved) if ledger.violations else []
        counts = ledger.counts | Counter(
            jobs=len(self._scenario.plays), attempts=sum(len(runs) for runs in ledger.runs.values())
        )
        return Report(
            seed=self._scenario.seed,
            kind=self._scenario.kind,
            violations=tuple(f"{invariant}: {text}" for invariant, text, _ in ledger.violations),
            trace=tuple(map(str, lines)),
            digest=ledger.digest(),
            seconds=self._loop.time() - BEGINNING,
            counts=counts,
            ends=self._ends,
            faults=self._storm.counts,
            duplicates=self._duplicates,
        )

    # What there is

    @asynccontextmanager
    async def _services(self) -> AsyncIterator[None]:
        self._create_queues()
        async with self._transport:
            if self._store is None:
                yield
                return
            watch_store(self._store, self._ledger)
            async with self._store:
                yield

    def _create_queues(self) -> None:
        attributes = {"MessageRetentionPeriod": str(self._scenario.retention)}
        for queue in self._scenario.queues:
            name, dot, fifo = queue.partition(".")
            self._sqs.create_queue(queue, dead_letter_queue=f"{name}-dlq{dot}{fifo}", attributes=attributes)
        random = Random(f"sqs {self._scenario.seed}")
        watch_sqs(self._sqs, self._ledger, sender, random, came_twice=self._storm.came_twice)

    def _lines_of(self, machine: Machine) -> tuple[Transport, JobStore | None]:
        transport = SqsLine(machine, self._network, self._transport, self._ledger)
        if self._store is None:
            return transport, None
        return transport, StoreLine(machine, self._network, self._store, self._storm, self._ledger)

    async def _produce(self) -> None:
        transport, store = self._lines_of(self._producer)
        random = Random(f"producer {self._scenario.seed}")
        await produce(self._scenario, self._producer, transport, store, self._ledger, random)

    def _do(self, chore: Coroutine[Any, Any, None]) -> None:
        """Start what belongs to no machine."""
        self._chores.append(self._loop.create_task(chore, context=self._network.outside.copy()))

    def _note_fault(self, kind: str) -> None:
        """Note what is done to a call, now: its machine may end before it notices a silence."""
        note_fault(kind)
        self._ledger.note_fault(sender())

    def _kill(self, machine: Machine) -> None:
        self._staff.kill(machine)

    # The end

    async def _until_all_has_ended(self, producing: asyncio.Task[Any]) -> None:
        """I19: after the storm everything ends in good time."""
        patience = self._scenario.patience
        until = self._ledger.now + patience
        while not producing.done() or self._waiting():
            if self._ledger.now > until:
                left = self._waiting()
                names = [self._ledger.name(message_id) for message_id in left]
                self._ledger.break_("I19", f"{patience:g} s after the storm there are still {names}", *left)
                return
            await asyncio.sleep(patience / _LOOKS)
        producing.result()

    def _waiting(self) -> list[str]:
        """Return the messages that are still in the queues, dead letters aside."""
        return [message.message_id for queue in self._scenario.queues for message in self._sqs.peek(queue)]

    def _check(self) -> None:
        scenario, ledger = self._scenario, self._ledger
        if self._unseen:
            ledger.break_("I15", f"errors that nobody looked at: {self._unseen[:3]}")
        self._ends = check_fates(scenario, ledger, letters_in(self._sqs, scenario, ledger))
        check_runs(scenario, ledger)
        self._duplicates = duplicates_of(ledger, has_store=scenario.has_store)


def _told(context: dict[str, Any]) -> str:
    return f"{context.get('message')}: {context.get('exception')!r}"
