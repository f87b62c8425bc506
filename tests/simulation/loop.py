"""Virtual time, and machines in it: an event loop that jumps to its next timer, shared by processes that can be killed.

A machine is a process of the simulation. What a machine's code schedules carries the machine in its context, so
that the loop knows whose turn each callback is: those of a machine that is suspended are kept until it goes on, those
of one that was killed never run. The code that runs in a machine is the unchanged worker; it notices nothing.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from enum import Enum
from typing import Any

from sqsjobs.clock import CorrectedClock
from sqsjobs.transport.server_time import ServerTime

__all__ = ["AGREED", "BEGINNING", "NOON", "Livelock", "Machine", "MachineClock", "State", "VirtualLoop", "here"]

BEGINNING = 1000.0
"""When virtual time begins, by the clock that only goes forward …"""
AGREED = 2.0
"""Seconds by which the dates of two machines may differ that have heard from SQS, however wrong their clocks are."""
NOON = 1_800_000_000.0
"""… and 0 of that clock by the calendar."""
_READING = 1e-6
"""Seconds that it takes to read a clock, so that no two readings are the same."""
_MOST_TURNS = 20_000
"""Turns of the loop at one moment of time, from which on it is going round in circles."""

here: ContextVar[Machine | None] = ContextVar("machine", default=None)
"""The machine whose code is running; None for what is outside of all of them: the network, SQS, the director."""


class Livelock(Exception):
    """Raised when time does not go on: something waits for nothing, again and again, or for ever."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Never waits: where nothing is ready, the time of the next timer has come. Has no sockets and no threads."""

    def __init__(self) -> None:
        self._virtual_now = BEGINNING
        self._ready: deque[asyncio.Handle]
        super().__init__()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timers_made = 0
        self._idle_turns = 0
        self.tasks_made = 0
        self.set_task_factory(_owned_task)

    def time(self) -> float:
        return self._virtual_now

    def read(self) -> float:
        """Return the time, as a clock tells it."""
        self._virtual_now += _READING
        return self._virtual_now

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = _Timer(when, callback, args, self, context)
        self._timers_made += 1
        heapq.heappush(self._timers, (when, self._timers_made, timer))
        return timer

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = _Callback(callback, args, self, context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def go_on(self, handles: deque[asyncio.Handle]) -> None:
        """Run what was kept for a machine that was suspended."""
        self._ready.extend(handles)

    def _run_once(self) -> None:
        """Do one turn: all that is ready, or else all that is due at the next moment."""
        ready = self._ready
        if not ready:
            self._jump()
        self._idle_turns += 1
        if self._idle_turns > _MOST_TURNS:
            raise Livelock(f"time stands still at {self._virtual_now:.3f}: {list(ready)[:5]}")
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            machine: Machine | None = handle._context.get(here)  # type: ignore[attr-defined]
            if machine is not None and machine.state is not State.RUNNING:
                machine.keep(handle)
            else:
                handle._run()

    def _jump(self) -> None:
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
        if not timers:
            raise Livelock("nothing will ever happen again")
        if timers[0][0] > self._virtual_now:
            self._virtual_now = timers[0][0]
            self._idle_turns = 0
        while timers and timers[0][0] <= self._virtual_now:
            self._ready.append(heapq.heappop(timers)[2])


class _Callback(asyncio.Handle):
    """A handle that is made in half the time: it never asks whether the loop is being debugged."""

    __slots__ = ()

    def __init__(
        self, callback: Callable[..., object], args: tuple[Any, ...], loop: VirtualLoop, context: Context | None
    ) -> None:
        self._context = copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._source_traceback = None

    def cancel(self) -> None:
        self._cancelled = True


class _Timer(asyncio.TimerHandle):
    """A timer likewise."""

    __slots__ = ()

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: VirtualLoop,
        context: Context | None,
    ) -> None:
        self._context = copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._source_traceback = None
        self._when = when
        self._scheduled = False

    def cancel(self) -> None:
        self._cancelled = True


class State(Enum):
    """What a machine is doing."""

    RUNNING = "running"
    SUSPENDED = "suspended"
    GONE = "gone"


class Machine:
    """A process: tasks of its own, and a wall clock that may be wrong.

    Attributes:
        name: in the trace.
        skew: seconds by which its wall clock is ahead.
        server_time: what it has learnt of SQS's clock.
        clock: its own, with dates that follow SQS's.
        state: whether its callbacks run.
        gone: set when it has ended, in whatever way.
    """

    def __init__(self, loop: VirtualLoop, name: str, *, skew: float = 0.0) -> None:
        self.name = name
        self.skew = skew
        self.state = State.RUNNING
        own = MachineClock(loop, self)
        self.server_time = ServerTime(own)
        self.clock = CorrectedClock(own, self.server_time.correction)
        self.gone = asyncio.Event()
        self._loop = loop
        self._kept: deque[asyncio.Handle] = deque()
        self._tasks: list[asyncio.Task[Any]] = []

    def __repr__(self) -> str:
        return f"<Machine {self.name}, {self.state.value}>"

    def run(self, main: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run `main` here; whatever it starts belongs to this machine, too."""
        context = copy_context()
        context.run(here.set, self)
        return self._loop.create_task(main, name=self.name, context=context)

    def own(self, task: asyncio.Task[Any]) -> None:
        """Hold on to a task, so that a machine's end does not let it be collected, and its `finally` run."""
        if len(self._tasks) > 500:
            self._tasks = self.tasks
        self._tasks.append(task)

    @property
    def tasks(self) -> list[asyncio.Task[Any]]:
        """The tasks that have not ended."""
        return [task for task in self._tasks if not task.done()]

    def keep(self, handle: asyncio.Handle) -> None:
        """Take a callback that cannot run now."""
        if self.state is State.SUSPENDED:
            self._kept.append(handle)

    def suspend(self) -> None:
        """Stop it as SIGSTOP does: it misses nothing, but all comes late."""
        self.state = State.SUSPENDED

    def resume(self) -> None:
        """Let it go on."""
        if self.state is State.SUSPENDED:
            self.state = State.RUNNING
            self._loop.go_on(self._kept)
            self._kept = deque()

    def kill(self) -> None:
        """End it as SIGKILL does: nothing of it runs any more, not even a `finally`."""
        self.state = State.GONE
        self.gone.set()
        self._kept.clear()

    def forget(self) -> None:
        """Let go of what was left of it, when nobody looks any more."""
        self.kill()
        for task in self.tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        self._tasks.clear()


class MachineClock:
    """A machine's clocks; `now` goes on while it is suspended, as CLOCK_BOOTTIME does."""

    def __init__(self, loop: VirtualLoop, machine: Machine | None = None) -> None:
        self._loop = loop
        self._machine = machine

    def now(self) -> float:
        return self._loop.read()

    def wall(self) -> float:
        return NOON + self._loop.read() + (self._machine.skew if self._machine else 0.0)


class _Task(asyncio.Task[Any]):
    """A task with its number for a hash, so that sets of tasks have the same order in every run."""

    number = 0

    def __hash__(self) -> int:
        return self.number


def _owned_task(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    """Make a task of the machine whose code asks for it."""
    assert isinstance(loop, VirtualLoop)
    loop.tasks_made += 1
    task = _Task.__new__(_Task)
    task.number = loop.tasks_made
    task.__init__(coroutine, loop=loop, **options)  # type: ignore[misc]
    context: Context | None = options.get("context")
    machine = here.get() if context is None else context.get(here)
    if machine is not None:
        machine.own(task)
    return task
