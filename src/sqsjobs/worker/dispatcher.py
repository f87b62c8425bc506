"""The life of a message in a worker, told in steps: read, claim, run, close."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextvars import copy_context
from typing import Any, Final

from sqsjobs.clock import Clock
from sqsjobs.context import NO_LINE, JobContext
from sqsjobs.events import JobEnded, JobStarted, Observer
from sqsjobs.job import Job, JobStatus
from sqsjobs.outcome import (
    AlreadyEnded,
    CrashLimitReached,
    Failed,
    Interrupted,
    LostLease,
    Outcome,
    Overdelivered,
    Succeeded,
    TimedOut,
    Unstarted,
)
from sqsjobs.task import Task
from sqsjobs.transport.base import Delivery, QueueDescription
from sqsjobs.worker.claims import Claims
from sqsjobs.worker.closing import Closing
from sqsjobs.worker.executor import Attempt, Executor
from sqsjobs.worker.failure import failure_of
from sqsjobs.worker.held import Held
from sqsjobs.worker.lease import LeaseBook
from sqsjobs.worker.line import Switchboard
from sqsjobs.worker.notices import Notices
from sqsjobs.worker.options import WorkerOptions
from sqsjobs.worker.reading import Reading
from sqsjobs.worker.run import Run
from sqsjobs.worker.settler import Settler

__all__ = ["Dispatcher"]

_SPARE_DELIVERIES: Final = 10
"""Deliveries beyond max_attempts that are forgiven where the receive count stands for attempts."""
_INTERRUPTED: Final = Interrupted()


class Dispatcher:
    """Lives the lives of messages, each in a task of its own.

    Args:
        ended: called when a job has left its slot, with the seconds it took; the lives go on to settle.
        queues: what the queues' attributes say, by name.
        switchboard: opens the lines of running jobs; None without a job store.
    """

    def __init__(
        self,
        *,
        reading: Reading,
        queues: Mapping[str, QueueDescription],
        claims: Claims,
        executor: Executor,
        closing: Closing,
        settler: Settler,
        notices: Notices | None,
        book: LeaseBook,
        switchboard: Switchboard | None,
        options: WorkerOptions,
        ended: Callable[[float], None],
        settled: Callable[[Held, Outcome], None],
        observer: Observer,
        clock: Clock,
    ) -> None:
        self._reading = reading
        self._queues = queues
        self._claims = claims
        self._executor = executor
        self._closing = closing
        self._settler = settler
        self._notices = notices
        self._book = book
        self._switchboard = switchboard
        self._options = options
        self._ended = ended
        self._settled = settled
        self._tell = observer
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._home = copy_context()
        self._lives: dict[Held, None] = {}
        self._newest: dict[str, Held] = {}
        self.interrupted = asyncio.Event()
        """Set when all runs were asked to end."""

    @property
    def in_hand(self) -> list[Held]:
        """What has been received and is not settled yet."""
        return list(self._lives)

    def __len__(self) -> int:
        return len(self._lives)

    def hold(self, delivery: Delivery, asked_at: float) -> Held | None:
        """Take a delivery in hand; None for one more receipt of what is in hand, or was done, already.

        One just let go may be back before SQS has confirmed that; one whose lease was lost begins a new life, as it
        would in any other worker.
        """
        held = self._newest.get(delivery.message_id)
        if held is not None and not (held.lease.retired or held.lease.lost):
            # Answers overtake each other: an older receipt's handle would end no lease any more.
            if delivery.receive_count >= held.delivery.receive_count:
                held.delivery = delivery
                self._book.renew(held.lease, delivery, asked_at)
            return None
        held = Held(delivery, self._book.grant(delivery, asked_at))
        self._lives[held] = None
        self._newest[delivery.message_id] = held
        if delivery.fifo_group is None and (ended := self._was_done(held)):  # the next of a group has to wait for it
            self._spawn(held, self._settle(held, ended))
            return None
        return held

    def start(self, held: Held) -> None:
        """Begin the life of `held`, which has a slot."""
        self._spawn(held, self._live(held))

    def give_back(self, held: Held, *, linger: float = 0.0) -> None:
        """Let others have a message that was not begun, `linger` seconds from now."""
        self._spawn(held, self._settle(held, Unstarted(), linger=linger))

    def interrupt(self, linger: float) -> None:
        """Ask all runs to end as interrupted; their messages are seen again `linger` seconds later."""
        self.interrupted.set()
        for held in self._lives:
            if held.run is not None:
                held.run.end(Interrupted(linger))

    async def abandon(self, held: Held, linger: float) -> None:
        """Release the message of a run that does not end; what it does from now on is not looked at.

        A run that had overrun its timeout is not excused by the stop.
        """
        verdict = held.run.verdict if held.run else None
        outcome = verdict if isinstance(verdict, TimedOut | LostLease) else Interrupted(linger)
        await self._settle(held, outcome, linger=linger)

    async def release(self, held: Held, linger: float) -> None:
        """Let others have a message whose settling does not come to its end; what was begun for that is dropped.

        Nothing is changed where the lease is retired: a change of the visibility may be on its way still, and is the last;
        or SQS has said that the message is gone, which only its delete does not know yet.
        """
        if held.lease.retired:
            return
        if held.life is not None:
            held.life.cancel()
            await asyncio.wait([held.life])
        await self._settler.hide(held, linger)

    def _spawn(self, held: Held, life: Coroutine[Any, Any, None]) -> None:
        """Begin a life, in a context of its own, so that it sees nothing of the job that made room for it.

        It is in no task group: a thread that never ends must not hold up the worker's end.
        """
        held.life = asyncio.Task(  # not `create_task`: an eager task factory would begin it before `held` has it
            life,
            loop=self._loop,
            name=f"message {held.delivery.message_id}",
            context=self._home.copy(),
        )

    # The steps

    async def _live(self, held: Held) -> None:
        began = self._clock.now()
        outcome: Outcome = _INTERRUPTED
        try:
            outcome = (
                self._was_done(held)
                or await self._reading.read(held)
                or self._lapsed(held)
                or (await self._claim(held) if self._claims.counts_attempts else self._refused(held))
                or await self._run(held)
            )
        except asyncio.CancelledError:
            outcome = _INTERRUPTED
        except Exception as fault:  # noqa: BLE001 - a fault of ours must not lose the message, nor go on for ever
            held.attempt = held.attempt or held.delivery.receive_count
            outcome = Failed(failure_of(fault))
        finally:
            self._ended(self._clock.now() - began)
        await self._settle(held, outcome)

    def _was_done(self, held: Held) -> AlreadyEnded | None:
        """What was done here, and could not be deleted, or be told of, needs no second run."""
        message_id = held.delivery.message_id
        if self._settler.is_done(message_id):
            return AlreadyEnded(JobStatus.SUCCEEDED)
        return self._notices.ended(message_id) if self._notices else None

    def _lapsed(self, held: Held) -> Outcome | None:
        """What waited for so long that its lease ended may be somebody else's by now."""
        return Unstarted() if held.lease.over else None

    def _refused(self, held: Held) -> Outcome | None:
        """Without a job store the receive count stands for the attempts."""
        job, task = held.job, held.task
        assert job is not None
        assert task is not None
        held.attempt = job.attempts + held.delivery.receive_count
        spare = _SPARE_DELIVERIES if self._queues[held.delivery.queue].dead_letter_queue else 0
        if held.attempt > task.retry.max_attempts + spare:
            return Overdelivered(held.attempt)
        return None

    async def _claim(self, held: Held) -> Outcome | None:
        """Claim the job in the store, before user code runs; an outcome if it may not run."""
        refusal = await self._claims.claim(held)
        if refusal is not None:
            return refusal
        task = held.task
        assert task is not None
        if self._is_convicted(task, held.crashes):
            return CrashLimitReached(held.crashes)
        if held.attempt > task.retry.max_attempts:
            return Overdelivered(held.delivery.receive_count)
        return _INTERRUPTED if held.lease.over else None

    def _is_convicted(self, task: Task[..., Any], crashes: int) -> bool:
        """Whether a job has crashed too often to run again.

        One whose last attempt ran alone, in a child process, is not blamed for an end of which nobody told: where the
        child had died the worker would have said so; it was the worker that died, of another job or of a signal. It
        runs alone again, unless that happens again and again.
        """
        limit = self._options.crash_limit
        untold = self._executor.runs_alone(task, crashes - 1)
        return crashes >= (limit * 2 if untold else limit)

    async def _run(self, held: Held) -> Outcome:
        job, task = held.job, held.task
        assert job is not None
        assert task is not None
        if self.interrupted.is_set():
            return _INTERRUPTED
        held.run = run = Run()
        if self._switchboard is not None:
            held.line = self._switchboard.line(job.id, held.epoch, run)
        run.depend_on(held.lease)
        self._tell(JobStarted(job, held.attempt, held.delivery.receive_count, self._waited(job)))
        began = self._clock.now()
        attempt = Attempt(task, job, held.arguments, self._context(held, task, began), run, held.crashes)
        outcome = await self._executor.attempt(attempt)
        if isinstance(run.verdict, LostLease) and not isinstance(outcome, Succeeded):
            outcome = run.verdict
        self._tell(JobEnded(job, held.attempt, outcome, self._clock.now() - began))
        return outcome

    def _context(self, held: Held, task: Task[..., Any], began: float) -> JobContext:
        job = held.job
        assert job is not None
        return JobContext(
            id=job.id,
            task=job.task,
            queue=job.queue,
            attempt=held.attempt,
            headers=job.headers,
            group=job.group,
            enqueued_at=job.enqueued_at,
            deadline=began + task.timeout if task.timeout else None,
            fencing_token=held.epoch,
            lease=held.lease,
            line=held.line or NO_LINE,
        )

    async def _settle(self, held: Held, outcome: Outcome, *, linger: float = 0.0) -> None:
        if held.settled:
            return
        held.settled = True
        held.lease.on_lost = held.lease.on_cap = None
        try:
            outcome = await self._closing.close(held, outcome, linger=linger)
        finally:
            del self._lives[held]
            if self._newest.get(held.delivery.message_id) is held:
                del self._newest[held.delivery.message_id]
            self._settled(held, outcome)

    def _waited(self, job: Job) -> float:
        return max(0.0, self._clock.wall() - job.enqueued_at) if job.enqueued_at else 0.0
