"""The jobs of the simulation: tasks of one app, whose runs do what the scenario wants of them and note that they did."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from tests.simulation.ledger import Ledger, Run
from tests.simulation.loop import BEGINNING, Machine, here
from tests.simulation.scenario import Act, Play

from sqsjobs import App, Discard, Reject, Retry, RetryAfter, Snooze, constant, current_job, exponential
from sqsjobs.registry import Registry
from sqsjobs.worker.lease import Lease

__all__ = ["APP", "LONGEST_BACKOFF", "NEW_TASKS", "OLD_TASKS", "RETRIES", "Stage", "VirtualThreads", "stage"]

LONGEST_BACKOFF = 300.0
RETRIES: dict[str, Retry] = {
    "steady": Retry(max_attempts=5, backoff=constant(2.0)),
    "hasty": Retry(max_attempts=3, backoff=exponential(1.0, 20.0)),
    "careless": Retry(max_attempts=2, backoff=constant(1.0)),
    "novel": Retry(max_attempts=5, backoff=constant(2.0)),
    "threaded": Retry(max_attempts=3, backoff=constant(2.0)),
    "patient": Retry(max_attempts=80, backoff=exponential(1.0, LONGEST_BACKOFF)),
    "lasting": Retry(max_attempts=80, backoff=constant(2.0)),
}
HASTE = 5.0
"""Seconds that a hasty, or a threaded, job may take."""


class ActFailed(Exception):
    """What a job raises to fail."""


@dataclass(slots=True)
class Stage:
    """Where the jobs of one run of the simulation play."""

    ledger: Ledger
    plays: dict[int, Play]
    kill: Callable[[Machine], None]
    down: tuple[float, float] = (0.0, 0.0)

    async def play(self, number: int) -> int:
        """Do what the next run of this job is to do."""
        run, act = self.enter(number)
        try:
            await self._work(act)
            await self._finish(act)
        except BaseException as end:
            self.leave(run, "cancelled" if isinstance(end, asyncio.CancelledError) else type(end).__name__)
            raise
        self.leave(run, "returned")
        return number

    def enter(self, number: int) -> tuple[Run, Act]:
        """Note a start; return what it is to do."""
        job, machine, ledger = current_job(), here.get(), self.ledger
        assert machine is not None
        assert isinstance(job.lease, Lease)
        runs = ledger.runs[job.id]
        run = Run(
            job_id=job.id,
            number=number,
            task=job.task,
            machine=machine.name,
            message_id=job.lease.message_id,
            receipt=ledger.by_handle.get(job.lease.handle),
            attempt=job.attempt,
            token=job.fencing_token,
            started=ledger.now,
        )
        acts = self.plays[number].acts
        act = acts[min(len(runs), len(acts) - 1)]
        if ledger.is_open:
            runs.append(run)
        text = f"{ledger.name(job.id)} starts (attempt {job.attempt}, token {job.fencing_token}): {act.kind}"
        ledger.tell(machine.name, f"{text} after {act.seconds:.2f} s", job.id, run.message_id)
        return run, act

    def leave(self, run: Run, how: str) -> None:
        """Note how it ended."""
        if self.ledger.is_open:
            run.ended, run.how = self.ledger.now, how
            self.ledger.tell(run.machine, f"{self.ledger.name(run.job_id)} ends: {how}", run.job_id, run.message_id)

    async def _work(self, act: Act) -> None:
        """Take the time; a stubborn job takes some more when it is cancelled, or goes on as if it were not."""
        until = asyncio.get_running_loop().time() + act.seconds
        try:
            await asyncio.sleep(act.seconds)
        except asyncio.CancelledError:
            if act.stubborn >= 0:
                await asyncio.sleep(act.stubborn)
                raise
            await asyncio.sleep(max(0.0, until - asyncio.get_running_loop().time()))

    async def _finish(self, act: Act) -> None:
        if act.kind == "kill":
            machine = here.get()
            assert machine is not None
            self.kill(machine)
            await asyncio.get_running_loop().create_future()
        begin, end = self.down
        if act.kind == "depend" and begin <= self.ledger.now - BEGINNING < end:
            raise ActFailed("what it needs is down")
        finish(act)


def finish(act: Act) -> None:
    """End a run in the way that it is to end."""
    match act.kind:
        case "raise":
            raise ActFailed(f"after {act.seconds:.2f} s")
        case "snooze":
            raise Snooze(act.delay)
        case "retry-after":
            raise RetryAfter(act.delay, "not yet")
        case "discard":
            raise Discard("not wanted")
        case "reject":
            raise Reject("not possible")


stage: ContextVar[Stage] = ContextVar("stage")


def _declared() -> App:
    """Declare the tasks inside of a function, so that none can be run in a child process: those are for other tests."""
    app = App("simulation")

    @app.task(retry=RETRIES["steady"])
    async def steady(number: int) -> int:
        return await stage.get().play(number)

    @app.task(retry=RETRIES["hasty"], timeout=HASTE)
    async def hasty(number: int) -> int:
        return await stage.get().play(number)

    @app.task(retry=RETRIES["careless"], on_exhausted="discard")
    async def careless(number: int) -> int:
        return await stage.get().play(number)

    @app.task(retry=RETRIES["patient"])
    async def patient(number: int) -> int:
        return await stage.get().play(number)

    @app.task(retry=RETRIES["lasting"])
    async def lasting(number: int) -> int:
        return await stage.get().play(number)

    @app.task(retry=RETRIES["novel"])
    async def novel(number: int) -> int:
        return await stage.get().play(number)

    @app.task(retry=RETRIES["threaded"], timeout=HASTE)
    def threaded(number: int) -> int:
        return number  # `VirtualThreads` plays it

    return app


APP = _declared()
NEW_TASKS = APP.registry
OLD_TASKS = Registry()
"""What workers of the last release know: no novel tasks."""
for _task in NEW_TASKS:
    if _task.name != "novel":
        OLD_TASKS.add(_task)


class VirtualThreads(Executor):
    """Stands in for the threads of plain functions: they take virtual time, and cannot be cancelled."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Play the job that runs in the context of `call`, which is ``context.run`` with the function as last argument."""
        result: Future[Any] = Future()
        enter, function = call, args[-1]
        run, act = enter(stage.get().enter, function.keywords["number"])
        asyncio.get_running_loop().call_later(act.seconds, self._end, result, run, act)
        return result

    def _end(self, result: Future[Any], run: Run, act: Act) -> None:
        try:
            finish(act)
        except Exception as error:
            stage.get().leave(run, type(error).__name__)
            result.set_exception(error)
        else:
            stage.get().leave(run, "returned")
            result.set_result(run.number)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None: ...
