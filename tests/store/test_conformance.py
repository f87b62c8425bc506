"""What every job store does, whatever it is made of."""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import replace

import pytest
from tests.store.samples import FAILURE, LEASE, NOW, fail, job_id, queued, release, request, retry, succeed

from sqsjobs.errors import ConfigurationError
from sqsjobs.job import JobStatus, Progress
from sqsjobs.store.base import DONE_RECORD_TTL, RESULT_TTL, Claimed, Ended, Leased, PastAttempt, RecordChange, Scheduled

# Inserting, reading, removing --------------------------------------------------------------------------


async def test_an_inserted_record_is_read_as_it_was_written(store):
    """Every field comes back, text that is no valid Unicode in an error's message included."""
    record = queued(
        status=JobStatus.SCHEDULED,
        attempts=3,
        crashes=1,
        epoch=7,
        lease_until=NOW + 0.1,
        not_before=NOW + 1 / 3,
        started_at=NOW - 1,
        ended_at=NOW - 0.5,
        worker="host/1",
        result=b"\x00\xff[]",
        failure=FAILURE,
        dead_lettered=True,
        unique="key \u00e9\u4e16\U0001f600",
        group="tenant-7",
        envelope='{"sqsjobs":1,"args":{"text":"\u4e16"}}',
        progress=Progress(1.5, None, "caf\udce9", NOW),
        history=(PastAttempt(1, "host/1", NOW, NOW + 1, "failed", "OSError: caf\udce9"),),
        cancel_requested_at=NOW + 2,
        result_expires_at=NOW + 10,
        expires_at=NOW + 100,
    )
    assert await store.insert(record) is None
    assert await store.get(record.id) == record


async def test_an_unknown_job_has_no_record(store):
    assert await store.get(job_id()) is None


async def test_an_insert_leaves_a_record_that_is_there(store):
    """R28: the second insert of one job changes nothing and returns the record."""
    record = queued()
    await store.insert(record)
    await store.claim(request(record.id))
    present = await store.insert(record)
    assert present == await store.get(record.id)
    assert present.status is JobStatus.RUNNING


async def test_a_record_is_removed_only_if_it_was_never_claimed(store):
    """A rejected send takes its record back; a job that a worker has seen keeps it."""
    rejected, claimed = queued(), queued()
    await store.insert(rejected)
    await store.insert(claimed)
    await store.claim(request(claimed.id))
    for job in (rejected.id, claimed.id, job_id()):
        await store.remove(job)
    assert await store.get(rejected.id) is None
    assert await store.get(claimed.id) is not None


async def test_a_removed_record_gives_its_key_back(store):
    first = queued(unique="key")
    await store.insert(first)
    await store.remove(first.id)
    assert await store.insert(queued(unique="key")) is None


# The unique key -----------------------------------------------------------------------------------------


async def test_a_unique_key_is_held_by_one_unfinished_job_of_a_task(store):
    first = queued(unique="key")
    await store.insert(first)
    assert (await store.insert(queued(unique="key"))).id == first.id
    assert await store.insert(queued(unique="other")) is None
    assert await store.insert(queued(unique="key", task="crop")) is None
    assert await store.insert(queued()) is None


@pytest.mark.parametrize("change", [retry(), release()], ids=["retrying", "released"])
async def test_a_key_is_held_while_the_job_is_not_ended(store, change):
    first = queued(unique="key")
    await store.insert(first)
    await store.claim(request(first.id))
    assert (await store.insert(queued(unique="key"))).id == first.id
    await store.change(first.id, 1, change)
    assert (await store.insert(queued(unique="key"))).id == first.id


@pytest.mark.parametrize("change", [succeed(), fail(), RecordChange(JobStatus.DISCARDED, NOW)])
async def test_a_key_is_free_when_its_job_has_ended(store, change):
    first, second = queued(unique="key"), queued(unique="key")
    await store.insert(first)
    await store.claim(request(first.id))
    await store.change(first.id, 1, change)
    assert await store.insert(second) is None
    assert (await store.get(first.id)).unique == "key"


