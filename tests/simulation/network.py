"""Between machines and services: requests take time, get lost, and are carried out though nobody waits for the answer.

What arrives is carried out outside of all machines, so that a machine's death takes back nothing that it had sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from tests.simulation.loop import NOON, Machine, VirtualLoop, here
from tests.simulation.storm import Storm

from sqsjobs.errors import StoreUnavailable, TransportUnavailable

__all__ = ["CONTROL_TIMEOUT", "Call", "Network", "entries", "note_fault", "sender"]

T = TypeVar("T")

CONTROL_TIMEOUT = 5.0
"""Seconds after which the real transport gives up on an answer; receives: the wait longer."""


@dataclass(slots=True, eq=False)
class Call:
    """A request on its way, with so many entries; `date` is when it was carried out, `faults` what the storm did to it."""

    machine: Machine
    operation: str
    sent_at: float
    entries: int = 0
    date: int | None = None
    faults: list[str] = field(default_factory=list)


_under_way: ContextVar[Call | None] = ContextVar("call", default=None)
"""The call that SQS is carrying out."""


def note_fault(kind: str) -> None:
    """Note what the storm does to the call that SQS is carrying out."""
    call = _under_way.get()
    if call is not None:
        call.faults.append(kind)


def entries() -> int:
    """Return how many entries the batch has that SQS is carrying out."""
    call = _under_way.get()
    return call.entries if call else 0


def sender() -> str:
    """Return the machine whose call SQS is carrying out."""
    call = _under_way.get()
    return call.machine.name if call else "nobody"


class Network:
    """Carries requests, and answers back."""

    def __init__(self, loop: VirtualLoop, storm: Storm, random: Random) -> None:
        self._loop = loop
        self._storm = storm
        self._random = random
        self.outside: Context = copy_context()
        """The context of what belongs to no machine."""
        self.outside.run(here.set, None)

    async def ask(self, call: Call, act: Callable[[], Awaitable[T]], within: float, silence: Exception) -> T:
        """Have a service carry `act` out; raise `silence` if no answer comes in time."""
        answer: asyncio.Future[T] = self._loop.create_future()
        exchange = self._exchange(call, act, answer)
        self._loop.create_task(exchange, context=self.outside.copy())
        patience = self._loop.call_later(within, _fail, answer, silence)
        try:
            return await answer
        finally:
            patience.cancel()

    async def _exchange(self, call: Call, act: Callable[[], Awaitable[T]], answer: asyncio.Future[T]) -> None:
        _under_way.set(call)
        await asyncio.sleep(self._latency())
        if self._storm.is_cut_off(call.machine):
            call.faults.append("cut off")
            return
        try:
            result = await act()
            call.date = int(NOON + self._loop.read())
        except Exception as error:
            problem = error  # which is the caller's
            await self._return(call, lambda: _fail(answer, problem), silent=_is_silence(problem))
        else:
            await self._return(call, lambda: None if answer.done() else answer.set_result(result))

    async def _return(self, call: Call, tell: Callable[[], object], *, silent: bool = False) -> None:
        """Bring an answer back; a broken connection shows at once, or never."""
        if silent and self._random.random() < 0.5:
            await asyncio.sleep(60)
        await asyncio.sleep(self._latency())
        if self._storm.is_cut_off(call.machine):
            call.faults.append("cut off")
        else:
            tell()

    def _latency(self) -> float:
        """Return the seconds of one way: some milliseconds, now and then a second."""
        usual = self._random.expovariate(200)
        return usual + self._random.random() if self._random.random() < 0.02 * self._storm.is_raging else usual


def _fail(answer: asyncio.Future[Any], problem: Exception) -> None:
    if not answer.done():
        answer.set_exception(problem)
        answer.exception()  # its caller may be dead


def _is_silence(problem: Exception) -> bool:
    return isinstance(problem, TransportUnavailable | StoreUnavailable) and not getattr(problem, "code", None)
