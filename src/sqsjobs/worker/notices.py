"""What tells the world of a job's end: the job that posts its callback, sent before the message of the first is let go.

At worst it is sent twice. Its id follows from the job and its end, so that a job store runs it once, and a receiver who gets it twice
knows it by its ``webhook-id``.
"""

from __future__ import annotations

import hashlib

import msgspec

from sqsjobs.callbacks import CALLBACK_TASK, Callbacks
from sqsjobs.clock import Clock
from sqsjobs.disposition import Hide, Verdict
from sqsjobs.errors import CallbackRefused
from sqsjobs.following.shown import date_of, shown
from sqsjobs.job import Job, JobId, JobStatus
from sqsjobs.outcome import AlreadyEnded, Outcome
from sqsjobs.store.base import JobRecord
from sqsjobs.transport.base import is_fifo
from sqsjobs.worker.claims import Claims
from sqsjobs.worker.held import Held
from sqsjobs.worker.owed import Debt, Owed
from sqsjobs.worker.settler import Settler

__all__ = ["Notices", "callback_body", "callback_id"]


class Notices:
    """Sends the jobs that post callbacks.

    Args:
        callbacks: where they may go.
        claims: knows how jobs have ended.
        settler: sends.
    """

    def __init__(self, callbacks: Callbacks, claims: Claims, settler: Settler, clock: Clock) -> None:
        self._callbacks = callbacks
        self._claims = claims
        self._settler = settler
        self._clock = clock
        self._owed = Owed()

    def concern(self, held: Held) -> bool:
        """Whether there may be something to `send` of the message in hand."""
        return held.wants_callback or self._owed.get(held.delivery.message_id) is not None

    def ended(self, message_id: str) -> AlreadyEnded | None:
        """How the job in this message has ended here, if its callback could not be sent: it need not run again for that."""
        debt = self._owed.get(message_id)
        return debt.ended if debt else None

    async def send(self, held: Held, outcome: Outcome, verdict: Verdict) -> bool:
        """Send the callback's job, if the job in hand has ended and wants one; False if that could not be done now."""
        message_id = held.delivery.message_id
        debt = self._owed.get(message_id)
        notice = debt.notice if debt else await self._due(held, outcome, verdict)
        if notice is None:
            return True
        if not self._claims.counts_attempts:  # no claim keeps the job from running again
            self._owed.keep(message_id, Debt(notice, _ended(verdict)))
        sent = await self._settler.send_notice(held, notice)
        if sent:
            self._owed.drop(message_id)
        return sent

    async def _due(self, held: Held, outcome: Outcome, verdict: Verdict) -> Job | None:
        """Return the callback's job, or None if there is nothing to tell."""
        job, callbacks = held.job, self._callbacks
        if job is None or job.callback is None or not self._is_end(held, outcome, verdict):
            return None
        try:
            callbacks.check(job.callback)
        except CallbackRefused:  # what asked for it is dead-lettered, unrun
            return None
        record = await self._claims.end_of(held, outcome, verdict)
        if record is None:
            return None
        notice = self._notice(job, job.callback, record, callbacks)
        comes_again = isinstance(outcome, AlreadyEnded) and isinstance(verdict.disposition, Hide)
        return None if comes_again and await self._claims.knows(notice.id) else notice

    def _is_end(self, held: Held, outcome: Outcome, verdict: Verdict) -> bool:
        """Whether the job has ended; in a message that is kept for want of a dead-letter queue, each of its runs is an end."""
        if isinstance(outcome, AlreadyEnded):
            return True  # perhaps by a worker that died before it could tell, or by a cancellation
        ended = verdict.status is not None and verdict.status.ended
        return ended and (not isinstance(verdict.disposition, Hide) or held.run is not None or held.epoch > 0)

    def _notice(self, job: Job, url: str, record: JobRecord, callbacks: Callbacks) -> Job:
        notice_id = callback_id(record, record.epoch or job.epoch)
        queue = callbacks.queue or job.queue
        body = callback_body(record, result_bytes=callbacks.result_bytes, error_text=callbacks.error_text)
        return Job(
            id=notice_id,
            task=CALLBACK_TASK,
            queue=queue,
            arguments=msgspec.json.encode({"url": url, "body": body.decode()}),
            enqueued_at=self._clock.wall(),
            # In a group of its own, so that no job waits for a receiver that does not answer.
            group=notice_id if is_fifo(queue) else job.group,
        )


def _ended(verdict: Verdict) -> AlreadyEnded:
    """Return what lets the message go when it comes again, or keeps it, as it is now for want of a dead-letter queue."""
    kept = isinstance(verdict.disposition, Hide)
    return AlreadyEnded(JobStatus.FAILED if kept else JobStatus.SUCCEEDED)


def callback_id(record: JobRecord, epoch: int) -> JobId:
    """Return the id of the callback of this end of a job, the `epoch`th; a job that is sent again has another end."""
    end = f"{record.id}\n{epoch}\n{record.status}"
    return JobId(f"callback-{hashlib.blake2b(end.encode(), digest_size=16).hexdigest()}")


def callback_body(record: JobRecord, *, result_bytes: int, error_text: bool) -> bytes:
    """Return what is posted: JSON with ``type``, ``timestamp`` and ``data``, the job as web APIs show it.

    A result that is larger than `result_bytes`, or is not kept, is left out, and ``result_left_out`` says so.
    """
    data = shown(record, error_text=error_text)
    if record.status is JobStatus.SUCCEEDED and (record.result is None or len(record.result) > result_bytes):
        data.pop("result", None)
        data["result_left_out"] = True
    return msgspec.json.encode({"type": f"job.{record.status}", "timestamp": date_of(record.ended_at), "data": data})
