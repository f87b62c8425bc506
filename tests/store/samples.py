"""Values that the tests of the stores are made of."""

from __future__ import annotations

import itertools

from sqsjobs.job import JobId, JobStatus
from sqsjobs.outcome import Failure
from sqsjobs.store.base import ClaimRequest, JobRecord, RecordChange

NOW = 1_800_000_000.0
LEASE = 60.0
FAILURE = Failure("builtins.ValueError", "no such file: caf\udce9.txt", "Traceback ...", "0123456789ab")

_numbers = itertools.count()


class FixedClock:
    """A clock that stands still until a test moves `time`."""

    def __init__(self, time=NOW):
        self.time = time

    def now(self):
        return self.time

    def wall(self):
        return self.time


def job_id() -> JobId:
    return JobId(f"job-{next(_numbers):016d}")


def queued(job: JobId | None = None, **fields) -> JobRecord:
    values = {"task": "resize", "queue": "images", "status": JobStatus.QUEUED, "enqueued_at": NOW} | fields
    return JobRecord(job or job_id(), **values)


def request(job: JobId, *, now=NOW, worker="worker-1", lease=LEASE, **fields) -> ClaimRequest:
    return ClaimRequest(job, "resize", "images", NOW, worker, now, now + lease, **fields)


def succeed(now=NOW + 1, result=b'{"width":200}', **fields) -> RecordChange:
    return RecordChange(JobStatus.SUCCEEDED, now, result=result, **fields)


def fail(now=NOW + 1, **fields) -> RecordChange:
    return RecordChange(JobStatus.FAILED, now, **({"failure": FAILURE, "dead_lettered": True} | fields))


def retry(now=NOW + 1, delay=30.0, **fields) -> RecordChange:
    return RecordChange(JobStatus.RETRYING, now, not_before=now + delay, **({"failure": FAILURE} | fields))


def release(now=NOW + 1, **fields) -> RecordChange:
    return RecordChange(JobStatus.QUEUED, now, attempt_back=True, **fields)
