"""The end of a message's life in a worker: decide, copy what is to be kept, record, let go; in this order.

Nothing is lost between two steps: at worst a copy is there twice, or a job that has ended comes once more
and is deleted unrun.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Final

from sqsjobs.clock import Clock
from sqsjobs.disposition import (
    DeadLetter,
    Delete,
    Disposition,
    Hide,
    Leave,
    Resend,
    Situation,
    Verdict,
    decide,
    decide_at_once,
)
from sqsjobs.events import DeadLettered, JobSettled, Observer, SettleFailed
from sqsjobs.job import JobStatus
from sqsjobs.outcome import Outcome, Succeeded
from sqsjobs.retry import Retry
from sqsjobs.transport.base import QueueDescription, is_fifo
from sqsjobs.worker.claims import Claims
from sqsjobs.worker.held import Held
from sqsjobs.worker.notices import Notices
from sqsjobs.worker.options import WorkerOptions
from sqsjobs.worker.settler import Settler

__all__ = ["Closing"]

_AFTER_FAILED_COPY: Final = 60.0
_DEFAULT_RETRY: Final = Retry()
_LEAVE: Final = Leave()
_COPIED: Final = (DeadLetter, Resend)
_DELAYED: Final = (Hide, Resend)

_WORDS: Final = {kind: kind.__name__.lower() for kind in (Delete, Hide, Resend, DeadLetter, Leave)}


class Closing:
    """Ends the lives of messages.

    Args:
        queues: what the queues' attributes say, by name.
        sends_anew: whether this worker can seal what is to be sent anew.
        in_flight_share: the queues' shares of their in-flight quotas, where they were looked up; kept up to date.
    """

    def __init__(
        self,
        *,
        queues: Mapping[str, QueueDescription],
        claims: Claims,
        settler: Settler,
        notices: Notices | None,
        options: WorkerOptions,
        sends_anew: bool,
        in_flight_share: Mapping[str, float],
        observer: Observer,
        clock: Clock,
        random: Random,
    ) -> None:
        self._sends_anew = sends_anew
        self._queues = queues
        self._claims = claims
        self._settler = settler
        self._notices = notices
        self._options = options
        self._tell = observer
        self._clock = clock
        self._random = random
        self._in_flight_share = in_flight_share

    async def close(self, held: Held, outcome: Outcome, *, linger: float = 0.0) -> Outcome:
        """Do with the message what follows from `outcome`; whatever is hidden is so for at least `linger` seconds.

        Returns the outcome that counted: a claim that is made to record the end may be refused. What goes wrong
        is told; the message then comes back by itself.
        """
        disposition: Disposition = _LEAVE
        try:
            verdict = self._verdict(held, outcome)
            if self._ends_unclaimed(held, verdict) and (refusal := await self._claims.claim(held)) is not None:
                outcome, verdict = refusal, decide(refusal, self._situation(held))
            disposition = await self._carry_out(held, outcome, _at_least(linger, verdict))
        except Exception as fault:  # noqa: BLE001 - one message's trouble is not the worker's
            self._tell_failed(held, repr(fault))
        finally:
            self._settler.let_go(held)
        self._tell_settled(held, outcome, disposition)
        return outcome

    def _verdict(self, held: Held, outcome: Outcome) -> Verdict:
        verdict = decide_at_once(outcome) or decide(outcome, self._situation(held))
        return verdict if held.run is not None else replace(verdict, attempt_back=True)

    def _ends_unclaimed(self, held: Held, verdict: Verdict) -> bool:
        """Whether an end is to be recorded for which there was no claim: it is recorded under one that is made now.

        The dead letter names that claim's epoch, by which it opens the record again when it is sent back.
        """
        if not self._claims.counts_attempts or held.epoch:
            return False
        return verdict.status is not None and verdict.status.ended

    async def _carry_out(self, held: Held, outcome: Outcome, verdict: Verdict) -> Disposition:
        wanted = verdict.disposition
        if isinstance(wanted, _COPIED) and not await self._copied(held, verdict, wanted):
            status = JobStatus.RETRYING if verdict.status else None
            verdict = Verdict(Hide(_AFTER_FAILED_COPY), status, verdict.attempt_back)
        if self._claims.keeps_results and not await self._claims.record(held, outcome, verdict):
            return _LEAVE
        notices = self._notices
        if notices and notices.concern(held) and not await notices.send(held, outcome, verdict):
            verdict = Verdict(Hide(_AFTER_FAILED_COPY))
        match verdict.disposition:
            case Delete() | DeadLetter() | Resend():
                done = held.deleted = await self._settler.delete(held)
                if done and self._claims.counts_attempts and isinstance(outcome, Succeeded):
                    # Without records a second delivery would look for it; what did not succeed may be sent again.
                    await self._settler.drop_payload(held)
            case Hide(delay):
                done = not held.lease.over and await self._settler.hide(held, delay)
            case Leave():
                done = True
        return verdict.disposition if done else _LEAVE

    async def _copied(self, held: Held, verdict: Verdict, disposition: DeadLetter | Resend) -> bool:
        """Send what another queue is to keep before anything is recorded or deleted: at worst it is there twice."""
        match disposition:
            case DeadLetter(reason, detail):
                queue = self._queues[held.delivery.queue].dead_letter_queue
                assert queue is not None
                attempts = max(0, held.attempt - verdict.attempt_back)
                sent = await self._settler.copy_to_dead_letters(held, disposition, queue, attempts=attempts)
                if sent:
                    self._tell_dead_lettered(held, reason, detail)
                return sent
            case Resend():
                return await self._settler.send_anew(held, disposition, attempts=self._used(held, verdict))

    def _used(self, held: Held, verdict: Verdict) -> int:
        """Return the attempts that a message sent anew must carry, where no store counts them."""
        assert held.job is not None
        if self._claims.counts_attempts:
            return 0
        return held.attempt - verdict.attempt_back if held.run else held.job.attempts

    def _situation(self, held: Held) -> Situation:
        delivery, task = held.delivery, held.task
        now, wall = self._clock.now(), self._clock.wall()
        queue = self._queues[delivery.queue]
        return Situation(
            attempt=held.attempt,
            receive_count=delivery.receive_count,
            retry=task.retry if task else _DEFAULT_RETRY,
            on_exhausted=task.on_exhausted if task else "dead-letter",
            fifo=is_fifo(delivery.queue),
            sends_anew=self._sends_anew,
            hidden_for=now - held.lease.granted,
            age=max(0.0, wall - delivery.sent_at) if delivery.sent_at else 0.0,
            retention=queue.retention,
            since_first_receive=max(0.0, wall - delivery.first_received_at) if delivery.first_received_at else 0.0,
            park_for=self._options.park_for,
            in_flight_share=self._in_flight_share.get(delivery.queue, 0.0),
            dead_letter_queue=queue.dead_letter_queue is not None,
            random=self._random.random(),
        )

    def _tell_settled(self, held: Held, outcome: Outcome, disposition: Disposition) -> None:
        job = held.job
        self._tell(
            JobSettled(
                queue=held.delivery.queue,
                message_id=held.delivery.message_id,
                job_id=job.id if job else None,
                task=job.task if job else None,
                outcome=outcome,
                disposition=_WORDS[type(disposition)],
                delay=disposition.delay if isinstance(disposition, _DELAYED) else 0.0,
            )
        )

    def _tell_dead_lettered(self, held: Held, reason: str, detail: str) -> None:
        job = held.job
        self._tell(
            DeadLettered(
                held.delivery.queue,
                held.delivery.message_id,
                job.id if job else None,
                job.task if job else None,
                reason,
                detail,
            )
        )

    def _tell_failed(self, held: Held, problem: str) -> None:
        job_id = held.job.id if held.job else None
        self._tell(SettleFailed(held.delivery.queue, held.delivery.message_id, job_id, "leave", problem))


def _at_least(linger: float, verdict: Verdict) -> Verdict:
    match verdict.disposition:
        case Hide(delay) if delay < linger:
            return replace(verdict, disposition=Hide(linger))
        case _:
            return verdict
