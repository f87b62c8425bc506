"""Everything sqsjobs raises, and what a job raises to steer itself.

The tree of errors::

    SqsJobsError
    ├── ConfigurationError        an option, a queue or an environment that cannot work
    ├── TaskNotBound              a task is enqueued that no app has included
    ├── UnknownTask               a name that is not in the registry
    ├── InvalidArguments          a call that does not fit the task's signature
    ├── InvalidResult             a recorded result that does not fit the task's return annotation
    ├── EnqueueRejected           SQS, or a limit of SQS, refused the job: it will not run
    │   ├── PayloadTooLarge       … because it is larger than a message may be
    │   ├── DelayTooLong          … because it is delayed further than SQS can delay
    │   └── CallbackRefused       … because its callback may not go where it is to go
    ├── EnqueueUncertain          no answer came: the job may or may not run
    ├── EnqueueManyError          some of the calls of one enqueue_many did not get through
    ├── NoJobStore                a record is asked for, and no job store keeps any
    ├── UnknownJob                the job store has no record of that id
    ├── ResultTimeout             the job had not ended when the wait was over
    ├── ResultExpired             the job succeeded so long ago that its result is no longer kept
    ├── JobFailed                 the job ended failed (or discarded)
    ├── JobCancelled              the job was cancelled
    ├── CannotRetry               a job cannot be sent again under its id
    ├── LeaseLost                 a job's lease ended while it ran
    ├── LifespanFailed            the app's lifespan raised before a worker took any job
    ├── InvalidEnvelope           a message body that is no job (poison)
    │   ├── EnvelopeOverLimit     … because it is larger or deeper than an envelope may be
    │   ├── PayloadMissing        … because its arguments, kept elsewhere, are gone
    │   ├── PayloadMismatch       … because what is kept elsewhere is not what it speaks of
    │   └── UntrustedEnvelope     … because it is not what somebody with the keys has sealed
    ├── UnsupportedVersion        an envelope newer than this worker reads
    ├── TransportError            a call to SQS failed
    │   ├── QueueNotFound         … because the queue does not exist
    │   ├── AccessDenied          … because these credentials may not do it
    │   ├── RequestRejected       … because SQS found the request itself wrong
    │   └── TransportUnavailable  … and may succeed when tried again
    │       └── Throttled         … because too much was asked at once
    ├── CallbackFailed            a receiver has not taken a callback; worth another try
    ├── InvalidWebhook            a webhook that nobody with the keys has sent just now
    ├── BlobsUnavailable          large arguments or results could not be kept or read; worth another try
    ├── KeysUnavailable           a key service did not answer; worth another try
    └── StoreError                a call to the job store failed
        ├── StoreUnavailable      … and may succeed when tried again
        └── ResultsUnread         … for some of the records that were asked for

Apart from the tree, because a request is not an error: `Snooze`, `RetryAfter`, `Discard`
and `Reject`, under `Steering`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

__all__ = [
    "AccessDenied",
    "BlobsUnavailable",
    "CallbackFailed",
    "CallbackRefused",
    "CannotRetry",
    "ConfigurationError",
    "DelayTooLong",
    "Discard",
    "EnqueueManyError",
    "EnqueueRejected",
    "EnqueueUncertain",
    "EnvelopeOverLimit",
    "InvalidArguments",
    "InvalidEnvelope",
    "InvalidResult",
    "InvalidWebhook",
    "JobCancelled",
    "JobFailed",
    "KeysUnavailable",
    "LeaseLost",
    "LifespanFailed",
    "NoJobStore",
    "PayloadMismatch",
    "PayloadMissing",
    "PayloadTooLarge",
    "QueueNotFound",
    "Reject",
    "RejectedCall",
    "RequestRejected",
    "ResultExpired",
    "ResultTimeout",
    "ResultsUnread",
    "RetryAfter",
    "Snooze",
    "SqsJobsError",
    "Steering",
    "StoreError",
    "StoreUnavailable",
    "TaskNotBound",
    "Throttled",
    "TransportError",
    "TransportUnavailable",
    "UncertainCall",
    "UnknownJob",
    "UnknownTask",
    "UnsupportedVersion",
    "UntrustedEnvelope",
]


class SqsJobsError(Exception):
    """The root of every error that sqsjobs raises."""


class ConfigurationError(SqsJobsError):
    """Raised where an option, a queue or the environment cannot work; the message says what to change."""


class TaskNotBound(SqsJobsError):
    """Raised when a task is enqueued that belongs to no app yet."""

    def __init__(self, task: str) -> None:
        super().__init__(
            f"task {task!r} belongs to no app, so there is no queue to send it to: "
            f"declare it with @app.task, or bind it with app.include(...)"
        )
        self.task = task


class UnknownTask(SqsJobsError):
    """Raised where a task is asked for by a name that the registry does not have."""

    def __init__(self, task: str, known: Sequence[str] = ()) -> None:
        names = ", ".join(sorted(known)) or "none"
        super().__init__(f"no task is called {task!r}; known tasks: {names}")
        self.task = task
        self.known: tuple[str, ...] = tuple(known)


class InvalidArguments(SqsJobsError):
    """Raised when a call does not fit its task's signature: by `enqueue`, before anything is sent."""

    def __init__(self, task: str, problem: str) -> None:
        super().__init__(f"task {task!r}: {problem}")
        self.task = task
        self.problem = problem


