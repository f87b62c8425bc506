"""The workers and their machines: hired, watched, replaced when they have gone, stopped at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import inf
from random import Random
from typing import Any

from tests.simulation.ledger import Ledger
from tests.simulation.loop import Machine, State, VirtualLoop
from tests.simulation.scenario import Scenario
from tests.simulation.stage import NEW_TASKS, OLD_TASKS
from tests.simulation.watch import Watch

from sqsjobs.errors import TransportError
from sqsjobs.events import fan_out
from sqsjobs.store.base import JobStore
from sqsjobs.transport.base import Transport
from sqsjobs.transport.memory_sqs import MemorySQS
from sqsjobs.worker.heartbeat import Heart
from sqsjobs.worker.options import WatchedQueue, WorkerOptions
from sqsjobs.worker.worker import Worker

__all__ = ["Employed", "Staff"]

_RELEASED = 2.0
"""Seconds after a worker's exit in which its messages must be visible …"""
_UNSTOPPED = 2.0
"""… and how many more those have whose runs did not end when they were asked to."""
_POLLED = 3.0
"""Seconds beyond the wait of its polls after which all is visible that a worker had which was stopped at once."""

_SHIFT_ENDS = 60.0

LinesOf = Callable[[Machine], tuple[Transport, JobStore | None]]
"""Gives a machine its ways to SQS and to the job store."""


@dataclass(slots=True, eq=False)
class Employed:
    """A worker on its machine; `stopping` says how it was asked to stop, `stopping_at` when."""

    machine: Machine
    worker: Worker
    watch: Watch
    stopping: str = ""
    stopping_at: float = inf


