"""The life of a record, decided: what a claim, a change, an extension or a re-opening makes of a `JobRecord`.

Pure functions of values. Each returns the record as it is to be (the very same object where there is
nothing to write), or why not. A store reads, asks here, and writes only if the record is still what it read.
"""

from __future__ import annotations

from dataclasses import replace

from sqsjobs.job import JobStatus, Progress
from sqsjobs.outcome import Failure
from sqsjobs.store.base import (
    DONE_RECORD_TTL,
    HISTORY_LENGTH,
    Claimed,
    ClaimRequest,
    Ended,
    JobRecord,
    Leased,
    PastAttempt,
    RecordChange,
    Scheduled,
)

__all__ = [
    "UNTOUCHED_TTL",
    "admitted",
    "cancelled",
    "changed",
    "claimed",
    "current",
    "extended",
    "grant",
    "listed",
    "put_back",
    "reopened",
    "reported",
    "shared",
]

UNTOUCHED_TTL = DONE_RECORD_TTL
"""Seconds that the record of an unfinished job is kept after its last write.

SQS keeps no message longer than 14 days, so by then no delivery of the job can come any more; without
this, a job whose message was lost would hold its unique key for ever.
"""

_ERROR_LENGTH = 200


def current(record: JobRecord | None, now: float) -> JobRecord | None:
    """Return what is left of `record` at `now`: nothing once it has expired, no result once that has."""
    if record is None or _is_over(record.expires_at, now):
        return None
    if record.result is not None and _is_over(record.result_expires_at, now):
        return replace(record, result=None)
    return record


def shared(record: JobRecord) -> JobRecord:
    """Return what `JobStore.records` gives of a record."""
    return record if record.envelope is None else replace(record, envelope=None)


def listed(record: JobRecord) -> JobRecord:
    """Return what `JobStore.page` gives of a record."""
    return replace(record, envelope=None, result=None, history=())


def admitted(record: JobRecord, now: float) -> JobRecord:
    """Return `record` as it is inserted: with a date on which it expires if nobody ever touches it."""
    return record if record.expires_at is not None else replace(record, expires_at=now + UNTOUCHED_TTL)


def claimed(record: JobRecord | None, request: ClaimRequest) -> JobRecord | Leased | Ended | Scheduled:
    """Return the record under the claim of `request`, unchanged if it is just that already, or what stands against it.

    The record is returned as cancelled, in place of claimed, where that was asked for while the last claimant ran.
    """
    if record is None:
        return _started(_unclaimed(request), request)
    if _is_claimed_by(record, request):
        return record
    if _comes_back(record, request):
        return _started(_fresh(record), request)
    obstacle = _obstacle(record, request.now)
    if obstacle is None and record.cancel_requested_at is not None:
        return _cancelled(record, request.now)
    return obstacle or _started(record, request)


def grant(record: JobRecord) -> Claimed | Ended:
    """Return what whoever made `record` by claiming it is told."""
    if record.status.ended:
        return Ended(record.status)
    return Claimed(record.epoch, record.attempts, record.crashes)


def changed(record: JobRecord | None, epoch: int, change: RecordChange) -> JobRecord | None:
    """Return the record as the claimant of `epoch` leaves it, or None if it may not say so any more.

    An ended record takes a change only if it is the one that ended it, so that repeating it is harmless.
    """
    if record is None or record.epoch != epoch:
        return None
    if record.cancel_requested_at is not None and not change.status.ended:
        change = replace(change, status=JobStatus.CANCELLED)
    after = _ended(record, change) if change.status.ended else _given_up(record, change)
    if record.status.ended:
        return record if after == record else None
    return after


def extended(record: JobRecord | None, epoch: int, lease_until: float) -> JobRecord | None:
    """Return the record with its lease up to `lease_until`, or None if the claim of `epoch` does not hold it."""
    return replace(record, lease_until=lease_until) if record and _is_held(record, epoch) else None


def reported(record: JobRecord | None, epoch: int, progress: Progress) -> JobRecord | None:
    """Return the record with this progress, or None if the claim of `epoch` does not hold it."""
    return replace(record, progress=progress) if record and _is_held(record, epoch) else None


def cancelled(record: JobRecord | None, now: float) -> JobRecord | None:
    """Return the record as a cancellation leaves it: the very same if it has ended, or if that was asked for before."""
    if record is None or record.status.ended:
        return record
    if record.lease_until is None or record.lease_until <= now:
        return _cancelled(record, now)
    return record if record.cancel_requested_at is not None else replace(record, cancel_requested_at=now)


def reopened(record: JobRecord | None, now: float, epoch: int | None = None) -> JobRecord | None:
    """Return an ended, not succeeded record (of `epoch`) as queued again, its last failure kept; None for any other."""
    if record is None or not record.status.ended or record.status is JobStatus.SUCCEEDED:
        return None
    if epoch not in (None, record.epoch):
        return None
    return replace(_fresh(record), epoch=record.epoch + 1, expires_at=now + UNTOUCHED_TTL)


