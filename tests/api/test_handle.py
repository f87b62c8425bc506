"""Handles: what a job's record gives to those who ask, and to those who wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

import msgspec
import pytest

from sqsjobs.clock import SystemClock
from sqsjobs.errors import (
    ConfigurationError,
    JobCancelled,
    JobFailed,
    ResultExpired,
    ResultTimeout,
    UnknownJob,
)
from sqsjobs.following import JobRecords, Reader
from sqsjobs.handle import JobHandle
from sqsjobs.job import JobId, JobStatus, new_job_id
from sqsjobs.outcome import Failure
from sqsjobs.store.base import JobRecord

T = TypeVar("T")

JOB = new_job_id()
QUEUED = JobRecord(id=JOB, task="t", queue="q", status=JobStatus.QUEUED)


class Scripted:
    """A store that gives out records one after the other, the last one for ever."""

    def __init__(self, *records: JobRecord | None) -> None:
        self.records_left = list(records)
        self.reads = 0

    async def get(self, job_id: JobId) -> JobRecord | None:
        assert job_id == JOB
        self.reads += 1
        return self.records_left.pop(0) if len(self.records_left) > 1 else self.records_left[0]

    async def records(self, job_ids: list[JobId]) -> dict[JobId, JobRecord]:
        assert job_ids == [JOB]
        record = await self.get(JOB)
        return {JOB: record} if record else {}


class Script:
    """The app of a handle that reads what a script says."""

    def __init__(self, *records: JobRecord | None, begin_at_enqueue: bool = True) -> None:
        self.begin_at_enqueue = begin_at_enqueue
        self.store: Any = Scripted(*records)
        self.readers: list[Reader] = []

    def records(self, wanted: str) -> JobRecords:
        assert wanted.endswith("()")
        reader = Reader(self.store, observer=lambda _: None)
        self.readers.append(reader)
        nobody: Any = None
        return JobRecords(self.store, reader, "full", nobody, SystemClock())

    def records_sync(self, wanted: str, step: Callable[[JobRecords], Coroutine[Any, Any, T]]) -> T:
        raise AssertionError(wanted)

    def decode_result(self, record: JobRecord) -> Any:
        assert record.result is not None
        return msgspec.json.decode(record.result)


@pytest.fixture
async def script():
    """Makes scripts, and closes their readers."""
    made = []

    def make(*records, **options):
        made.append(Script(*records, **options))
        return made[-1]

    yield make
    for one in made:
        for reader in one.readers:
            await reader.__aexit__()


def ended(status: JobStatus, **changes: Any) -> JobRecord:
    return replace(QUEUED, status=status, **changes)


async def test_record_and_status_are_what_the_store_has(script):
    handle: JobHandle[Any] = JobHandle(JOB, script(QUEUED))
    assert await handle.record() is QUEUED
    assert await handle.status() is JobStatus.QUEUED
    assert repr(handle) == f"<JobHandle {JOB}>"


async def test_no_record_is_an_unknown_job(script):
    handle: JobHandle[Any] = JobHandle(JOB, script(None))
    for ask in (handle.record, handle.status, handle.result):
        with pytest.raises(UnknownJob, match=JOB):
            await ask()


async def test_result_waits_for_the_end(script):
    app = script(QUEUED, ended(JobStatus.RUNNING), ended(JobStatus.SUCCEEDED, result=b'{"a": 1}'))
    assert await JobHandle(JOB, app).result(timeout=5) == {"a": 1}
    assert app.store.reads == 3


async def test_result_of_a_job_that_has_not_ended_in_time_says_where_it_is(script):
    with pytest.raises(ResultTimeout, match=r"still running after 0\.01 s") as caught:
        await JobHandle(JOB, script(ended(JobStatus.RUNNING))).result(timeout=0.01)
    assert caught.value.status == "running"


async def test_result_with_no_time_looks_once(script):
    app = script(QUEUED)
    with pytest.raises(ResultTimeout):
        await JobHandle(JOB, app).result(timeout=0)
    assert app.store.reads == 1


async def test_a_negative_timeout_is_refused(script):
    with pytest.raises(ConfigurationError, match="timeout"):
        await JobHandle(JOB, script(QUEUED)).result(timeout=-1)


async def test_where_records_begin_with_the_worker_result_waits_for_one(script):
    """Tracking "worker" and "result"."""
    app = script(None, None, ended(JobStatus.SUCCEEDED, result=b"1"), begin_at_enqueue=False)
    assert await JobHandle(JOB, app).result(timeout=5) == 1
    with pytest.raises(ResultTimeout, match="still unrecorded"):
        await JobHandle(JOB, script(None, begin_at_enqueue=False)).result(timeout=0.01)


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.DISCARDED])
async def test_a_failure_carries_the_workers_words(script, status):
    """S2: the type of the error is a text, of whatever name; nothing is imported or raised by it."""
    failure = Failure("builtins.ValueError", "no such row", "File x.py, line 3", "abc")
    with pytest.raises(JobFailed, match="no such row") as caught:
        await JobHandle(JOB, script(ended(status, failure=failure, attempts=3))).result()
    error = caught.value
    assert (error.error_type, error.error_message, error.attempts) == ("builtins.ValueError", "no such row", 3)
    assert "File x.py, line 3" in str(error)


async def test_a_failure_of_which_nothing_is_known_is_a_failure(script):
    with pytest.raises(JobFailed, match="failed"):
        await JobHandle(JOB, script(ended(JobStatus.FAILED))).result()


async def test_a_cancelled_job_and_an_expired_result_have_their_own_errors(script):
    with pytest.raises(JobCancelled):
        await JobHandle(JOB, script(ended(JobStatus.CANCELLED))).result()
    with pytest.raises(ResultExpired):
        await JobHandle(JOB, script(ended(JobStatus.SUCCEEDED))).result()


async def test_waiting_can_be_cancelled(script):
    handle: JobHandle[Any] = JobHandle(JOB, script(QUEUED))
    waiting = asyncio.create_task(handle.result())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
