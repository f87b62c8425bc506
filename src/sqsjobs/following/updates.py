"""What who watches a job sees of it, step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from sqsjobs.following.reader import View
from sqsjobs.job import JobId, JobStatus, Progress
from sqsjobs.store.base import JobRecord

__all__ = ["JobUpdate", "JobUpdates"]


@dataclass(frozen=True, slots=True)
class JobUpdate:
    """A job as it was at one moment.

    Attributes:
        id: the job.
        status: where it is in its life; nothing follows an update whose `status.ended`.
        attempts: how often its function was started, less what was given back.
        progress: what the job said last, or None.
        cancelling: whether its cancellation was asked for, and it has not ended yet.
        at: since when it is so, by the clock of who made it so; seconds since 1970.
        record: all that is known of it, its result and its last error for instance.
    """

    id: JobId
    status: JobStatus
    attempts: int
    progress: Progress | None
    cancelling: bool
    at: float
    record: JobRecord = field(repr=False, compare=False)

    @staticmethod
    def of(record: JobRecord) -> JobUpdate:
        """Return what there is to see in a record."""
        return JobUpdate(
            id=record.id,
            status=record.status,
            attempts=record.attempts,
            progress=record.progress,
            cancelling=record.cancel_requested_at is not None and not record.status.ended,
            at=_since(record),
            record=record,
        )


def _since(record: JobRecord) -> float:
    if record.ended_at is not None:
        return record.ended_at
    if record.status is JobStatus.RUNNING:
        return max(record.started_at or 0.0, record.cancel_requested_at or 0.0, _said(record.progress))
    return record.history[-1].ended_at if record.history else record.enqueued_at


def _said(progress: Progress | None) -> float:
    return progress.at if progress else 0.0


class JobUpdates:
    """The updates of one job, as ``async for`` takes them: the present state first, then each change, its end last.

    What changes faster than it is taken is seen in its newest state. A cancelled step loses nothing, so
    ``asyncio.wait_for(anext(updates), 15)`` is fine for heartbeats. It looks no more once it has come to the end, is
    closed (``async with``, `aclose`), or is forgotten.
    """

    def __init__(self, view: View, known: Callable[[JobRecord | None], JobRecord | None]) -> None:
        self._view = view
        self._known = known
        self._last: JobUpdate | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> JobUpdate:
        """Wait for the next change; raises what `JobHandle.watch` says."""
        if self._last is not None and self._last.status.ended:
            self._view.close()
            raise StopAsyncIteration
        while True:
            record = self._known(await self._view.next())
            if record is not None and (update := JobUpdate.of(record)) != self._last:
                self._last = update
                return update

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Look no more."""
        self._view.close()
