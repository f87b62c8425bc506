"""The job store's contract: what the record of a job holds, and the compare-and-set rules that change it.

The life of a record::

    scheduled/queued -> running -> succeeded | failed | discarded | cancelled
                         |  ^
                         v  |  retrying (failure, RetryAfter) · queued (released, snoozed)

A claim raises the record's `epoch`; whatever the claimant writes later names that epoch and is refused
if another claim came in between. Dates are seconds since 1970 (UTC) by the caller's clock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self, TypeAlias

from sqsjobs.job import JobId, JobStatus, Progress
from sqsjobs.outcome import Failure
from sqsjobs.store.listing import JobQuery, Page

__all__ = [
    "DONE_RECORD_TTL",
    "HISTORY_LENGTH",
    "RESULT_TTL",
    "ClaimRequest",
    "ClaimResult",
    "Claimed",
    "Ended",
    "JobRecord",
    "JobStore",
    "Leased",
    "PastAttempt",
    "RecordChange",
    "Scheduled",
]

RESULT_TTL = 24 * 3600.0
"""Seconds that a result is kept after the job has ended."""
DONE_RECORD_TTL = 15 * 24 * 3600.0
"""Seconds that the small record of an ended job is kept: longer than any queue's retention (14 days)."""
HISTORY_LENGTH = 20
"""Attempts that a record remembers, the latest ones."""


@dataclass(frozen=True, slots=True)
class PastAttempt:
    """An attempt that is over, as the record remembers it.

    Attributes:
        number: which attempt it was, from 1; one that was given back is followed by another of its number.
        worker: who ran it.
        started_at, ended_at: by that worker's clock; of a crash, `ended_at` is when its lease ended.
        outcome: what became of it, in a word: ``"succeeded"``, ``"failed"``, ``"timed-out"``, ``"crashed"``, …
        error: the type and the first 200 characters of the error, or empty.
    """

    number: int
    worker: str
    started_at: float
    ended_at: float
    outcome: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class JobRecord:
    """What the job store knows of a job.

    Attributes:
        id: the job.
        task: its task's name.
        queue: its queue.
        status: where it is in its life.
        attempts: how often its function was started, less what was given back.
        crashes: how many attempts were claimed and never ended.
        epoch: the number of the last claim (or re-opening): the fencing token.
        enqueued_at: by the producer's clock.
        lease_until: until when the claimant may run, or None when nobody runs it.
        not_before: before when it may not start, or None.
        started_at: when the last attempt was claimed.
        ended_at: when it ended.
        worker: which worker claimed it last.
        result: its value as JSON, until `result_expires_at`.
        failure: the last error.
        dead_lettered: whether a failed job's message went to the dead-letter queue.
        unique: the key that no other unfinished job of the task has; a job opened again loses it to one that has it.
        group: the message group (FIFO), or the tenant of a fair queue.
        envelope: the message body as it was sent, sealed if it was, so that the job can be sent again; None where
            it is not kept, and of a job that has succeeded. Only `JobStore.get` returns it.
        progress: what the running attempt, or the last one, said last.
        history: the attempts that are over, at most `HISTORY_LENGTH`, oldest first.
        cancel_requested_at: when the cancellation of a running job was asked for; its next step is its end.
        result_expires_at: when the result is dropped.
        expires_at: when the record is dropped: an unfinished job's, 15 days after anybody last wrote it.
    """

    id: JobId
    task: str
    queue: str
    status: JobStatus
    attempts: int = 0
    crashes: int = 0
    epoch: int = 0
    enqueued_at: float = 0.0
    lease_until: float | None = None
    not_before: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    worker: str | None = None
    result: bytes | None = field(default=None, repr=False)
    failure: Failure | None = None
    dead_lettered: bool = False
    unique: str | None = None
    group: str | None = None
    envelope: str | None = field(default=None, repr=False)
    progress: Progress | None = None
    history: tuple[PastAttempt, ...] = ()
    cancel_requested_at: float | None = None
    result_expires_at: float | None = None
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """A worker's wish to start a job.

    Attributes:
        job_id, task, queue, enqueued_at: what a record is made of, if there is none yet.
        worker: who asks.
        now: by the worker's clock.
        lease_until: until when the worker may run; never past the message's own lease.
        reopens_epoch: set for a message that came back from the dead-letter queue: a failed record of exactly this
            epoch is opened again, its attempts and crashes at 0.
    """

    job_id: JobId
    task: str
    queue: str
    enqueued_at: float
    worker: str
    now: float
    lease_until: float
    reopens_epoch: int | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """The job is the caller's: `epoch` is its fencing token, `attempt` counts from 1.

    `crashes` counts the attempts that were claimed and never ended, the last one included. A claim of a
    record that was ``running`` under a lease that is over adds one.
    """

    epoch: int
    attempt: int
    crashes: int


@dataclass(frozen=True, slots=True)
class Leased:
    """Another claim runs the job until the date `until`."""

    until: float


@dataclass(frozen=True, slots=True)
class Ended:
    """The job has ended."""

    status: JobStatus


@dataclass(frozen=True, slots=True)
class Scheduled:
    """The job may not start before the date `until`."""

    until: float


ClaimResult: TypeAlias = Claimed | Leased | Ended | Scheduled
"""What a claim gets."""