class InvalidResult(SqsJobsError):
    """Raised by `JobHandle.result` when the value does not fit the return annotation of the task as it is here."""

    def __init__(self, task: str, problem: str) -> None:
        super().__init__(f"the result of task {task!r} does not fit its return annotation: {problem}")
        self.task = task
        self.problem = problem


class EnqueueRejected(SqsJobsError):
    """Raised when SQS, or one of its limits, refused a job. The job will not run."""

    def __init__(self, message: str, *, job_id: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.job_id = job_id
        self.code = code


class PayloadTooLarge(EnqueueRejected):
    """Raised before anything is sent when a job's message would be larger than SQS takes."""

    def __init__(self, *, size: int, limit: int, job_id: str | None = None) -> None:
        super().__init__(
            f"the message would have {size:,} bytes, the limit is {limit:,}: "
            f"pass a reference (an S3 key, a row id) in place of the content",
            job_id=job_id,
            code="PayloadTooLarge",
        )
        self.size = size
        self.limit = limit


class DelayTooLong(EnqueueRejected):
    """Raised before anything is sent when a delay is longer than SQS's 900 seconds."""

    def __init__(self, *, delay: float, limit: float = 900.0, job_id: str | None = None) -> None:
        super().__init__(
            f"a delay of {delay:g} s is longer than the {limit:g} s that SQS can hold a message back: "
            f"use a shorter delay, or let EventBridge Scheduler send the job when it is due",
            job_id=job_id,
            code="DelayTooLong",
        )
        self.delay = delay
        self.limit = limit


class CallbackRefused(EnqueueRejected):
    """Raised before anything is sent when a callback is wanted to where the app's configuration lets none go.

    A worker raises it, too, where the address behind a name turns out to be none of the public internet.
    """

    def __init__(self, message: str, *, job_id: str | None = None) -> None:
        super().__init__(message, job_id=job_id, code="CallbackRefused")


class EnqueueUncertain(SqsJobsError):
    """Raised when no answer to a send arrived in time: the job may or may not run.

    Enqueue again under the same id only if the task is idempotent; with a job store, ask for
    `app.job(job_id).status()` first.
    """

    def __init__(self, job_id: str, reason: str) -> None:
        super().__init__(f"job {job_id} may or may not have been accepted by SQS: {reason}")
        self.job_id = job_id
        self.reason = reason


@dataclass(frozen=True, slots=True)
class RejectedCall:
    """A call of `enqueue_many` that will not run: its place in the input, its job id, and why."""

    index: int
    job_id: str
    error: SqsJobsError


@dataclass(frozen=True, slots=True)
class UncertainCall:
    """A call of `enqueue_many` that may or may not run: its place in the input, its job id, and why."""

    index: int
    job_id: str
    error: EnqueueUncertain


class EnqueueManyError(SqsJobsError):
    """Raised when not every call of an `enqueue_many` was accepted; each call is in one of three lists.

    Attributes:
        accepted: the handles of the jobs that SQS has, in the order of the calls.
        rejected: the calls that will not run.
        uncertain: the calls that may or may not run.
    """

    def __init__(
        self,
        *,
        accepted: Sequence[Any],  # JobHandle, which lives on a higher floor
        rejected: Sequence[RejectedCall],
        uncertain: Sequence[UncertainCall],
    ) -> None:
        failed: list[RejectedCall | UncertainCall] = [*rejected, *uncertain]
        super().__init__(
            f"{len(accepted)} calls accepted, {len(rejected)} rejected, {len(uncertain)} uncertain"
            + (f"; the first: {failed[0].error}" if failed else "")
        )
        self.accepted: tuple[Any, ...] = tuple(accepted)
        self.rejected: tuple[RejectedCall, ...] = tuple(rejected)
        self.uncertain: tuple[UncertainCall, ...] = tuple(uncertain)


class NoJobStore(SqsJobsError):
    """Raised when a record, a status, a result or uniqueness is asked for without a job store."""

    def __init__(self, wanted: str) -> None:
        super().__init__(
            f"{wanted} needs a job store, and this app keeps no records: "
            f"set SQSJOBS_STORE (sqlite:///jobs.db) or App(store=...), with tracking other than 'off'"
        )


class UnknownJob(SqsJobsError):
    """Raised when the job store has no record of an id: never enqueued here, or expired."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"the job store has no record of job {job_id}: a wrong id, or its record has expired")
        self.job_id = job_id


class ResultTimeout(SqsJobsError):
    """Raised by `JobHandle.result` when the job has not ended within the timeout. The job goes on."""

    def __init__(self, job_id: str, status: str, timeout: float) -> None:
        super().__init__(f"job {job_id} is still {status} after {timeout:g} s; it goes on, ask again later")
        self.job_id = job_id
        self.status = status
        self.timeout = timeout


class ResultExpired(SqsJobsError):
    """Raised by `JobHandle.result` when the job succeeded, and its result is not, or no longer, kept."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"job {job_id} succeeded, but its result is no longer kept")
        self.job_id = job_id


class JobFailed(SqsJobsError):
    """Raised by `JobHandle.result` when the job ended failed or discarded.

    Attributes:
        job_id: the job.
        error_type: the qualified name of the exception in the worker, as text.
        error_message: its message.
        traceback: the worker's traceback as text, without local variables.
        attempts: how often the function was started.
    """

    def __init__(
        self, job_id: str, *, error_type: str, error_message: str, traceback: str = "", attempts: int = 0
    ) -> None:
        text = f"job {job_id} failed after {attempts} attempt(s): {error_type}: {error_message}"
        super().__init__(f"{text}\n\nIn the worker:\n{traceback}" if traceback else text)
        self.job_id = job_id
        self.error_type = error_type
        self.error_message = error_message
        self.traceback = traceback
        self.attempts = attempts


class JobCancelled(SqsJobsError):
    """Raised by `JobHandle.result` when the job was cancelled, and in a job by `raise_if_cancelled`."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"job {job_id} was cancelled")
        self.job_id = job_id


class CannotRetry(SqsJobsError):
    """Raised by `JobHandle.retry` when the job has not ended, has succeeded, or its envelope is not kept."""

    def __init__(self, job_id: str, reason: str) -> None:
        super().__init__(f"job {job_id} cannot be sent again: {reason}")
        self.job_id = job_id
        self.reason = reason


class LeaseLost(SqsJobsError):
    """Raised where work went on after its lease had ended; another worker may have the job now."""

    def __init__(self, job_id: str, reason: str) -> None:
        super().__init__(f"the lease of job {job_id} is lost: {reason}")
        self.job_id = job_id
        self.reason = reason


class LifespanFailed(SqsJobsError):
    """Raised by `Worker.run` when the app's lifespan raised as it was entered; no job was taken. The cause is chained."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(
            f"the app's lifespan failed, so no job was taken: {type(cause).__name__}: {cause}; "
            f"mend what it opens, or look at its traceback (--debug)"
        )


