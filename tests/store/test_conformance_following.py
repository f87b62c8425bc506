"""What every job store does for those who follow jobs: many at once, lists, progress, history, cancellations, wakes."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.store.samples import FAILURE, LEASE, NOW, fail, job_id, queued, release, request, retry, succeed

from sqsjobs.errors import ConfigurationError
from sqsjobs.job import JobId, JobStatus, Progress
from sqsjobs.store.base import HISTORY_LENGTH, Claimed, Ended, Leased, PastAttempt, RecordChange
from sqsjobs.store.listing import LARGEST_PAGE, JobQuery
from sqsjobs.store.push import Pushing

HALF = Progress(5, 10, "half of it \udce9\u4e16", NOW + 1)

# Many at once -------------------------------------------------------------------------------------------


async def test_many_records_are_read_at_once(store):
    """All but their envelopes; a job without a record is left out."""
    first, second = queued(envelope="{}", group="tenant-7"), queued()
    for record in (first, second):
        await store.insert(record)
    found = await store.records([first.id, job_id(), second.id])
    assert set(found) == {first.id, second.id}
    assert found[first.id] == replace(await store.get(first.id), envelope=None)
    assert found[second.id] == await store.get(second.id)


async def test_any_number_of_records_is_read_at_once(store):
    jobs = [job_id() for _ in range(620)]
    for start in range(0, len(jobs), 155):
        await asyncio.gather(*(store.insert(queued(job)) for job in jobs[start : start + 155]))
    assert set(await store.records(jobs)) == set(jobs)
    assert await store.records([]) == {}


async def test_what_has_expired_is_not_among_many(store, clock):
    record = queued()
    await store.insert(record)
    claim = await store.claim(request(record.id))
    await store.change(record.id, claim.epoch, succeed(result_ttl=5, record_ttl=10))
    clock.time = NOW + 7
    assert (await store.records([record.id]))[record.id].result is None
    clock.time = NOW + 11
    assert await store.records([record.id]) == {}


# Lists --------------------------------------------------------------------------------------------------


async def test_jobs_are_listed_newest_first_page_by_page(store):
    """Jobs of one moment come by their ids, so that no page repeats or leaves out one."""
    records = [queued(enqueued_at=NOW + n // 3) for n in range(20)]
    await asyncio.gather(*map(store.insert, records))
    expected = [record.id for record in sorted(records, key=lambda it: (it.enqueued_at, it.id), reverse=True)]
    assert [it.id for it in await listed(store, JobQuery(limit=7))] == expected
    assert [it.id for it in await listed(store, JobQuery(limit=20))] == expected


async def test_a_list_is_of_a_status_a_task_and_a_time(store):
    old = queued(enqueued_at=NOW - 10)
    other = queued(task="crop")
    running, new = queued(), queued()
    for record in (old, other, running, new):
        await store.insert(record)
    await store.claim(request(running.id))

    async def ids(**query):
        return {it.id for it in await listed(store, JobQuery(**query))}

    assert await ids(status=JobStatus.QUEUED) == {old.id, other.id, new.id}
    assert await ids(status=JobStatus.RUNNING) == {running.id}
    assert await ids(task="resize") == {old.id, running.id, new.id}
    assert await ids(since=NOW) == {other.id, running.id, new.id}
    assert await ids(status=JobStatus.QUEUED, task="resize", since=NOW) == {new.id}
    assert await ids(status=JobStatus.FAILED) == set()


async def test_jobs_that_come_while_pages_are_read_move_nothing(store):
    first = [queued(enqueued_at=NOW + n) for n in range(6)]
    for record in first:
        await store.insert(record)
    page = await store.page(JobQuery(limit=3))
    await store.insert(queued(enqueued_at=NOW + 10))
    rest = await listed(store, JobQuery(limit=3, cursor=page.cursor))
    assert [it.id for it in (*page.items, *rest)] == [record.id for record in reversed(first)]


async def test_a_list_carries_no_envelopes_results_and_histories(store):
    record = queued(envelope="{}", unique="key")
    await store.insert(record)
    await store.claim(request(record.id))
    await store.change(record.id, 1, fail())
    (shown,) = await listed(store, JobQuery())
    assert shown == replace(await store.get(record.id), envelope=None, result=None, history=())


async def test_what_has_expired_is_not_listed(store, clock):
    await store.insert(queued(expires_at=NOW + 5))
    clock.time = NOW + 5
    assert await listed(store, JobQuery()) == []


@pytest.mark.parametrize("cursor", ["", "no cursor", "e30", "Zm9v", "W10"])
async def test_a_cursor_that_is_none_is_refused(store, cursor):
    await store.insert(queued())
    if not cursor:
        assert len((await store.page(JobQuery(cursor=cursor))).items) == 1
        return
    with pytest.raises(ConfigurationError, match="cursor"):
        await store.page(JobQuery(cursor=cursor))


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": LARGEST_PAGE + 1}, {"since": float("nan")}])
def test_a_query_that_cannot_be_is_refused(wrong):
    with pytest.raises(ConfigurationError):
        JobQuery(**wrong)


# Progress -----------------------------------------------------------------------------------------------


async def test_progress_is_of_the_claimant(store):
    job = job_id()
    await store.claim(request(job))
    assert await store.report(job, 1, HALF)
    assert (await store.get(job)).progress == HALF
    assert (await store.records([job]))[job].progress == HALF
    assert not await store.report(job, 2, Progress(6))
    assert not await store.report(job_id(), 1, HALF)
    await store.change(job, 1, succeed())
    assert not await store.report(job, 1, Progress(10))
    assert (await store.get(job)).progress == HALF


async def test_a_new_attempt_begins_without_progress(store):
    job = job_id()
    await store.claim(request(job))
    await store.report(job, 1, HALF)
    await store.change(job, 1, retry(delay=1))
    assert (await store.get(job)).progress == HALF
    await store.claim(request(job, now=NOW + 10))
    assert (await store.get(job)).progress is None
    assert not await store.report(job, 1, HALF)


# History ------------------------------------------------------------------------------------------------


async def test_every_attempt_that_is_over_is_remembered(store):
    """One that failed, one whose worker was killed, one that was given back, one that succeeded."""
    job = job_id()
    await store.claim(request(job))
    await store.change(job, 1, retry(NOW + 1, delay=0, outcome="timed-out"))
    await store.claim(request(job, now=NOW + 2, worker="killed"))
    back = NOW + 2 + LEASE
    await store.claim(request(job, now=back))
    await store.change(job, 3, release(back + 1))
    await store.claim(request(job, now=back + 2))
    await store.change(job, 4, succeed(back + 3))
    told = f"{FAILURE.type}: {FAILURE.message}"
    assert (await store.get(job)).history == (
        PastAttempt(1, "worker-1", NOW, NOW + 1, "timed-out", told),
        PastAttempt(2, "killed", NOW + 2, NOW + 2 + LEASE, "crashed"),
        PastAttempt(3, "worker-1", back, back + 1, "queued"),
        PastAttempt(3, "worker-1", back + 2, back + 3, "succeeded"),
    )


async def test_a_repeated_change_is_remembered_once(store):
    job = job_id()
    await store.claim(request(job))
    for _ in range(3):
        assert await store.change(job, 1, retry())
    assert len((await store.get(job)).history) == 1


async def test_a_history_is_bounded(store):
    job = job_id()
    for n in range(HISTORY_LENGTH + 5):
        await store.claim(request(job, now=NOW + n))
        await store.change(job, n + 1, retry(NOW + n, delay=0))
    history = (await store.get(job)).history
    assert [attempt.number for attempt in history] == list(range(6, HISTORY_LENGTH + 6))


async def test_an_error_is_remembered_by_its_first_words(store):
    job = job_id()
    await store.claim(request(job))
    await store.change(job, 1, fail(failure=replace(FAILURE, message="x" * 10_000)))
    (attempt,) = (await store.get(job)).history
    assert attempt.error == f"{FAILURE.type}: {'x' * 10_000}"[:200]


async def test_a_reopened_job_keeps_its_history(store):
    job = job_id()
    await store.claim(request(job))
    await store.change(job, 1, fail())
    await store.reopen(job, NOW + 2)
    assert [attempt.outcome for attempt in (await store.get(job)).history] == ["failed"]


# The envelope -------------------------------------------------------------------------------------------


async def test_the_envelope_is_kept_until_the_job_has_succeeded(store):
    record = queued(envelope='{"args":{"text":"\u4e16"}}')
    await store.insert(record)
    await store.claim(request(record.id))
    await store.change(record.id, 1, fail())
    assert (await store.get(record.id)).envelope == record.envelope
    assert await store.reopen(record.id, NOW + 2) == 2
    assert (await store.get(record.id)).envelope == record.envelope
    await store.claim(request(record.id, now=NOW + 3))
    await store.change(record.id, 3, succeed())
    assert (await store.get(record.id)).envelope is None


# Cancelling ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [JobStatus.QUEUED, JobStatus.SCHEDULED])
async def test_a_job_that_was_cancelled_before_its_start_is_not_claimed(store, status):
    record = queued(status=status, unique="key", envelope="{}", not_before=NOW + 5)
    await store.insert(record)
    cancelled = await store.cancel(record.id, NOW)
    assert (cancelled.status, cancelled.ended_at, cancelled.not_before) == (JobStatus.CANCELLED, NOW, None)
    assert cancelled == replace(await store.get(record.id), envelope=None)
    assert await store.claim(request(record.id, now=NOW + 10)) == Ended(JobStatus.CANCELLED)
    assert await store.insert(queued(unique="key")) is None


async def test_a_job_that_waits_for_its_next_attempt_is_cancelled_at_once(store):
    job = job_id()
    await store.claim(request(job))
    await store.change(job, 1, retry())
    assert (await store.cancel(job, NOW + 2)).status is JobStatus.CANCELLED
    assert await store.claim(request(job, now=NOW + 100)) == Ended(JobStatus.CANCELLED)
    assert len((await store.get(job)).history) == 1


async def test_a_running_job_is_marked_and_its_claimant_ends_it(store):
    job = job_id()
    await store.claim(request(job))
    marked = await store.cancel(job, NOW + 1)
    assert (marked.status, marked.cancel_requested_at) == (JobStatus.RUNNING, NOW + 1)
    assert (await store.records([job]))[job].cancel_requested_at == NOW + 1
    assert await store.cancel(job, NOW + 2) == marked
    assert await store.extend(job, 1, NOW + 2 * LEASE)
    assert await store.claim(request(job, now=NOW + 3, worker="worker-2")) == Leased(NOW + 2 * LEASE)
    assert await store.change(job, 1, RecordChange(JobStatus.CANCELLED, NOW + 4))
    ended = await store.get(job)
    assert (ended.status, ended.ended_at, ended.history[-1].outcome) == (JobStatus.CANCELLED, NOW + 4, "cancelled")


@pytest.mark.parametrize("change", [retry(), release()], ids=["retrying", "released"])
async def test_a_cancelled_job_is_not_tried_again(store, change):
    """Its claimant may not have heard of it, and left it for another attempt."""
    job = job_id()
    await store.claim(request(job))
    await store.cancel(job, NOW)
    for _ in range(2):
        assert await store.change(job, 1, change)
    record = await store.get(job)
    assert (record.status, record.lease_until, record.not_before) == (JobStatus.CANCELLED, None, None)
    assert await store.claim(request(job, now=NOW + 100)) == Ended(JobStatus.CANCELLED)


@pytest.mark.parametrize("change", [succeed(), fail()], ids=["succeeded", "failed"])
async def test_a_job_that_ended_first_stays_as_it_ended(store, change):
    """What was done is done, and recorded so; a cancellation that comes after it says so."""
    for asked_before in (True, False):
        job = job_id()
        await store.claim(request(job))
        if asked_before:
            await store.cancel(job, NOW)
        assert await store.change(job, 1, change)
        ended = await store.get(job)
        assert ended.status is change.status
        assert await store.cancel(job, NOW + 9) == ended


async def test_the_cancelled_job_of_a_killed_worker_ends_at_the_next_claim(store):
    """The mark outlives the claimant; the attempt that nobody ended is a crash."""
    job = job_id()
    await store.claim(request(job, worker="killed"))
    await store.cancel(job, NOW + 1)
    late = request(job, now=NOW + LEASE, worker="worker-2")
    for _ in range(2):
        assert await store.claim(late) == Ended(JobStatus.CANCELLED)
    record = await store.get(job)
    assert (record.status, record.ended_at, record.attempts, record.crashes) == (JobStatus.CANCELLED, NOW + LEASE, 1, 1)
    assert record.history == (PastAttempt(1, "killed", NOW, NOW + LEASE, "crashed"),)
    assert not await store.change(job, 1, succeed())


async def test_a_job_whose_lease_is_over_is_cancelled_at_once_and_its_claimant_superseded(store):
    job = job_id()
    await store.claim(request(job))
    assert (await store.cancel(job, NOW + LEASE)).status is JobStatus.CANCELLED
    assert not await store.change(job, 1, succeed(NOW + LEASE + 1))
    assert not await store.extend(job, 1, NOW + 3 * LEASE)
    assert not await store.report(job, 1, HALF)


async def test_an_unknown_job_is_not_cancelled(store):
    assert await store.cancel(job_id(), NOW) is None


async def test_a_cancelled_job_is_opened_again_without_its_mark(store):
    job = job_id()
    await store.claim(request(job))
    await store.report(job, 1, HALF)
    await store.cancel(job, NOW)
    await store.change(job, 1, release())
    assert await store.reopen(job, NOW + 2) == 2
    record = await store.get(job)
    assert (record.status, record.cancel_requested_at, record.progress) == (JobStatus.QUEUED, None, None)
    assert await store.claim(request(job, now=NOW + 3)) == Claimed(3, 1, 0)
    assert await store.change(job, 3, retry(NOW + 4))
    assert (await store.get(job)).status is JobStatus.RETRYING


async def test_of_a_cancellation_and_an_end_at_once_one_counts(store):
    """100 races: what the claimant was told is what the record says."""
    for _ in range(100):
        job = job_id()
        await store.claim(request(job))
        over = NOW + LEASE
        cancelled, done = await asyncio.gather(store.cancel(job, over), store.change(job, 1, succeed(over)))
        status = (await store.get(job)).status
        assert status is (JobStatus.SUCCEEDED if done else JobStatus.CANCELLED)
        assert cancelled.status in (status, JobStatus.SUCCEEDED)


# Wakes --------------------------------------------------------------------------------------------------


async def test_every_change_of_a_job_wakes_who_listens_for_it(store):
    """Whichever clone makes it; a store that cannot push is one that is asked now and then."""
    if not pushes(store):
        return
    job, reader = job_id(), store.clone()
    woken: asyncio.Queue[JobId | None] = asyncio.Queue()
    async with reader, reader.listening(woken.put_nowait) as ear:
        await ear.add([job])

        async def wakes(writing):
            assert await writing is not False
            assert await asyncio.wait_for(woken.get(), 5) in (job, None)
            return (await reader.records([job]))[job]

        await store.insert(queued())
        assert (await wakes(store.insert(queued(job)))).status is JobStatus.QUEUED
        assert (await wakes(store.claim(request(job)))).status is JobStatus.RUNNING
        assert (await wakes(store.report(job, 1, HALF))).progress == HALF
        assert (await wakes(store.cancel(job, NOW))).cancel_requested_at == NOW
        assert (await wakes(store.change(job, 1, succeed()))).status is JobStatus.SUCCEEDED


async def test_who_listens_no_more_is_not_woken(store):
    if not pushes(store):
        return
    job, kept = job_id(), job_id()
    woken: asyncio.Queue[JobId | None] = asyncio.Queue()
    async with store.listening(woken.put_nowait) as ear:
        await ear.add([job, kept])
        await ear.discard([job])
        await store.insert(queued(job))
        await store.insert(queued(kept))
        assert await asyncio.wait_for(woken.get(), 5) == kept


def pushes(store) -> bool:
    return isinstance(store, Pushing)


async def listed(store, query):
    """All pages of a list; each but the last one is as long as was asked for, in the stores that can say so."""
    records = []
    while True:
        page = await store.page(query)
        assert len(page.items) <= query.limit
        records += page.items
        if page.cursor is None:
            return records
        query = replace(query, cursor=page.cursor)