async def test_a_key_is_free_when_its_job_came_to_nothing(store, clock):
    """A job whose message was lost does not hold its key for ever."""
    lost = queued(unique="key")
    await store.insert(lost)
    clock.time += DONE_RECORD_TTL
    assert await store.insert(queued(unique="key")) is None
    assert await store.get(lost.id) is None


@pytest.mark.parametrize("again", ["reopen", "claim"])
async def test_a_job_opened_again_takes_its_key_only_if_it_is_free(store, again):
    """It runs, because somebody asked for it; the key stays with the job that has it by now."""
    first, second = queued(unique="key"), queued(unique="key")
    await store.insert(first)
    await store.claim(request(first.id))
    await store.change(first.id, 1, fail())
    await store.insert(second)
    if again == "reopen":
        assert await store.reopen(first.id, NOW + 2) == 2
    else:
        assert await store.claim(request(first.id, now=NOW + 2, reopens_epoch=1)) == Claimed(2, 1, 0)
    assert (await store.get(first.id)).unique is None
    assert (await store.insert(queued(unique="key"))).id == second.id


async def test_a_job_opened_again_keeps_a_free_key(store):
    first = queued(unique="key")
    await store.insert(first)
    await store.claim(request(first.id))
    await store.change(first.id, 1, fail())
    await store.reopen(first.id, NOW + 2)
    assert (await store.insert(queued(unique="key"))).id == first.id


# Claiming -----------------------------------------------------------------------------------------------


async def test_a_claim_makes_the_record_if_there_is_none(store):
    job = job_id()
    assert await store.claim(request(job)) == Claimed(epoch=1, attempt=1, crashes=0)
    record = await store.get(job)
    assert record == queued(
        job,
        status=JobStatus.RUNNING,
        attempts=1,
        epoch=1,
        started_at=NOW,
        lease_until=NOW + LEASE,
        worker="worker-1",
        expires_at=record.expires_at,
    )


async def test_a_claim_counts_the_attempt_before_it_starts(store):
    """R1: the record says running, with the attempt counted, before any user code runs."""
    record = queued()
    await store.insert(record)
    await store.claim(request(record.id))
    after = await store.get(record.id)
    assert (after.status, after.attempts, after.epoch) == (JobStatus.RUNNING, 1, 1)


async def test_a_job_under_a_live_lease_is_refused(store):
    """R23: a duplicate that comes while the job runs is told until when."""
    job = job_id()
    await store.claim(request(job))
    late = NOW + LEASE - 0.001
    assert await store.claim(request(job, now=late, worker="worker-2")) == Leased(NOW + LEASE)
    assert (await store.get(job)).worker == "worker-1"


async def test_a_crash_is_counted_at_the_next_claim(store):
    """R10: an attempt that was claimed and never ended is a crash, and stays counted as an attempt."""
    job = job_id()
    await store.claim(request(job))
    assert await store.claim(request(job, now=NOW + LEASE)) == Claimed(epoch=2, attempt=2, crashes=1)
    assert await store.claim(request(job, now=NOW + 2 * LEASE)) == Claimed(epoch=3, attempt=3, crashes=2)


async def test_a_repeated_claim_gets_what_the_first_got(store):
    """R38: after an uncertain answer the same request is made again, and counts once."""
    job = job_id()
    first = await store.claim(request(job))
    assert await store.claim(request(job)) == first
    assert (await store.get(job)).attempts == 1


async def test_a_repeated_claim_after_a_crash_counts_the_crash_once(store):
    """R38."""
    job = job_id()
    await store.claim(request(job))
    second = request(job, now=NOW + LEASE, worker="worker-2")
    assert await store.claim(second) == await store.claim(second) == Claimed(2, 2, 1)


