"""The life of a record, for every record that a sequence of claims, changes, extensions and re-openings can make."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from hypothesis import given
from hypothesis import strategies as st
from tests.store.strategies import JOBS, changes, dates, requests

from sqsjobs.job import JobStatus
from sqsjobs.store import rules
from sqsjobs.store.base import HISTORY_LENGTH, ClaimRequest, Ended, JobRecord, Leased, RecordChange, Scheduled

Step: TypeAlias = ClaimRequest | RecordChange | tuple[str, float]


def after(record: JobRecord, step: Step) -> JobRecord | None:
    """The record after `step` by whoever has the right epoch, or None if the step is refused."""
    match step:
        case ClaimRequest():
            claimed = rules.claimed(record, step)
            return claimed if isinstance(claimed, JobRecord) else None
        case RecordChange():
            return rules.changed(record, record.epoch, step)
        case ("extend", until):
            return rules.extended(record, record.epoch, until)
        case ("cancel", now):
            return rules.cancelled(record, now)
        case (_, now):
            return rules.reopened(record, now)


words = st.sampled_from(["extend", "reopen", "cancel"])
steps: st.SearchStrategy[Step] = requests(JOBS[0]) | changes() | st.tuples(words, dates)


@st.composite
def records(draw: st.DrawFn) -> JobRecord:
    """A record that somebody's life of a job has led to."""
    record = JobRecord(JOBS[0], "resize", "images", draw(st.sampled_from([JobStatus.QUEUED, JobStatus.SCHEDULED])))
    for step in draw(st.lists(steps, max_size=8)):
        record = after(record, step) or record
    return record


@given(records())
def test_every_record_makes_sense(record):
    """Leases are of the running alone, ends have a date, and crashes are attempts that were never given back."""
    assert (record.lease_until is not None) == (record.status is JobStatus.RUNNING)
    assert (record.ended_at is not None) == record.status.ended
    assert 0 <= record.crashes <= record.attempts <= max(record.epoch, 0)
    if record.status is JobStatus.RUNNING:
        assert record.crashes < record.attempts
        assert record.worker is not None
        assert record.not_before is None


@given(records(), steps)
def test_epochs_only_rise(record, step):
    """A fencing token is never given out twice."""
    assert (after(record, step) or record).epoch >= record.epoch


@given(records(), requests(JOBS[0]))
def test_a_new_claim_raises_epoch_and_attempts_by_one(record, request):
    """R1, R10: the attempt is counted, and a crash with it exactly if the last one never ended."""
    claimed = rules.claimed(record, request)
    if claimed is record or not isinstance(claimed, JobRecord) or claimed.status.ended:
        return
    fresh = record.status.ended
    assert claimed.epoch == record.epoch + 1
    assert claimed.attempts == (0 if fresh else record.attempts) + 1
    assert claimed.crashes == (0 if fresh else record.crashes) + (record.status is JobStatus.RUNNING)
    assert (claimed.status, claimed.lease_until) == (JobStatus.RUNNING, request.lease_until)


@given(records(), requests(JOBS[0]))
def test_a_claim_is_refused_exactly_for_an_end_a_lease_or_a_date(record, request):
    match rules.claimed(record, request):
        case Ended(status):
            assert status is record.status
            assert status.ended
            assert (status, record.epoch) != (JobStatus.FAILED, request.reopens_epoch)
        case Leased(until):
            assert record.lease_until == until > request.now
        case Scheduled(until):
            assert record.not_before == until > request.now
        case JobRecord(status=JobStatus.CANCELLED):
            assert record.cancel_requested_at is not None
        case JobRecord() as claimed:
            assert claimed.lease_until == request.lease_until


@given(records(), requests(JOBS[0]))
def test_a_repeated_claim_is_the_claim(record, request):
    """R38."""
    claimed = rules.claimed(record, request)
    if isinstance(claimed, JobRecord):
        again = rules.claimed(claimed, request)
        assert again is claimed or again == rules.grant(claimed) == Ended(JobStatus.CANCELLED)


