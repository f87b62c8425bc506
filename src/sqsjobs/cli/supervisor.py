"""Several worker processes under one: keeps them running, passes signals on, and speaks for them.

A child that dies is replaced, the sooner the longer it lived. Nobody is given up: a platform sees from `/readyz` and
from ``sqsjobs_process_restarts_total`` what goes on. Only an error of configuration, which every child has alike,
ends them all.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import structlog

from sqsjobs.cli.children import Child
from sqsjobs.cli.exits import FORCED, OK, USAGE
from sqsjobs.cli.link import Question
from sqsjobs.cli.signals import on_stop_signals
from sqsjobs.observability.health import HealthServer

__all__ = ["EndWith", "FleetProbe", "Replace", "Supervisor", "next_step"]

_LONG_LIFE: Final = 60.0
"""Seconds after which a death says nothing about the next child."""
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
_PATIENCE: Final = 0.8
"""Seconds that a child may take to answer; Kubernetes itself waits for one."""
_SILENCE: Final = 60.0
"""Seconds after which a child that answers nothing hangs: until then it is starting, or native code keeps it from it."""

_log = structlog.get_logger("sqsjobs")


@dataclass(frozen=True, slots=True)
class Replace:
    """Another child is to be started after `pause` seconds; `deaths` were quick ones in a row."""

    pause: float
    deaths: int


@dataclass(frozen=True, slots=True)
class EndWith:
    """No other child is to follow; `everywhere`, if the others must end as well."""

    code: int
    everywhere: bool = False


def next_step(code: int, *, lived: float, deaths: int, burst: bool, stopping: bool) -> Replace | EndWith:
    """Decide what follows from a child's death.

    Args:
        code: its exit code; negative for a signal.
        lived: seconds since it was started.
        deaths: how often in a row its predecessors died young.
        burst: whether a child that ends well has done its share.
        stopping: whether the supervisor was asked to stop.
    """
    if code == USAGE:
        return EndWith(USAGE, everywhere=True)
    if stopping:  # by SIGTERM: before it had begun, so nothing was in its hands
        return EndWith(OK if code == -signal.SIGTERM else code if code >= 0 else FORCED)
    if burst and code == OK:
        return EndWith(OK)
    deaths = 1 if lived >= _LONG_LIFE else deaths + 1
    return Replace(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(deaths - 1, 10)), deaths)


@dataclass(slots=True)
class _Place:
    """One of the N processes; children come and go in it."""

    index: int
    child: Child | None = None
    restarts: int = 0


Command: TypeAlias = Sequence[str]
"""The command line of a child, to which ``--supervised`` and the link's descriptor are added."""


