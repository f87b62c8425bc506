"""The worker's side of the job store: claims before a run, changes after it, and patience when the store is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from math import inf, nextafter
from random import Random

from sqsjobs.annotation import ANNOTATION, Annotation
from sqsjobs.clock import Clock
from sqsjobs.disposition import DeadLetter, Hide, Resend, Verdict
from sqsjobs.errors import StoreError
from sqsjobs.events import Observer, StoreFailed
from sqsjobs.job import JobId
from sqsjobs.outcome import (
    AlreadyEnded,
    AlreadyRunning,
    Crashed,
    CrashLimitReached,
    Discarded,
    Failed,
    Failure,
    NotDue,
    Outcome,
    Rejected,
    StoreDown,
    Succeeded,
    TimedOut,
    word_of,
)
from sqsjobs.store.base import (
    Claimed,
    ClaimRequest,
    ClaimResult,
    Ended,
    JobRecord,
    JobStore,
    Leased,
    RecordChange,
    Scheduled,
)
from sqsjobs.store.spilling import unspilled
from sqsjobs.store.tracking import Tracking, follows
from sqsjobs.worker.held import Held
from sqsjobs.worker.lease import StoreClaim

__all__ = ["Claims"]

_EARLY = 1.0
"""Seconds by which a job may start before its date: clocks differ by that much."""
_LONGEST_PAUSE = 10.0
_NEWS = 60.0


class Claims:
    """Keeps the records of the jobs that this worker runs.

    Args:
        store: open, on the running loop; None without one.
        tracking: how much is recorded.
        worker: the worker's name.
        grace: seconds for which a change that the store does not take is offered again.
    """

    def __init__(
        self,
        store: JobStore | None,
        tracking: Tracking,
        *,
        worker: str,
        grace: float,
        observer: Observer,
        clock: Clock,
        random: Random,
    ) -> None:
        self._store = store if tracking != "off" else None
        self.keeps_results: bool = self._store is not None
        """Whether the end of a job is recorded."""
        self.counts_attempts: bool = self.keeps_results and follows(tracking)
        """Whether attempts are counted in the store; else the receive count stands for them."""
        self._worker = worker
        self._grace = grace
        self._tell = observer
        self._clock = clock
        self._random = random
        self._claimed_at = 0.0
        self._problem = ""
        self._failed_at = -inf

    @property
    def failing(self) -> str:
        """Why the store did not answer the last time, or empty; a minute old it says nothing any more."""
        return self._problem if self._clock.now() < self._failed_at + _NEWS else ""

    async def claim(self, held: Held) -> Outcome | None:
        """Claim the job for an attempt; return why it may not start, or None if it may."""
        store, job = self._store, held.job
        if store is None or not self.counts_attempts or job is None:
            return None
        now = self._claimed_at = self._moment()
        request = ClaimRequest(
            job_id=job.id,
            task=job.task,
            queue=job.queue,
            enqueued_at=job.enqueued_at,
            worker=self._worker,
            now=now,
            lease_until=now + held.lease.remaining,
            reopens_epoch=_redriven(held),
        )
        match await self._asked(store, request):
            case Claimed(epoch, attempt, crashes):
                held.epoch, held.attempt, held.crashes = epoch, attempt, crashes
                held.lease.claim = StoreClaim(job.id, epoch)
                return None
            case Leased(until):
                return AlreadyRunning(max(0.0, until - now))
            case Ended(status):
                return AlreadyEnded(status)
            case Scheduled(until):
                return NotDue(max(0.0, until - now))
            case StoreDown() as down:
                return down

    async def _asked(self, store: JobStore, request: ClaimRequest) -> ClaimResult | StoreDown:
        """Ask twice: the first claim may have been made and its answer lost, and a claim that nobody ends is a crash."""
        try:
            result = await store.claim(request)
        except StoreError as lost:
            self._failed("claim", lost)
            try:
                result = await store.claim(request)
            except StoreError as problem:
                self._failed("claim", problem)
                return StoreDown(str(problem))
        self._problem = ""
        return result

    def _moment(self) -> float:
        """Return the date, no two of which are the same: by it a store tells a repeated claim from a second one."""
        now = self._clock.wall()
        return now if now > self._claimed_at else nextafter(self._claimed_at, inf)

    async def record(self, held: Held, outcome: Outcome, verdict: Verdict) -> bool:
        """Record what became of the job; False if another claim has superseded this one, or the store stayed away."""
        if self._store is None or held.job is None or verdict.status is None:
            return True
        if not self.counts_attempts:
            return not verdict.status.ended or await self._record_end(held, outcome, verdict)
        if not held.epoch:
            return True  # it never ran here: the record stays as it is
        held.lease.claim = None
        job_id, change = held.job.id, self._change(held, outcome, verdict)
        return await self._persist(lambda store: store.change(job_id, held.epoch, change), held)

    def _change(self, held: Held, outcome: Outcome, verdict: Verdict) -> RecordChange:
        assert verdict.status is not None
        now = self._clock.wall()
        return RecordChange(
            status=verdict.status,
            now=now,
            outcome=word_of(outcome),
            progress=held.line.close() if held.line else None,
            attempt_back=verdict.attempt_back,
            crashed=isinstance(outcome, Crashed)
            or (isinstance(outcome, CrashLimitReached) and outcome.crashes > held.crashes),
            not_before=_not_before(verdict, now),
            result=outcome.result if isinstance(outcome, Succeeded) else None,
            failure=_failure(outcome, verdict),
            dead_lettered=isinstance(verdict.disposition, DeadLetter),
        )

    async def _record_end(self, held: Held, outcome: Outcome, verdict: Verdict) -> bool:
        """With tracking ``result`` there is no claim: the first end that is recorded counts."""
        ended = self._ended(held, outcome, verdict)

        async def insert(store: JobStore) -> bool:
            await store.insert(ended)
            return True

        return await self._persist(insert, held)

    async def end_of(self, held: Held, outcome: Outcome, verdict: Verdict) -> JobRecord | None:
        """Return the record of a job that has ended: the store's, or, where none is kept, what is known here.

        Without a result that is kept as a blob. None if it has not ended after all: it was sent again meanwhile.

        Raises:
            StoreError: if the store stayed away.
        """
        recorded = await unspilled(self._store, held.job.id) if self._store and held.job else None
        if recorded is not None:
            return recorded if recorded.status.ended else None
        return None if verdict.status is None else self._ended(held, outcome, verdict)

    async def knows(self, job_id: JobId) -> bool:
        """Whether there is a record of a job: some worker has begun it.

        Raises:
            StoreError: if the store stayed away.
        """
        return self._store is not None and await unspilled(self._store, job_id) is not None

    def _ended(self, held: Held, outcome: Outcome, verdict: Verdict) -> JobRecord:
        job, change = held.job, self._change(held, outcome, verdict)
        assert job is not None
        return JobRecord(
            id=job.id,
            task=job.task,
            queue=job.queue,
            status=change.status,
            attempts=held.attempt,
            enqueued_at=job.enqueued_at,
            group=job.group,
            progress=change.progress,
            ended_at=change.now,
            worker=self._worker,
            result=change.result,
            failure=change.failure,
            dead_lettered=change.dead_lettered,
            result_expires_at=change.now + change.result_ttl,
            expires_at=change.now + change.record_ttl,
        )

    async def _persist(self, write: Callable[[JobStore], Awaitable[bool]], held: Held) -> bool:
        """Write, and offer it again while the store is away, the lease holds and the grace lasts."""
        assert self._store is not None
        until = self._clock.now() + self._grace
        pause = 0.1
        while True:
            try:
                written = await write(self._store)
            except StoreError as problem:
                self._failed("change", problem)
                if held.lease.over or self._clock.now() >= until:
                    return False
                await asyncio.sleep(pause * (0.5 + 0.5 * self._random.random()))
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                self._problem = ""
                return written

    def _failed(self, operation: str, problem: StoreError) -> None:
        self._problem, self._failed_at = str(problem), self._clock.now()
        self._tell(StoreFailed(operation, str(problem)))


def _redriven(held: Held) -> int | None:
    """Return the epoch of the record that a message from the dead-letter queue opens again."""
    annotation = held.delivery.attributes.get(ANNOTATION)
    if annotation is None:
        return None
    try:
        return Annotation.decode(annotation).epoch
    except ValueError:
        return None


def _not_before(verdict: Verdict, now: float) -> float | None:
    match verdict.disposition:
        case Hide(delay) | Resend(delay) if delay > _EARLY and verdict.status is not None and not verdict.status.ended:
            return now + delay - _EARLY
        case _:
            return None


def _failure(outcome: Outcome, verdict: Verdict) -> Failure | None:
    if isinstance(outcome, Failed | Crashed):
        return outcome.failure
    if isinstance(outcome, TimedOut):
        return Failure("builtins.TimeoutError", f"the attempt took longer than {outcome.after:g} s")
    if isinstance(outcome, Rejected):
        return Failure("sqsjobs.Reject", outcome.reason)
    if isinstance(outcome, Discarded):
        return Failure("sqsjobs.Discard", outcome.reason)
    if isinstance(verdict.disposition, DeadLetter):
        return verdict.disposition.failure
    return None