def put_back(record: JobRecord | None, before: JobRecord) -> JobRecord | None:
    """Return `before`, of which `reopened` made `record`, under its old epoch; None once anything else has happened.

    Nothing was ever claimed under the epoch that is taken back, so that no fencing token is given out twice.
    """
    if record is None:
        return None
    before = replace(before, envelope=record.envelope)  # stores may show that one is kept, and not the whole of it
    if record == before:
        return record
    untouched = record.status is JobStatus.QUEUED and record.epoch == before.epoch + 1
    return before if untouched and before.status.ended else None


def _is_held(record: JobRecord, epoch: int) -> bool:
    return record.epoch == epoch and record.status is JobStatus.RUNNING


def _is_over(date: float | None, now: float) -> bool:
    return date is not None and date <= now


def _unclaimed(request: ClaimRequest) -> JobRecord:
    # A message that comes back after its record has expired still names the last epoch: fencing tokens go on from it.
    return JobRecord(
        request.job_id,
        request.task,
        request.queue,
        JobStatus.QUEUED,
        epoch=request.reopens_epoch or 0,
        enqueued_at=request.enqueued_at,
    )


def _is_claimed_by(record: JobRecord, request: ClaimRequest) -> bool:
    claim = (record.status, record.worker, record.started_at, record.lease_until)
    return claim == (JobStatus.RUNNING, request.worker, request.now, request.lease_until)


def _comes_back(record: JobRecord, request: ClaimRequest) -> bool:
    return record.status is JobStatus.FAILED and record.epoch == request.reopens_epoch


def _fresh(record: JobRecord) -> JobRecord:
    return replace(
        record,
        status=JobStatus.QUEUED,
        attempts=0,
        crashes=0,
        not_before=None,
        ended_at=None,
        result=None,
        dead_lettered=False,
        progress=None,
        cancel_requested_at=None,
        result_expires_at=None,
    )


def _obstacle(record: JobRecord, now: float) -> Leased | Ended | Scheduled | None:
    if record.status.ended:
        return Ended(record.status)
    if record.lease_until is not None and record.lease_until > now:
        return Leased(record.lease_until)
    if record.not_before is not None and record.not_before > now:
        return Scheduled(record.not_before)
    return None


def _started(record: JobRecord, request: ClaimRequest) -> JobRecord:
    crashed = record.status is JobStatus.RUNNING
    return replace(
        record,
        status=JobStatus.RUNNING,
        attempts=record.attempts + 1,
        crashes=record.crashes + crashed,
        epoch=record.epoch + 1,
        lease_until=request.lease_until,
        not_before=None,
        progress=None,
        history=_with_crash(record) if crashed else record.history,
        started_at=request.now,
        worker=request.worker,
        expires_at=request.now + UNTOUCHED_TTL,
    )


def _cancelled(record: JobRecord, now: float) -> JobRecord:
    crashed = record.status is JobStatus.RUNNING
    return replace(
        record,
        status=JobStatus.CANCELLED,
        crashes=record.crashes + crashed,
        epoch=record.epoch + 1,
        lease_until=None,
        not_before=None,
        ended_at=now,
        history=_with_crash(record) if crashed else record.history,
        cancel_requested_at=now if record.cancel_requested_at is None else record.cancel_requested_at,
        expires_at=now + DONE_RECORD_TTL,
    )


def _ended(record: JobRecord, change: RecordChange) -> JobRecord:
    return replace(
        _left(record, change),
        ended_at=change.now,
        envelope=None if change.status is JobStatus.SUCCEEDED else record.envelope,
        result=change.result,
        dead_lettered=change.dead_lettered,
        result_expires_at=None if change.result is None else change.now + change.result_ttl,
        expires_at=change.now + change.record_ttl,
    )


def _given_up(record: JobRecord, change: RecordChange) -> JobRecord:
    return replace(_left(record, change), not_before=change.not_before, expires_at=change.now + UNTOUCHED_TTL)


def _left(record: JobRecord, change: RecordChange) -> JobRecord:
    # Only a running attempt can be given back, or crash: a change that is repeated finds none, and counts nothing twice.
    running = record.status is JobStatus.RUNNING
    succeeded = change.status is JobStatus.SUCCEEDED
    return replace(
        record,
        status=change.status,
        attempts=record.attempts - (running and change.attempt_back),
        crashes=record.crashes + (running and change.crashed),
        lease_until=None,
        not_before=None,
        progress=change.progress or record.progress,
        history=_with_attempt(record, change) if running else record.history,
        failure=change.failure if succeeded else change.failure or record.failure,
    )


def _with_attempt(record: JobRecord, change: RecordChange) -> tuple[PastAttempt, ...]:
    return _remembered(record, change.now, change.outcome or change.status.value, _told(change.failure))


def _with_crash(record: JobRecord) -> tuple[PastAttempt, ...]:
    """Nobody saw its end; it was before that of its lease."""
    return _remembered(record, record.lease_until or 0.0, "crashed", "")


def _remembered(record: JobRecord, ended_at: float, outcome: str, error: str) -> tuple[PastAttempt, ...]:
    attempt = PastAttempt(
        number=record.attempts,
        worker=record.worker or "",
        started_at=record.started_at or 0.0,
        ended_at=ended_at,
        outcome=outcome,
        error=error,
    )
    return (*record.history, attempt)[-HISTORY_LENGTH:]


def _told(failure: Failure | None) -> str:
    return f"{failure.type}: {failure.message}"[:_ERROR_LENGTH] if failure else ""