@dataclass(slots=True)
class Supervisor:
    """Keeps `processes` children running until it is stopped or, with `burst`, until they have ended well.

    Args:
        command: the children's command line.
        processes: how many there are.
        burst: whether a child that ends well is not replaced.
        kill_after: seconds from the stop until a child that is still there is killed.
        health: the port and host to answer the platform on, or None.
    """

    command: Command
    processes: int
    burst: bool = False
    kill_after: float = 35.0
    health: tuple[int, str] | None = None
    _places: list[_Place] = field(init=False)
    _stopping: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._places = [_Place(index) for index in range(self.processes)]

    def __repr__(self) -> str:
        running = sum(place.child is not None for place in self._places)
        return f"<Supervisor of {running}/{self.processes} processes{', stopping' * self._stopping.is_set()}>"

    async def run(self) -> int:
        """Run the children; return the exit code: the worst of theirs."""
        async with AsyncExitStack() as around:
            around.enter_context(on_stop_signals(self.stop))
            if self.health is not None:
                around.enter_context(HealthServer(FleetProbe(self, asyncio.get_running_loop()), *self.health))
            async with asyncio.TaskGroup() as group:
                lives = [group.create_task(self._keep_running(place)) for place in self._places]
        return max(life.result() for life in lives)

    def stop(self, reason: str) -> None:
        """Ask every child to stop; asked twice, at once."""
        _log.info("supervisor stopping", reason=reason, at_once=self._stopping.is_set())
        if not self._stopping.is_set():
            self._stopping.set()
            asyncio.get_running_loop().call_later(self.kill_after, self._kill)
        for child in self._children():
            child.send_signal(signal.SIGTERM)

    def _kill(self) -> None:
        for child in self._children():
            child.send_signal(signal.SIGKILL)

    def _children(self) -> list[Child]:
        return [place.child for place in self._places if place.child is not None]

    async def _keep_running(self, place: _Place) -> int:
        deaths = 0
        while not self._stopping.is_set():
            code, lived = await self._one_life(place)
            step = next_step(code, lived=lived, deaths=deaths, burst=self.burst, stopping=self._stopping.is_set())
            match step:
                case EndWith(code=code, everywhere=everywhere):
                    if everywhere and not self._stopping.is_set():
                        self.stop("a process cannot be configured")
                    return code
                case Replace(pause=pause, deaths=deaths):
                    _log.warning("process died and is replaced", process=place.index, code=code, pause=pause)
                    place.restarts += 1
                    await self._pause(pause)
        return OK

    async def _one_life(self, place: _Place) -> tuple[int, float]:
        """Start a child and wait for its end; return its exit code and how long it lived."""
        child = place.child = await Child.start(self.command)
        _log.info("process started", process=place.index, pid=child.process.pid)
        if self._stopping.is_set():  # the signal came while it was being started
            child.send_signal(signal.SIGTERM)
        try:
            return await child.ended(), asyncio.get_running_loop().time() - child.started_at
        finally:
            place.child = None

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass

    async def ask(self, question: Question) -> list[Answer]:
        """Ask every child at once."""
        return await asyncio.gather(*(self._ask(place, question) for place in self._places))

    async def _ask(self, place: _Place, question: Question) -> Answer:
        if (child := place.child) is None:
            return Answer(place.index, place.restarts, "", running=False)
        text = await child.link.ask(question, within=_PATIENCE)
        return Answer(place.index, place.restarts, text, silence=child.link.silence)


@dataclass(frozen=True, slots=True)
class Answer:
    """What there is to say of one process.

    Attributes:
        process: its index.
        restarts: how often it was replaced.
        text: what the child answered; None if it did not.
        running: whether there is a child just now.
        silence: seconds for which the child has answered nothing.
    """

    process: int
    restarts: int
    text: str | None
    running: bool = True
    silence: float = 0.0


class FleetProbe:
    """Speaks for the children of a supervisor; asked by the threads of the health server.

    Live, while every child that runs answers and is live: a dead one is the supervisor's business, a hung one is the
    platform's. Ready, while all of them run and are ready.
    """

    def __init__(self, supervisor: Supervisor, loop: asyncio.AbstractEventLoop) -> None:
        self._supervisor = supervisor
        self._loop = loop

    def live(self) -> str:
        return _problems(
            (answer.process, f"has answered nothing for {answer.silence:.0f} s" if answer.text is None else answer.text)
            for answer in self._ask("live")
            if answer.text is not None or answer.silence > _SILENCE
        )

    def ready(self) -> str:
        return _problems(
            (answer.process, "does not answer" if answer.text is None else answer.text)
            if answer.running
            else (answer.process, "does not run")
            for answer in self._ask("ready")
        )

    def metrics(self) -> str:
        from sqsjobs.observability.metrics import merged  # noqa: PLC0415 - only where somebody asks

        return merged(
            {
                str(answer.process): f"{answer.text or ''}\n{_RESTARTS.format(answer.restarts)}"
                for answer in self._ask("metrics")
            }
        )

    def _ask(self, question: Question) -> list[Answer]:
        asking = asyncio.run_coroutine_threadsafe(self._supervisor.ask(question), self._loop)
        return asking.result(_PATIENCE + 5)


def _problems(said: Iterable[tuple[int, str]]) -> str:
    return "; ".join(f"process {process}: {problem}" for process, problem in said if problem)


_RESTARTS = """\
# HELP sqsjobs_process_restarts_total How often this worker process was replaced.
# TYPE sqsjobs_process_restarts_total counter
sqsjobs_process_restarts_total {}
"""
