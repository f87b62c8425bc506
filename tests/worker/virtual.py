"""Virtual time: an event loop that jumps to its next timer, and workers that live in it, heart and all.

Hours pass in milliseconds, and the same test runs the same way each time. Threads have no place here.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from inspect import Parameter
from typing import Any

from tests.worker.rig import Rig, no_unseen_errors

from sqsjobs.store.base import JobStore
from sqsjobs.transport.base import Transport
from sqsjobs.worker.heartbeat import Heart

NOON = 1_800_000_000.0
"""The date at which virtual time begins."""
_STEP = 1e-6
"""Seconds that one turn of the loop takes, so that no two moments are the same."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Never waits: where nothing is ready, the time of the next timer has come."""

    patience = 2 * 3600.0
    """Virtual seconds after which a test that waits for an event gives up."""

    def __init__(self) -> None:
        self._virtual_now = 1000.0
        super().__init__()

    def time(self) -> float:
        return self._virtual_now

    def _run_once(self) -> None:
        self._virtual_now += _STEP
        ready: Any = self._ready  # type: ignore[attr-defined]
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        if not ready and scheduled:
            self._virtual_now = max(self._virtual_now, scheduled[0].when())
        super()._run_once()  # type: ignore[misc]


class VirtualClock:
    """The clock of the running virtual loop."""

    def now(self) -> float:
        try:
            return asyncio.get_running_loop().time()
        except RuntimeError:
            return 1000.0

    def wall(self) -> float:
        return NOON + self.now()


@asynccontextmanager
async def beating_in_loop(
    heart: Heart, transport: Transport, store: JobStore | None
) -> AsyncIterator[asyncio.Future[None]]:
    """Run a heart in the running loop, in place of a thread of its own."""
    stop = asyncio.Event()
    async with transport.clone() as own:
        beating = asyncio.ensure_future(heart.beat_until_stopped(stop, own, store))
        try:
            yield beating
        finally:
            stop.set()
            await beating


def virtually(scenario: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Make a test of a coroutine function: it is called with a rig in virtual time, and with pytest's fixtures."""

    def test(**fixtures: Any) -> None:
        async def play() -> None:
            async with Rig(VirtualClock(), beating=beating_in_loop) as rig:
                await scenario(rig, **fixtures)

        with asyncio.Runner(loop_factory=VirtualLoop) as runner, no_unseen_errors(runner.get_loop()):
            runner.run(play())

    return as_test(test, scenario, given=("rig",))


def as_test(
    test: Callable[..., None],
    scenario: Callable[..., Awaitable[None]],
    *,
    given: Sequence[str],
    asks: Sequence[str] = (),
) -> Callable[..., None]:
    """Have pytest see `test` as `scenario`: its name, its marks, and its fixtures without those that are `given`.

    What `test` itself `asks` for comes first.
    """
    asked = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in asks]
    left = [it for it in inspect.signature(scenario).parameters.values() if it.name not in given]
    test.__signature__ = inspect.Signature([*asked, *left])  # type: ignore[attr-defined]
    test.__name__ = test.__qualname__ = scenario.__name__
    test.__doc__, test.__module__ = scenario.__doc__, scenario.__module__
    test.__dict__.update(scenario.__dict__)
    return test
