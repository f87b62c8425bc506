"""Asynchronous jobs over Amazon SQS.

    from sqsjobs import App

    app = App("thumbs")

    @app.task(queue="images", timeout=60)
    async def resize(bucket: str, key: str, width: int) -> str: ...

    async with app:
        job = await resize.enqueue("in", "a.png", width=200)

Everything public is here, in `sqsjobs.events`, `sqsjobs.errors` and `sqsjobs.testing`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from sqsjobs.app import App
from sqsjobs.blobs import Blobs, FileBlobs, S3Blobs
from sqsjobs.callbacks import Callbacks, Webhook
from sqsjobs.context import CallNext, JobContext, LeaseState, Middleware, current_job
from sqsjobs.errors import (
    AccessDenied,
    BlobsUnavailable,
    CallbackFailed,
    CallbackRefused,
    CannotRetry,
    ConfigurationError,
    DelayTooLong,
    Discard,
    EnqueueManyError,
    EnqueueRejected,
    EnqueueUncertain,
    EnvelopeOverLimit,
    InvalidArguments,
    InvalidEnvelope,
    InvalidResult,
    InvalidWebhook,
    JobCancelled,
    JobFailed,
    KeysUnavailable,
    LeaseLost,
    LifespanFailed,
    NoJobStore,
    PayloadMismatch,
    PayloadMissing,
    PayloadTooLarge,
    QueueNotFound,
    Reject,
    RejectedCall,
    RequestRejected,
    ResultExpired,
    ResultsUnread,
    ResultTimeout,
    RetryAfter,
    Snooze,
    SqsJobsError,
    Steering,
    StoreError,
    StoreUnavailable,
    TaskNotBound,
    Throttled,
    TransportError,
    TransportUnavailable,
    UncertainCall,
    UnknownJob,
    UnknownTask,
    UnsupportedVersion,
    UntrustedEnvelope,
)
from sqsjobs.events import Event, Observer
from sqsjobs.following import JobUpdate, JobUpdates
from sqsjobs.handle import JobHandle
from sqsjobs.job import Call, JobId, JobStatus, Progress
from sqsjobs.outcome import Failure
from sqsjobs.redaction import Secret
from sqsjobs.retry import Backoff, Retry, constant, exponential
from sqsjobs.sealing import AesKey, DataKeyCache, Ed25519Key, Ed25519PublicKey, Encryption, HmacKey, KmsKey, Signing
from sqsjobs.store.base import JobRecord, JobStore, PastAttempt
from sqsjobs.store.listing import Page
from sqsjobs.store.tracking import Tracking
from sqsjobs.task import AsyncTask, SyncTask, Task, task
from sqsjobs.transport.base import Transport

if TYPE_CHECKING:
    from sqsjobs.store.memory import MemoryStore
    from sqsjobs.store.sqlite import SqliteStore
    from sqsjobs.transport.memory import MemorySQS, MemoryTransport
    from sqsjobs.transport.sqs import SqsTransport
    from sqsjobs.worker.options import WatchedQueue, WorkerOptions
    from sqsjobs.worker.worker import Worker

__all__ = [  # noqa: RUF022 - grouped by what they are for
    # Declaring and enqueueing
    "App",
    "Task",
    "AsyncTask",
    "SyncTask",
    "task",
    "Call",
    "Secret",
    # Retries
    "Retry",
    "Backoff",
    "constant",
    "exponential",
    # Jobs and their records
    "JobHandle",
    "JobId",
    "JobRecord",
    "JobStatus",
    "JobUpdate",
    "JobUpdates",
    "Progress",
    "PastAttempt",
    "Page",
    "Failure",
    "Tracking",
    # Inside a job
    "current_job",
    "JobContext",
    "LeaseState",
    "Middleware",
    "CallNext",
    "Steering",
    "Snooze",
    "RetryAfter",
    "Discard",
    "Reject",
    # Workers
    "Worker",
    "WorkerOptions",
    "WatchedQueue",
    # Queues and stores
    "Transport",
    "SqsTransport",
    "MemoryTransport",
    "MemorySQS",
    "JobStore",
    "MemoryStore",
    "SqliteStore",
    "Blobs",
    "S3Blobs",
    "FileBlobs",
    # Sealed messages
    "Signing",
    "HmacKey",
    "Ed25519Key",
    "Ed25519PublicKey",
    "Encryption",
    "AesKey",
    "KmsKey",
    "DataKeyCache",
    # Callbacks
    "Callbacks",
    "Webhook",
    # Events
    "Event",
    "Observer",
    # Errors
    "SqsJobsError",
    "ConfigurationError",
    "TaskNotBound",
    "UnknownTask",
    "InvalidArguments",
    "InvalidResult",
    "EnqueueRejected",
    "PayloadTooLarge",
    "DelayTooLong",
    "CallbackRefused",
    "EnqueueUncertain",
    "EnqueueManyError",
    "RejectedCall",
    "UncertainCall",
    "NoJobStore",
    "UnknownJob",
    "ResultTimeout",
    "ResultExpired",
    "JobFailed",
    "JobCancelled",
    "CannotRetry",
    "LeaseLost",
    "LifespanFailed",
    "InvalidEnvelope",
    "EnvelopeOverLimit",
    "UntrustedEnvelope",
    "UnsupportedVersion",
    "TransportError",
    "QueueNotFound",
    "AccessDenied",
    "RequestRejected",
    "TransportUnavailable",
    "Throttled",
    "PayloadMissing",
    "PayloadMismatch",
    "BlobsUnavailable",
    "KeysUnavailable",
    "CallbackFailed",
    "InvalidWebhook",
    "StoreError",
    "StoreUnavailable",
    "ResultsUnread",
]

_IMPORTED_WHEN_USED = {
    "MemorySQS": "sqsjobs.transport.memory",
    "MemoryStore": "sqsjobs.store.memory",
    "MemoryTransport": "sqsjobs.transport.memory",
    "SqliteStore": "sqsjobs.store.sqlite",
    "SqsTransport": "sqsjobs.transport.sqs",
    "WatchedQueue": "sqsjobs.worker.options",
    "Worker": "sqsjobs.worker.worker",
    "WorkerOptions": "sqsjobs.worker.options",
}
"""What not every program needs, and where it is: `import sqsjobs` stays cheap."""


def __getattr__(name: str) -> object:
    if name not in _IMPORTED_WHEN_USED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_IMPORTED_WHEN_USED[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
