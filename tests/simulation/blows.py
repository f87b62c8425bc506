"""What befalls machines and services, at the times that the scenario has set."""

from __future__ import annotations

import asyncio
from random import Random

from tests.simulation.ledger import Ledger
from tests.simulation.loop import Machine
from tests.simulation.scenario import Blow, Scenario
from tests.simulation.staff import Employed, Staff
from tests.simulation.storm import OUTAGES, Storm

__all__ = ["Blows"]

_STEPS = (0.3, 5.0, 600.0)
"""Seconds by which a clock is stepped, to and fro."""


class Blows:
    """Strikes. `calm` ends whatever lasts."""

    def __init__(self, scenario: Scenario, storm: Storm, staff: Staff, producer: Machine, ledger: Ledger) -> None:
        self._storm = storm
        self._staff = staff
        self._producer = producer
        self._ledger = ledger
        self._random = Random(f"blows {scenario.seed}")
        self._calm = asyncio.Event()

    def calm(self) -> None:
        """Let everything be as it should."""
        self._calm.set()
        self._storm.calm()

    async def strike(self, at: float, blow: Blow, seconds: float) -> None:
        """Strike at that time, somebody, for so long."""
        await asyncio.sleep(at)
        if blow in ("sqs-outage", "store-outage", "suspend-producer"):
            await self._strike_service(blow, seconds)
        elif running := self._staff.running:
            await self._strike_machine(self._random.choice(running), blow, seconds)

    async def _strike_service(self, blow: Blow, seconds: float) -> None:
        storm = self._storm
        match blow:
            case "sqs-outage":
                storm.outage = self._random.choice(OUTAGES)
                await self._last(f"outage of SQS ({storm.outage})", "sqs", seconds)
                storm.outage = ""
            case "store-outage":
                storm.store_is_out = True
                await self._last("outage of the store", "store", seconds)
                storm.store_is_out = False
            case _:
                await self._suspend(self._producer, seconds)

    async def _strike_machine(self, employed: Employed, blow: Blow, seconds: float) -> None:
        machine = employed.machine
        match blow:
            case "kill":
                self._staff.kill(machine)
            case "suspend":
                await self._suspend(machine, seconds)
            case "cut-off":
                self._storm.cut_off(machine)
                await self._last("cut off", machine.name, seconds)
                self._storm.let_through(machine)
            case "step-clock":
                machine.skew += self._random.choice((-1, 1)) * self._random.choice(_STEPS)
                self._ledger.counts["clock stepped"] += 1
                self._ledger.tell(machine.name, f"its clock is now {machine.skew:+.1f} s wrong")
            case _:
                self._staff.stop(employed, at_once=blow == "stop-at-once")

    async def _suspend(self, machine: Machine, seconds: float) -> None:
        machine.suspend()
        await self._last("suspended", machine.name, seconds)
        machine.resume()

    async def _last(self, kind: str, who: str, seconds: float) -> None:
        span = self._ledger.begin(kind, who)
        try:
            async with asyncio.timeout(seconds):
                await self._calm.wait()
        except TimeoutError:
            pass
        self._ledger.end(span)