class InvalidEnvelope(SqsJobsError):
    """Raised when a message body is no job: it can never run, here or on any worker.

    Attributes:
        code: why, in one word, as the dead letter's reason.
    """

    code: str = "invalid-envelope"


class EnvelopeOverLimit(InvalidEnvelope):
    """Raised when a message is larger, deeper or of more parts than an envelope may be; it is not parsed.

    Attributes:
        limit: which limit.
        allowed: how much.
    """

    code = "over-limit"

    def __init__(self, limit: str, allowed: int) -> None:
        super().__init__(f"the envelope has more than {allowed:,} {limit}")
        self.limit = limit
        self.allowed = allowed


class UntrustedEnvelope(InvalidEnvelope):
    """Raised when a message is not what somebody with the keys has sealed for this queue.

    Attributes:
        code: ``unsigned``, ``bad-signature``, ``unencrypted``, ``undecryptable``, ``unknown-key``, ``revoked-key``,
            ``expired``, ``wrong-queue``, ``wrong-environment`` or ``mismatch``.
    """

    def __init__(self, code: str, problem: str) -> None:
        super().__init__(problem)
        self.code = code


class PayloadMissing(InvalidEnvelope):
    """Raised when the arguments of a job are not where they were kept: they have expired, or were deleted."""

    code = "payload-missing"


