"""A job as others are shown it, who are not its developers: clients of a web API, receivers of callbacks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final  # Any: JSON

import msgspec

from sqsjobs.following.updates import JobUpdate
from sqsjobs.job import JobStatus
from sqsjobs.outcome import Failure
from sqsjobs.store.base import JobRecord

__all__ = ["date_of", "shown"]

_DELIBERATE: Final = frozenset({"sqsjobs.Reject", "sqsjobs.Discard"})
"""Errors whose text the task wrote for others to read; what an exception says may be nobody's business."""


def shown(record: JobRecord, *, error_text: bool = False) -> dict[str, Any]:
    """Return ids, status, attempts, progress and dates, and at the end ``result`` or ``error``, as JSON can have them.

    Args:
        record: of the job.
        error_text: whether the texts of all errors are shown, or only those that the task wrote for others
            (`Reject`, `Discard`).
    """
    update = JobUpdate.of(record)
    progress = update.progress
    facts: dict[str, Any] = {
        "id": record.id,
        "task": record.task,
        "status": record.status,
        "attempts": record.attempts,
        "progress": progress and {"done": progress.done, "total": progress.total, "note": progress.note},
        "cancelling": update.cancelling,
        "enqueued_at": date_of(record.enqueued_at),
        "started_at": date_of(record.started_at),
        "ended_at": date_of(record.ended_at),
    }
    if record.status is JobStatus.SUCCEEDED and record.result is not None:
        facts["result"] = msgspec.Raw(record.result)
    elif record.failure is not None and record.status.ended:
        facts["error"] = _error(record.failure, told=error_text)
    return facts


def date_of(seconds: float | None) -> str | None:
    """Return a date as JSON has it (RFC 3339, UTC), or None."""
    return None if not seconds else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _error(failure: Failure, *, told: bool) -> Mapping[str, str]:
    words = failure.message if told or failure.type in _DELIBERATE else ""
    return {"type": failure.type.rpartition(".")[2], "message": words}
