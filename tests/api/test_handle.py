"""Handles: what a job's record gives to those who ask, and to those who wait."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import islice, pairwise
from random import Random
from typing import Any

import msgspec
import pytest

from sqsjobs.errors import (
    ConfigurationError,
    JobCancelled,
    JobFailed,
    ResultExpired,
    ResultTimeout,
    UnknownJob,
)
from sqsjobs.handle import JobHandle, _pauses
from sqsjobs.job import JobId, JobStatus, new_job_id
from sqsjobs.outcome import Failure
from sqsjobs.store.base import JobRecord

JOB = new_job_id()
QUEUED = JobRecord(id=JOB, task="t", queue="q", status=JobStatus.QUEUED)


class Script:
    """Gives out records one after the other, the last one for ever."""

    def __init__(self, *records: JobRecord | None, begin_at_enqueue: bool = True) -> None:
        self.records = list(records)
        self.begin_at_enqueue = begin_at_enqueue
        self.reads = 0

    async def read_record(self, job_id: JobId, wanted: str) -> JobRecord | None:
        assert job_id == JOB
        assert wanted.endswith("()")
        self.reads += 1
        return self.records.pop(0) if len(self.records) > 1 else self.records[0]

    def decode_result(self, record: JobRecord) -> Any:
        assert record.result is not None
        return msgspec.json.decode(record.result)


def ended(status: JobStatus, **changes: Any) -> JobRecord:
    return replace(QUEUED, status=status, **changes)


async def test_record_and_status_are_what_the_store_has():
    handle: JobHandle[Any] = JobHandle(JOB, Script(QUEUED))
    assert await handle.record() is QUEUED
    assert await handle.status() is JobStatus.QUEUED
    assert repr(handle) == f"<JobHandle {JOB}>"


async def test_no_record_is_an_unknown_job():
    handle: JobHandle[Any] = JobHandle(JOB, Script(None))
    for ask in (handle.record, handle.status, handle.result):
        with pytest.raises(UnknownJob, match=JOB):
            await ask()


async def test_result_waits_for_the_end():
    script = Script(QUEUED, ended(JobStatus.RUNNING), ended(JobStatus.SUCCEEDED, result=b'{"a": 1}'))
    assert await JobHandle(JOB, script).result(timeout=5) == {"a": 1}
    assert script.reads == 3


async def test_result_of_a_job_that_has_not_ended_in_time_says_where_it_is():
    with pytest.raises(ResultTimeout, match=r"still running after 0\.01 s") as caught:
        await JobHandle(JOB, Script(ended(JobStatus.RUNNING))).result(timeout=0.01)
    assert caught.value.status == "running"


async def test_result_with_no_time_looks_once():
    script = Script(QUEUED)
    with pytest.raises(ResultTimeout):
        await JobHandle(JOB, script).result(timeout=0)
    assert script.reads == 1


async def test_a_negative_timeout_is_refused():
    with pytest.raises(ConfigurationError, match="timeout"):
        await JobHandle(JOB, Script(QUEUED)).result(timeout=-1)


async def test_where_records_begin_with_the_worker_result_waits_for_one():
    """Tracking "worker" and "result"."""
    script = Script(None, None, ended(JobStatus.SUCCEEDED, result=b"1"), begin_at_enqueue=False)
    assert await JobHandle(JOB, script).result(timeout=5) == 1
    with pytest.raises(ResultTimeout, match="still unrecorded"):
        await JobHandle(JOB, Script(None, begin_at_enqueue=False)).result(timeout=0.01)


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.DISCARDED])
async def test_a_failure_carries_the_workers_words(status):
    failure = Failure("builtins.ValueError", "no such row", "File x.py, line 3", "abc")
    with pytest.raises(JobFailed, match="no such row") as caught:
        await JobHandle(JOB, Script(ended(status, failure=failure, attempts=3))).result()
    error = caught.value
    assert (error.error_type, error.error_message, error.attempts) == ("builtins.ValueError", "no such row", 3)
    assert "File x.py, line 3" in str(error)


async def test_a_failure_of_which_nothing_is_known_is_a_failure():
    with pytest.raises(JobFailed, match="failed"):
        await JobHandle(JOB, Script(ended(JobStatus.FAILED))).result()


async def test_a_cancelled_job_and_an_expired_result_have_their_own_errors():
    with pytest.raises(JobCancelled):
        await JobHandle(JOB, Script(ended(JobStatus.CANCELLED))).result()
    with pytest.raises(ResultExpired):
        await JobHandle(JOB, Script(ended(JobStatus.SUCCEEDED))).result()


async def test_waiting_can_be_cancelled():
    handle: JobHandle[Any] = JobHandle(JOB, Script(QUEUED))
    waiting = asyncio.create_task(handle.result())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_pauses_grow_from_50_ms_to_1_s():
    pauses = list(islice(_pauses(Random(1)), 40))
    assert 0.0375 <= pauses[0] <= 0.0625
    assert all(0.75 <= pause <= 1.25 for pause in pauses[15:])
    assert all(later < 2.4 * earlier for earlier, later in pairwise(pauses))