async def test_two_messages_of_one_job_in_one_receive_get_one_claim(store):
    """R24, R28: same worker and same lease end, but claimed one after the other: the second is refused."""
    job = job_id()
    first = request(job)
    assert isinstance(await store.claim(first), Claimed)
    assert await store.claim(replace(first, now=NOW + 1e-5)) == Leased(NOW + LEASE)


async def test_a_job_that_is_not_due_is_refused(store):
    """R45: a message that comes back early waits for the record's date."""
    job = job_id()
    await store.claim(request(job))
    await store.change(job, 1, retry(now=NOW + 1, delay=30))
    assert await store.claim(request(job, now=NOW + 30.9)) == Scheduled(NOW + 31)
    assert await store.claim(request(job, now=NOW + 31)) == Claimed(2, 2, 0)
    assert (await store.get(job)).not_before is None


async def test_a_scheduled_job_is_claimed_when_it_is_due(store):
    record = queued(status=JobStatus.SCHEDULED, not_before=NOW + 60)
    await store.insert(record)
    assert await store.claim(request(record.id)) == Scheduled(NOW + 60)
    assert await store.claim(request(record.id, now=NOW + 60)) == Claimed(1, 1, 0)


@pytest.mark.parametrize(
    "change", [succeed(), fail(), RecordChange(JobStatus.DISCARDED, NOW), RecordChange(JobStatus.CANCELLED, NOW)]
)
async def test_an_ended_job_is_not_claimed(store, change):
    """R3, R25: a delivery that comes after the end does not run, whatever the end was."""
    job = job_id()
    await store.claim(request(job))
    await store.change(job, 1, change)
    assert await store.claim(request(job, now=NOW + 9999)) == Ended(change.status)
    assert (await store.get(job)).status is change.status


# Leaving ------------------------------------------------------------------------------------------------


async def test_success_is_recorded_with_its_result(store):
    job = job_id()
    await store.claim(request(job))
    assert await store.change(job, 1, succeed(now=NOW + 5, result=b"42"))
    record = await store.get(job)
    assert (record.status, record.result, record.ended_at) == (JobStatus.SUCCEEDED, b"42", NOW + 5)
    assert (record.lease_until, record.failure, record.attempts) == (None, None, 1)


async def test_failure_is_recorded_with_where_the_message_went(store):
    job = job_id()
    await store.claim(request(job))
    assert await store.change(job, 1, fail())
    record = await store.get(job)
    assert (record.status, record.failure, record.dead_lettered) == (JobStatus.FAILED, FAILURE, True)


async def test_a_retry_keeps_the_attempt_and_its_failure(store):
    job = job_id()
    await store.claim(request(job))
    assert await store.change(job, 1, retry(now=NOW + 1, delay=30))
    record = await store.get(job)
    assert (record.status, record.attempts, record.crashes) == (JobStatus.RETRYING, 1, 0)
    assert (record.failure, record.not_before, record.lease_until) == (FAILURE, NOW + 31, None)


async def test_the_last_failure_is_kept_until_the_job_succeeds(store):
    job = job_id()
    await store.claim(request(job))
    await store.change(job, 1, retry(delay=0))
    await store.claim(request(job, now=NOW + 2))
    assert (await store.get(job)).failure == FAILURE
    await store.change(job, 2, release(now=NOW + 3))
    assert (await store.get(job)).failure == FAILURE
    await store.claim(request(job, now=NOW + 4))
    await store.change(job, 3, succeed(now=NOW + 5))
    assert (await store.get(job)).failure is None


async def test_a_release_gives_the_attempt_back(store):
    """R4, R40: interrupted by a stop or snoozed ten times, the job still has all its attempts."""
    job = job_id()
    for epoch in range(1, 11):
        assert await store.claim(request(job, now=NOW + 10 * epoch)) == Claimed(epoch, 1, 0)
        assert await store.change(job, epoch, release(now=NOW + 10 * epoch + 1))
    record = await store.get(job)
    assert (record.status, record.attempts, record.crashes) == (JobStatus.QUEUED, 0, 0)