@given(records(), requests(JOBS[0]), requests(JOBS[0]))
def test_two_different_claims_never_share_an_epoch(record, one, other):
    """I4: whoever asks with another request gets another epoch, or is refused."""
    first = rules.claimed(record, one)
    if one != other and isinstance(first, JobRecord):
        same = (one.worker, one.now, one.lease_until) == (other.worker, other.now, other.lease_until)
        second = rules.claimed(first, other)
        assert same or not isinstance(second, JobRecord) or second.epoch > first.epoch


@given(records(), dates, changes(), requests(JOBS[0]))
def test_a_cancelled_job_never_starts_again(record, now, change, request):
    """Whatever its claimant says next, or whoever claims it: only a re-opening starts it once more."""
    cancelled = rules.cancelled(record, now)
    assert cancelled is not None
    assert rules.cancelled(cancelled, now) is cancelled
    assert cancelled.status.ended or cancelled.cancel_requested_at is not None
    left = rules.changed(cancelled, cancelled.epoch, change)
    assert left is None or left.status.ended
    claimed = rules.claimed(cancelled, replace(request, reopens_epoch=None))
    started = isinstance(claimed, JobRecord) and not claimed.status.ended
    assert not started or claimed is cancelled


@given(records(), dates)
def test_a_cancellation_at_once_supersedes_the_claimant(record, now):
    """I2: a worker whose lease is over cannot record an end beside it."""
    cancelled = rules.cancelled(record, now)
    if cancelled is not None and cancelled is not record and cancelled.status.ended:
        assert cancelled.epoch == record.epoch + 1
        assert record.lease_until is None or record.lease_until <= now


@given(records(), changes())
def test_a_history_grows_by_the_attempt_that_ended(record, change):
    changed = rules.changed(record, record.epoch, change)
    if changed is not None:
        running = record.status is JobStatus.RUNNING
        assert len(changed.history) == min(HISTORY_LENGTH, len(record.history) + running)
        assert not running or changed.history[-1].number == record.attempts


@given(records(), changes())
def test_a_repeated_change_is_the_change(record, change):
    """R38: also where it gives the attempt back."""
    changed = rules.changed(record, record.epoch, change)
    if changed is not None:
        assert rules.changed(changed, record.epoch, change) == changed


@given(records(), changes(), st.integers(-2, 2).filter(bool))
def test_another_epoch_changes_nothing(record, change, off):
    """R12."""
    assert rules.changed(record, record.epoch + off, change) is None
    assert rules.extended(record, record.epoch + off, change.now) is None


@given(records(), changes(), changes())
def test_the_first_end_is_the_only_one(record, one, other):
    """I2: of two different ends under one epoch the second is refused."""
    ended = rules.changed(record, record.epoch, replace(one, status=JobStatus.SUCCEEDED))
    if ended is not None:
        again = rules.changed(ended, record.epoch, other)
        assert again is None or (again is ended and other.status is JobStatus.SUCCEEDED)


@given(records(), st.lists(changes(), max_size=5))
def test_an_attempt_is_given_back_at_most_once(record, repeated):
    """R40: whatever one claimant says, and however often."""
    before = record.attempts
    for change in repeated:
        record = rules.changed(record, record.epoch, change) or record
    assert before - 1 <= record.attempts <= before


@given(records(), dates)
def test_a_reopened_job_starts_anew(record, now):
    reopened = rules.reopened(record, now)
    if reopened is None:
        assert record.status is JobStatus.SUCCEEDED or not record.status.ended
    else:
        assert (reopened.status, reopened.attempts, reopened.crashes) == (JobStatus.QUEUED, 0, 0)
        assert reopened.epoch == record.epoch + 1
        assert (reopened.failure, reopened.result) == (record.failure, None)


@given(records(), dates, st.integers(0, 40).map(float))
def test_what_has_expired_stays_expired(record, now, later):
    """Time takes the result, then the record, and gives nothing back."""
    then = rules.current(record, now)
    assert rules.current(then, now) == then
    assert rules.current(then, now + later) == rules.current(record, now + later)
    if then is not None:
        assert then == record or then == replace(record, result=None)