class PayloadMismatch(InvalidEnvelope):
    """Raised when what is kept as a job's arguments is not what its message speaks of."""

    code = "payload-mismatch"


class BlobsUnavailable(SqsJobsError):
    """Raised when arguments or results cannot be kept, or read, where they are kept beside queue and job store.

    Nothing is sent then, and what came is kept for later.
    """


class UnsupportedVersion(SqsJobsError):
    """Raised when an envelope has a newer major version than this worker reads."""

    def __init__(self, version: int, supported: int) -> None:
        super().__init__(
            f"the envelope has version {version}, this worker reads up to {supported}: deploy workers before producers"
        )
        self.version = version


class TransportError(SqsJobsError):
    """Raised when a call to SQS failed. No botocore exception leaves the transport.

    Attributes:
        operation: the SQS operation, such as ``"ReceiveMessage"``.
        queue: the queue's name, where the operation has one.
        code: SQS's error code, where it answered.
        sent: False if the request certainly did not reach SQS, so that it had no effect there.
    """

    def __init__(
        self, message: str, *, operation: str, queue: str | None = None, code: str | None = None, sent: bool = True
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.queue = queue
        self.code = code
        self.sent = sent

    @property
    def in_doubt(self) -> bool:
        """Whether SQS may have carried the request out all the same; a refusal is an answer."""
        return self.sent and not isinstance(self, QueueNotFound | AccessDenied | RequestRejected | Throttled)


class QueueNotFound(TransportError):
    """Raised when a queue does not exist, in this account and region, on this endpoint."""


class AccessDenied(TransportError):
    """Raised when the credentials are missing, expired or not allowed to do this."""


class RequestRejected(TransportError):
    """Raised when SQS refuses a request as wrong; the same request will never succeed."""


class TransportUnavailable(TransportError):
    """Raised when SQS could not be reached, answered with a server error, or did not answer in time."""


class Throttled(TransportUnavailable):
    """Raised when SQS, or its KMS key, was asked for too much at once."""


class CallbackFailed(SqsJobsError):
    """Raised in the job of a callback when its receiver did not answer, or not with success; the job is tried again."""


class InvalidWebhook(SqsJobsError):
    """Raised by `Webhook.verify` for what nobody with one of the keys has sent, or not just now."""


class KeysUnavailable(SqsJobsError):
    """Raised when a key service (KMS) did not answer, or refused: nothing is sent, and what came is kept for later.

    Attributes:
        code: the service's error code, where it answered.
    """

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class StoreError(SqsJobsError):
    """Raised when a call to the job store failed."""


class StoreUnavailable(StoreError):
    """Raised when the job store cannot be reached, or is locked for too long; worth another try."""


class ResultsUnread(StoreError):
    """Raised by `JobStore.records` where results are kept apart from records, and some cannot be read.

    Attributes:
        records: those of the other jobs, by id.
        problems: why the others' could not be read, by id.
    """

    def __init__(
        self,
        records: Mapping[Any, Any],  # of JobId and JobRecord, which live on higher floors
        problems: Mapping[Any, StoreError],
    ) -> None:
        first = next(iter(problems.values()))
        super().__init__(f"the results of {len(problems)} jobs could not be read; the first: {first}")
        self.records: Mapping[Any, Any] = records
        self.problems: Mapping[Any, StoreError] = problems


class Steering(Exception):
    """What a task raises to say what is to become of its job. Not an error, so apart from the tree."""


class Snooze(Steering):
    """Raised in a job to be run again after a delay, as if it had not been started: no attempt is used.

    Args:
        delay: a `timedelta`, or seconds; at most 12 hours less the time since the message was received.
    """

    def __init__(self, delay: timedelta | float) -> None:
        self.delay: float = _seconds(delay)
        super().__init__(f"snooze for {self.delay:g} s")


class RetryAfter(Steering):
    """Raised in a job to be tried again after this delay, in place of the backoff; the attempt counts.

    Args:
        delay: a `timedelta`, or seconds.
        reason: a note for the logs and, when the attempts are exhausted, for the dead letter.
    """

    def __init__(self, delay: timedelta | float, reason: str = "") -> None:
        self.delay: float = _seconds(delay)
        self.reason = reason
        super().__init__(reason or f"retry after {self.delay:g} s")


class Discard(Steering):
    """Raised in a job to end it for good without a dead letter; recorded as ``discarded``."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Reject(Steering):
    """Raised in a job to fail it for good, whatever attempts are left: it goes to the dead-letter queue."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def _seconds(delay: timedelta | float) -> float:
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else float(delay)
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"a delay is a number of seconds from 0 up, or a timedelta; not {delay!r}")
    return seconds