async def test_a_snoozed_job_waits_without_losing_an_attempt(store):
    job = job_id()
    await store.claim(request(job))
    await store.change(job, 1, release(not_before=NOW + 600))
    assert await store.claim(request(job, now=NOW + 10)) == Scheduled(NOW + 600)
    assert await store.claim(request(job, now=NOW + 600)) == Claimed(2, 1, 0)


async def test_an_attempt_that_took_its_child_process_down_counts_as_a_crash_once(store):
    """R10: the worker that saw the death says so, and saying it twice changes nothing more."""
    job = job_id()
    await store.claim(request(job))
    for _ in range(2):
        assert await store.change(job, 1, retry(delay=0.0, crashed=True))
    record = await store.get(job)
    assert (record.status, record.attempts, record.crashes) == (JobStatus.RETRYING, 1, 1)


async def test_a_released_job_is_no_crash(store):
    job = job_id()
    await store.claim(request(job))
    await store.claim(request(job, now=NOW + LEASE))
    await store.change(job, 2, release(now=NOW + LEASE + 1))
    assert await store.claim(request(job, now=NOW + LEASE + 2)) == Claimed(3, 2, 1)


@pytest.mark.parametrize("change", [succeed(NOW + 99), fail(NOW + 99), retry(NOW + 99), release(NOW + 99)])
async def test_a_superseded_claimant_changes_nothing(store, change):
    """R12, I2: a worker that was paused past its lease finds its epoch gone."""
    job = job_id()
    await store.claim(request(job))
    await store.claim(request(job, now=NOW + LEASE, worker="worker-2"))
    before = await store.get(job)
    assert not await store.change(job, 1, change)
    assert await store.get(job) == before
    assert await store.change(job, 2, succeed(NOW + 99))


async def test_the_last_claimant_may_finish_after_its_lease(store):
    """Nobody has claimed the job since, so its result is as good as any."""
    job = job_id()
    await store.claim(request(job))
    assert await store.change(job, 1, succeed(now=NOW + 10 * LEASE))


@pytest.mark.parametrize("change", [succeed(), fail(), retry(), release()], ids=["succeed", "fail", "retry", "release"])
async def test_a_repeated_change_is_granted_and_changes_nothing(store, change):
    """R38: after an uncertain answer the same change is made again; an attempt is given back once."""
    job = job_id()
    await store.claim(request(job))
    await store.claim(request(job, now=NOW + LEASE))
    change = replace(change, now=NOW + LEASE + 1)
    assert await store.change(job, 2, change)
    before = await store.get(job)
    assert await store.change(job, 2, change)
    assert await store.get(job) == before


async def test_an_ended_job_stays_as_it_ended(store):
    """I2: a second end is refused, though it names the right epoch."""
    job = job_id()
    await store.claim(request(job))
    await store.change(job, 1, succeed())
    before = await store.get(job)
    for change in (fail(), retry(), release(), succeed(result=b"other"), succeed(now=NOW + 2)):
        assert not await store.change(job, 1, change)
    assert await store.get(job) == before


async def test_a_change_of_an_unknown_job_is_refused(store):
    assert not await store.change(job_id(), 1, succeed())


async def test_a_job_that_was_never_claimed_can_be_ended(store):
    """A message that is poison before its claim ends the record of epoch 0."""
    record = queued()
    await store.insert(record)
    assert await store.change(record.id, 0, fail())
    assert (await store.get(record.id)).status is JobStatus.FAILED


# Extending ----------------------------------------------------------------------------------------------


async def test_an_extended_lease_keeps_others_out(store):
    job = job_id()
    await store.claim(request(job))
    assert await store.extend(job, 1, NOW + 500)
    assert await store.claim(request(job, now=NOW + 400)) == Leased(NOW + 500)