@dataclass(frozen=True, slots=True)
class RecordChange:
    """How the claimant leaves the record; every change ends the claim's lease.

    Attributes:
        status: the new status; of a job whose cancellation was asked for, any that is no end becomes ``cancelled``.
        now: by the worker's clock; `ended_at`, where the status is an end.
        outcome: what became of the attempt, for its history; by default the status.
        progress: what the attempt said last; None keeps what is written.
        attempt_back: whether the attempt is given back (attempts - 1).
        crashed: whether the attempt took its child process down (crashes + 1).
        not_before: before when the next attempt may not start; None clears it.
        result: the value as JSON.
        failure: the error; None keeps the last one, except on success, which clears it.
        dead_lettered: whether the message goes to the dead-letter queue.
        result_ttl: seconds to keep the result.
        record_ttl: seconds to keep the record of an ended job.
    """

    status: JobStatus
    now: float
    outcome: str = ""
    progress: Progress | None = None
    attempt_back: bool = False
    crashed: bool = False
    not_before: float | None = None
    result: bytes | None = None
    failure: Failure | None = None
    dead_lettered: bool = False
    result_ttl: float = RESULT_TTL
    record_ttl: float = DONE_RECORD_TTL


class JobStore(Protocol):
    """Records of jobs. An instance belongs to one event loop of one process.

    Every method raises `StoreUnavailable` where the store cannot be reached in time, and is safe to call
    again with the same arguments.
    """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc_info: object) -> None: ...

    async def insert(self, record: JobRecord) -> JobRecord | None:
        """Insert `record` if its id is absent and its `unique` key (per task) is free.

        Returns None if it was inserted, otherwise the record that is already there, be it without a result that is
        kept as a blob. A key is free again when the job that has it has ended.
        """
        ...

    async def get(self, job_id: JobId) -> JobRecord | None:
        """Read one record as it was last written, or None. An expired result or record is not returned."""
        ...

    async def records(self, job_ids: Collection[JobId]) -> Mapping[JobId, JobRecord]:
        """Read any number of records at once, all but their envelopes; ids without a record are left out.

        Meant for many readers sharing few calls, so it costs as few of the backend's as it can (one; DynamoDB: one
        for a hundred ids). What was committed before the call is read: a job that was just enqueued, or sent
        again, is never seen as unknown, or as it ended before.

        Raises:
            ResultsUnread: if some have results that cannot be read; it has the others.
        """
        ...

    async def page(self, query: JobQuery) -> Page[JobRecord]:
        """List records, those enqueued last first (of one moment, by id, the largest first), a page at a time.

        Of each everything but envelope, result and history. The cursor of a page that may have a successor leads to
        exactly that, whatever is inserted meanwhile; a record is in the list from some time after its insertion on.

        Raises:
            ConfigurationError: if the query's cursor is none of this store's.
        """
        ...

    async def claim(self, request: ClaimRequest) -> ClaimResult:
        """Claim a job for an attempt: status running, epoch + 1, attempts + 1; makes the record if there is none.

        Refused where the job has ended, is under a live lease, or is not due; where the last claimant is gone and a
        cancellation was asked for, the claim ends the job as cancelled, and is refused. Repeated with the very
        same request after an uncertain answer, it returns what the first one got.
        """
        ...

    async def change(self, job_id: JobId, epoch: int, change: RecordChange) -> bool:
        """Apply `change` if the record still has `epoch` and has not ended; repeating the same change is True.

        Returns False if the claim was superseded, or the record is gone.
        """
        ...

    async def extend(self, job_id: JobId, epoch: int, lease_until: float) -> bool:
        """Move the end of a running claim's lease to `lease_until`; False if the claim was superseded or has ended."""
        ...

    async def report(self, job_id: JobId, epoch: int, progress: Progress) -> bool:
        """Write the progress of a running claim; False if the claim was superseded or has ended."""
        ...

    async def cancel(self, job_id: JobId, now: float) -> JobRecord | None:
        """Cancel a job, and return its record (all but the envelope) as it is then; None if there is none.

        One that has ended stays as it is. One that runs under a live lease is marked with `cancel_requested_at`, and
        whatever its claimant does next but ending it makes it ``cancelled``. Any other is ``cancelled`` at once,
        its epoch raised, so that nothing that was claimed before can complete.
        """
        ...

    async def reopen(self, job_id: JobId, now: float, epoch: int | None = None) -> int | None:
        """Make an ended, not succeeded job ``queued`` again, attempts and crashes at 0; return its new epoch.

        Returns None if there is no such record (of `epoch`, if given), or it has succeeded or not ended.
        """
        ...

    async def put_back(self, before: JobRecord) -> bool:
        """Undo `reopen`, whose message SQS certainly does not have: the record is `before` again, its epoch included.

        A dead letter of it then finds what it knows. Repeating it is True; False if the record is no longer as
        `reopen` left it.
        """
        ...

    async def remove(self, job_id: JobId) -> None:
        """Remove a record that was never claimed (its send was rejected)."""
        ...

    async def purge(self, now: float) -> int:
        """Drop what has expired; return how many records were dropped."""
        ...

    def clone(self) -> JobStore:
        """Return an unopened store of the same records, for another event loop."""
        ...