class Staff:
    """The workers of a run.

    Args:
        do: starts a chore that belongs to no machine.
    """

    def __init__(
        self,
        scenario: Scenario,
        loop: VirtualLoop,
        ledger: Ledger,
        sqs: MemorySQS,
        *,
        lines_of: LinesOf,
        do: Callable[..., object],
    ) -> None:
        self._scenario = scenario
        self._loop = loop
        self._ledger = ledger
        self._sqs = sqs
        self._lines_of = lines_of
        self._do = do
        self._random = Random(f"staff {scenario.seed}")
        self._is_over = self._is_closed = False
        self.all: list[Employed] = []

    @property
    def living(self) -> list[Employed]:
        """Those whose machines have not gone."""
        return [employed for employed in self.all if employed.machine.state is not State.GONE]

    @property
    def running(self) -> list[Employed]:
        """Those of them whose machines are not suspended."""
        return [employed for employed in self.all if employed.machine.state is State.RUNNING]

    def begin(self) -> None:
        """Hire all workers, for good or for their shifts."""
        if self._scenario.shifts:
            self._do(self._work_in_shifts(*self._scenario.shifts))
        else:
            self._hire_all()

    def _hire_all(self) -> None:
        for options in self._scenario.workers:
            self.hire(options)

    async def _work_in_shifts(self, every: float, length: float) -> None:
        while not self._is_closed:
            self._is_over = False
            self._hire_all()
            await asyncio.sleep(length)
            await self.stop_all(_SHIFT_ENDS)
            await asyncio.sleep(every - length - _SHIFT_ENDS)

    async def close(self, within: float) -> None:
        """Stop them all, for good."""
        self._is_closed = True
        await self.stop_all(within)

    def hire(self, options: dict[str, Any]) -> None:
        """Start a worker on a machine of its own, and another one when that machine has gone, as supervisors do."""
        number, name = len(self.all), f"w{len(self.all)}"
        skews = self._scenario.skews
        machine = Machine(self._loop, name, skew=skews[number % len(skews)])
        watch = Watch(machine, self._sqs, self._ledger)
        worker = watch.worker = self._worker(machine, watch, options, old=number > 0 and self._is_old())
        self._ledger.tell(name, f"starts: {options}")
        employed = Employed(machine, worker, watch)
        self.all.append(employed)
        machine.run(self._work(employed))
        self._do(self._replace(employed, options))

    def _is_old(self) -> bool:
        return self._random.random() < self._scenario.old_workers

    def _worker(self, machine: Machine, watch: Watch, options: dict[str, Any], *, old: bool) -> Worker:
        scenario = self._scenario
        transport, store = self._lines_of(machine)
        return Worker(
            registry=OLD_TASKS if old else NEW_TASKS,
            transport=transport,
            store=store,
            tracking=scenario.tracking,
            queues=[WatchedQueue(queue, weight) for weight, queue in enumerate(scenario.queues, start=1)],
            options=WorkerOptions(**options),
            observer=fan_out([watch]),
            name=machine.name,
            clock=machine.clock,
            random=Random(f"{machine.name} {scenario.seed}"),
            beating=beating_in_loop,
        )

    async def _work(self, employed: Employed) -> None:
        """Be the process: run the worker, look what it leaves behind, and exit."""
        machine, ledger = employed.machine, self._ledger
        try:
            clean = await employed.worker.run()
        except TransportError as problem:
            ledger.tell(machine.name, f"cannot start: {problem}")
        except Exception as problem:
            ledger.break_("I15", f"{machine.name} ended by itself: {problem!r}")
        else:
            await asyncio.sleep(0.001)
            self._check_exit(employed, clean=clean)
        self._end(machine)

    def _check_exit(self, employed: Employed, *, clean: bool) -> None:
        """Look after a stop. One at once leaves polls open, and what they bring comes back by itself."""
        if employed.stopping == "at once":
            self._do(self._check_released_at_once(employed))
            return
        employed.watch.check_left(clean=clean)
        self._do(self._check_released(employed))

    async def _check_released(self, employed: Employed) -> None:
        exited_at, watch = self._ledger.now, employed.watch
        unstopped = watch.unstopped()
        await asyncio.sleep(_RELEASED)
        watch.check_released(exited_at, sparing=unstopped)
        await asyncio.sleep(_UNSTOPPED)
        watch.check_released(exited_at)

    async def _check_released_at_once(self, employed: Employed) -> None:
        exited_at = self._ledger.now
        await asyncio.sleep(employed.worker.options.poll_wait + _POLLED)
        employed.watch.check_released(exited_at, had_by=employed.stopping_at)

    async def _replace(self, employed: Employed, options: dict[str, Any]) -> None:
        await employed.machine.gone.wait()
        await asyncio.sleep(self._random.uniform(0.1, 4))
        if not self._is_over:
            self.hire(options)

    def kill(self, machine: Machine) -> None:
        """End a machine as SIGKILL does."""
        if machine.state is not State.GONE:
            self._ledger.end(self._ledger.begin("killed", machine.name))
            self._end(machine)

    def _end(self, machine: Machine) -> None:
        ledger = self._ledger
        machine.kill()
        ledger.gone_at[machine.name] = ledger.now
        for runs in ledger.runs.values():
            for run in runs:
                if run.machine == machine.name and run.how == "going on":
                    run.ended, run.how = ledger.now, "killed"

    def stop(self, employed: Employed, *, at_once: bool = False) -> None:
        """Ask a worker to stop, as a signal does; twice, so that it stops at once."""
        if employed.stopping:
            return
        employed.stopping = "at once" if at_once else "gracefully"
        employed.stopping_at = self._ledger.now
        self._ledger.counts[f"stopped {employed.stopping}"] += 1
        self._ledger.tell(employed.machine.name, f"is asked to stop {employed.stopping}")
        employed.machine.run(_ask_to_stop(employed.worker, times=1 + at_once))

    async def stop_all(self, within: float) -> None:
        """I15: stop them all, and replace none; each ends in time."""
        self._is_over = True
        for employed in self.living:
            self.stop(employed)
        until = self._ledger.now + within
        while self.living and self._ledger.now < until:
            await asyncio.sleep(0.5)
        if self.living:
            names = [employed.machine.name for employed in self.living]
            self._ledger.break_("I15", f"{names} have not stopped {within:g} s after they were asked to")


async def _ask_to_stop(worker: Worker, *, times: int) -> None:
    for _ in range(times):
        worker.stop("the simulation says so")


@asynccontextmanager
async def beating_in_loop(
    heart: Heart, transport: Transport, store: JobStore | None
) -> AsyncIterator[asyncio.Future[None]]:
    """Run a heart in the worker's own loop, in place of a thread."""
    stop = asyncio.Event()
    beating = asyncio.ensure_future(heart.beat_until_stopped(stop, transport, store))
    try:
        yield beating
    finally:
        stop.set()
        await beating