async def test_only_the_running_claim_is_extended(store):
    """R12: neither a superseded claim, nor an ended or released one, nor an unknown job."""
    superseded, ended, released = job_id(), job_id(), job_id()
    for job in (superseded, ended, released):
        await store.claim(request(job))
    await store.claim(request(superseded, now=NOW + LEASE))
    await store.change(ended, 1, succeed())
    await store.change(released, 1, release())
    for job in (superseded, ended, released, job_id()):
        assert not await store.extend(job, 1, NOW + 500)
    assert (await store.get(released)).lease_until is None


# Opening again ------------------------------------------------------------------------------------------


async def test_a_failed_job_is_opened_again(store):
    """All attempts are new, the fencing token goes on rising, the last failure stays to be read."""
    job = job_id()
    await store.claim(request(job))
    await store.claim(request(job, now=NOW + LEASE))
    await store.change(job, 2, fail(now=NOW + LEASE + 1))
    assert await store.reopen(job, NOW + 100) == 3
    record = await store.get(job)
    assert (record.status, record.attempts, record.crashes) == (JobStatus.QUEUED, 0, 0)
    assert (record.failure, record.dead_lettered, record.ended_at) == (FAILURE, False, None)
    assert await store.claim(request(job, now=NOW + 101)) == Claimed(4, 1, 0)


async def test_a_late_word_of_the_old_claimant_does_not_end_a_reopened_job(store):
    job = job_id()
    await store.claim(request(job))
    await store.change(job, 1, fail())
    await store.reopen(job, NOW + 2)
    assert not await store.change(job, 1, fail())


async def test_what_has_succeeded_or_not_ended_is_not_opened_again(store):
    succeeded, running, waiting = job_id(), job_id(), queued()
    await store.claim(request(succeeded))
    await store.change(succeeded, 1, succeed())
    await store.claim(request(running))
    await store.insert(waiting)
    for job in (succeeded, running, waiting.id, job_id()):
        assert await store.reopen(job, NOW + 2) is None


async def test_only_what_is_still_as_it_was_read_is_opened_again(store):
    """Somebody sent it again meanwhile, and it failed again: that failure is nobody's to undo."""
    job = job_id()
    await store.claim(request(job))
    await store.change(job, 1, fail())
    assert await store.reopen(job, NOW + 2, 0) is None
    assert await store.reopen(job, NOW + 2, 1) == 2


@pytest.mark.parametrize("unique", [None, "key"])
async def test_what_was_opened_again_in_vain_is_put_back_as_it_was(store, unique):
    """Every field of it, so that its dead letter still opens it; its key is not taken from who has it by now."""
    record = queued(unique=unique)
    await store.insert(record)
    await store.claim(request(record.id))
    await store.claim(request(record.id, now=NOW + LEASE))
    await store.report(record.id, 2, Progress(1, 2))
    await store.change(record.id, 2, fail(now=NOW + LEASE + 1))
    before = await store.get(record.id)
    other = queued(unique=unique)
    await store.insert(other)
    assert await store.reopen(record.id, NOW + LEASE + 2, 2) == 3
    for _ in range(2):
        assert await store.put_back(before)
        assert await store.get(record.id) == before
    if unique:
        assert (await store.insert(queued(unique=unique))).id == other.id
    assert await store.claim(request(record.id, now=NOW + 100, reopens_epoch=2)) == Claimed(3, 1, 0)


async def test_what_went_on_after_it_was_opened_again_is_not_put_back(store):
    """A claim, a cancellation, or nothing that was opened at all."""
    claimed, cancelled, gone = job_id(), job_id(), job_id()
    befores = []
    for job in (claimed, cancelled, gone):
        await store.claim(request(job))
        await store.change(job, 1, fail())
        befores.append(await store.get(job))
    await store.reopen(claimed, NOW + 2)
    await store.claim(request(claimed, now=NOW + 3))
    await store.change(claimed, 3, release())
    await store.reopen(cancelled, NOW + 2)
    await store.cancel(cancelled, NOW + 3)
    befores[2] = replace(befores[2], id=job_id())
    for before in befores:
        now = await store.get(before.id)
        assert not await store.put_back(before)
        assert await store.get(before.id) == now


