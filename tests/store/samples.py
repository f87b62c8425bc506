"""Values that the tests of the stores are made of."""

from __future__ import annotations

import itertools
from typing import Any

from sqsjobs.job import JobId, JobStatus
from sqsjobs.outcome import Failure
from sqsjobs.store.base import ClaimRequest, JobRecord, RecordChange

NOW = 1_800_000_000.0
LEASE = 60.0
FAILURE = Failure("builtins.ValueError", "no such file: caf\udce9.txt", "Traceback ...", "0123456789ab")

_numbers = itertools.count()


class FixedClock:
    """A clock that stands still until a test moves `time`."""

    def __init__(self, time: float = NOW) -> None:
        self.time = time

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return self.time


def job_id() -> JobId:
    return JobId(f"job-{next(_numbers):016d}")


def queued(job: JobId | None = None, **fields: Any) -> JobRecord:
    values: dict[str, Any] = {
        "task": "resize",
        "queue": "images",
        "status": JobStatus.QUEUED,
        "enqueued_at": NOW,
    } | fields
    return JobRecord(job or job_id(), **values)


def request(
    job: JobId, *, now: float = NOW, worker: str = "worker-1", lease: float = LEASE, **fields: Any
) -> ClaimRequest:
    return ClaimRequest(job, "resize", "images", NOW, worker, now, now + lease, **fields)


def succeed(now: float = NOW + 1, result: bytes = b'{"width":200}', **fields: Any) -> RecordChange:
    return RecordChange(JobStatus.SUCCEEDED, now, result=result, **fields)


def fail(now: float = NOW + 1, **fields: Any) -> RecordChange:
    values: dict[str, Any] = {"failure": FAILURE, "dead_lettered": True} | fields
    return RecordChange(JobStatus.FAILED, now, **values)


def retry(now: float = NOW + 1, delay: float = 30.0, **fields: Any) -> RecordChange:
    values: dict[str, Any] = {"failure": FAILURE} | fields
    return RecordChange(JobStatus.RETRYING, now, not_before=now + delay, **values)


def release(now: float = NOW + 1, **fields: Any) -> RecordChange:
    return RecordChange(JobStatus.QUEUED, now, attempt_back=True, **fields)