async def test_a_message_back_from_the_dead_letter_queue_opens_its_job_again(store):
    job = job_id()
    await store.claim(request(job))
    await store.change(job, 1, fail())
    back = request(job, now=NOW + 100, reopens_epoch=1)
    assert await store.claim(back) == await store.claim(back) == Claimed(epoch=2, attempt=1, crashes=0)


async def test_a_message_back_from_the_dead_letter_queue_opens_only_its_own_failure(store):
    """A copy of an older failure, or one of a job that was discarded or has succeeded, is one delivery too many."""
    older, succeeded, discarded = job_id(), job_id(), job_id()
    await store.claim(request(older))
    await store.claim(request(older, now=NOW + LEASE))
    await store.change(older, 2, fail(now=NOW + LEASE))
    for job, change in ((succeeded, succeed()), (discarded, RecordChange(JobStatus.DISCARDED, NOW))):
        await store.claim(request(job))
        await store.change(job, 1, change)
    for job, status in ((older, "failed"), (succeeded, "succeeded"), (discarded, "discarded")):
        assert await store.claim(request(job, now=NOW + 100, reopens_epoch=1)) == Ended(JobStatus(status))


async def test_fencing_tokens_go_on_where_the_record_has_expired(store, clock):
    """A resource that has seen token 1 refuses no run that follows it."""
    job = job_id()
    await store.claim(request(job))
    await store.change(job, 1, fail(record_ttl=10))
    clock.time += 20
    await store.purge(clock.time)
    assert await store.claim(request(job, now=clock.time, reopens_epoch=1)) == Claimed(epoch=2, attempt=1, crashes=0)


# Expiry -------------------------------------------------------------------------------------------------


async def test_a_result_expires_before_the_record(store, clock):
    """R34: the small record that tells duplicates from new jobs outlives every message."""
    job = job_id()
    await store.claim(request(job))
    await store.change(job, 1, succeed(now=NOW))
    clock.time = NOW + RESULT_TTL - 1
    assert (await store.get(job)).result is not None
    clock.time = NOW + RESULT_TTL
    record = await store.get(job)
    assert (record.result, record.result_expires_at) == (None, NOW + RESULT_TTL)
    clock.time = NOW + DONE_RECORD_TTL - 1
    assert (await store.get(job)).status is JobStatus.SUCCEEDED
    clock.time = NOW + DONE_RECORD_TTL
    assert await store.get(job) is None


async def test_an_expired_record_is_as_good_as_none(store, clock):
    job = job_id()
    await store.claim(request(job))
    await store.change(job, 1, fail(now=NOW, record_ttl=10))
    assert await store.claim(request(job, now=NOW + 9)) == Ended(JobStatus.FAILED)
    assert await store.reopen(job, NOW + 10) is None
    assert not await store.change(job, 1, fail(now=NOW + 10))
    clock.time = NOW + 10
    assert await store.insert(queued(job)) is None
    assert await store.claim(request(job, now=NOW + 10)) == Claimed(1, 1, 0)


async def test_an_unfinished_record_lives_as_long_as_it_is_touched(store, clock):
    """A message in SQS lives for 14 days at most; the record of a job that still comes back does not go."""
    job = job_id()
    await store.claim(request(job))
    for day in range(10, 50, 10):
        clock.time = NOW + day * 86400
        assert await store.get(job) is not None
        await store.change(job, day // 10, retry(now=clock.time, record_ttl=60))
        await store.claim(request(job, now=clock.time + 100))
    clock.time += 16 * 86400
    assert await store.get(job) is None


async def test_a_purge_drops_what_has_expired_and_nothing_else(store, clock):
    """Expired records go and are counted; of the others, results that have expired."""
    gone, emptied, kept, waiting = job_id(), job_id(), job_id(), queued()
    await store.insert(waiting)
    for job in (gone, emptied, kept):
        await store.claim(request(job))
    await store.change(gone, 1, succeed(record_ttl=10))
    await store.change(emptied, 1, succeed(result_ttl=10))
    await store.change(kept, 1, succeed())
    assert await store.purge(NOW + 100) == 1
    assert await store.purge(NOW + 100) == 0
    assert await store.get(gone) is None
    assert (await store.get(emptied)).result is None
    assert (await store.get(kept)).result is not None
    assert (await store.get(waiting.id)).status is JobStatus.QUEUED


async def test_a_purge_drops_any_number_of_records(store):
    await asyncio.gather(*(store.insert(queued(expires_at=NOW + 1)) for _ in range(620)))
    await store.insert(queued(expires_at=NOW + 100))
    assert await store.purge(NOW + 50) == 620


# Many at once -------------------------------------------------------------------------------------------


async def test_of_many_claims_at_once_one_is_granted(store):
    """R23, I4: fifty duplicates, one run."""
    job = job_id()
    claims = await asyncio.gather(*(store.claim(request(job, worker=f"worker-{n}")) for n in range(50)))
    assert claims.count(Claimed(1, 1, 0)) == 1
    assert claims.count(Leased(NOW + LEASE)) == 49


async def test_of_many_inserts_with_one_key_one_is_made(store):
    records = [queued(unique="key") for _ in range(50)]
    answers = await asyncio.gather(*(store.insert(record) for record in records))
    (winner,) = (record.id for record, answer in zip(records, answers, strict=True) if answer is None)
    assert {answer.id for answer in answers if answer is not None} == {winner}


async def test_eight_writers_on_loops_of_their_own_complete_every_job_once(store):
    """I2: clones in eight threads claim and complete the same jobs; each job has exactly one completion."""
    jobs = [job_id() for _ in range(100)]
    completed: list[str] = []

    async def work(number: int) -> None:
        async with store.clone() as own:
            for job in jobs[number * 12 :] + jobs[: number * 12]:
                claim = await own.claim(request(job, worker=f"worker-{number}"))
                if isinstance(claim, Claimed):
                    assert await own.change(job, claim.epoch, succeed(result=str(number).encode()))
                    completed.append(job)

    threads = [threading.Thread(target=asyncio.run, args=(work(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert sorted(completed) == sorted(jobs)
    for job in jobs:
        assert (await store.get(job)).status is JobStatus.SUCCEEDED


# Opening and closing ------------------------------------------------------------------------------------


async def test_a_clone_sees_the_same_records(store):
    job = job_id()
    await store.claim(request(job))
    async with store.clone() as clone:
        assert await clone.get(job) == await store.get(job)
        await clone.change(job, 1, succeed())
    assert (await store.get(job)).status is JobStatus.SUCCEEDED


async def test_a_store_is_used_only_while_it_is_open(unopened):
    """Before it is opened and after it is closed, every method says so; it can be opened again."""
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="not open"):
            await unopened.get(job_id())
        async with unopened:
            await unopened.get(job_id())
            with pytest.raises(ConfigurationError, match="open already"):
                await unopened.__aenter__()
    with pytest.raises(ConfigurationError, match="not open"):
        await unopened.claim(request(job_id()))


async def test_a_store_is_refused_to_another_loop(store):
    """R69."""
    with pytest.raises(ConfigurationError, match=r"another event loop.*clone"):
        await asyncio.to_thread(asyncio.run, store.get(job_id()))


async def test_a_store_is_refused_after_a_fork(store, monkeypatch):
    """R69: a child process that inherits an open store is told to open a clone."""
    monkeypatch.setattr(os, "getpid", lambda: 1)
    with pytest.raises(ConfigurationError, match=r"fork.*clone"):
        await store.get(job_id())
    with pytest.raises(ConfigurationError, match=r"fork.*clone"):
        await store.claim(request(job_id()))
