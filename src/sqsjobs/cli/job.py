"""``sqsjobs job``: what the job store knows of a job."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote

import msgspec
from cyclopts import Parameter

from sqsjobs.app import App
from sqsjobs.cli.console import show_facts, show_json, show_table
from sqsjobs.cli.exits import FAILED, OK
from sqsjobs.cli.options import NO_BACKENDS, Backends, open_later
from sqsjobs.errors import ConfigurationError, JobCancelled, JobFailed, ResultExpired
from sqsjobs.job import JobStatus, Progress
from sqsjobs.store.base import JobRecord
from sqsjobs.task import Task

__all__ = ["date", "job", "opened_later", "progress_text", "records_later"]


def job(
    job_id: Annotated[str, Parameter(help="The job's id.")],
    /,
    *,
    app: Annotated[str, Parameter(alias="-a", help="The app whose job store is asked, as module:attribute.")] = "",
    wait: Annotated[bool, Parameter(alias="-w", help="Wait until the job has ended.")] = False,
    timeout: Annotated[float | None, Parameter(help="Seconds to wait at most.")] = None,
    json: Annotated[bool, Parameter(help="Print JSON.")] = False,
    backends: Backends = NO_BACKENDS,
) -> int:
    """Show the record of a job.

    Where it is in its life, its progress, its attempts one by one, its result or its
    last error. The job store is that of --store, else of the app, else of
    SQSJOBS_STORE. What is secret in a result, only the app knows: name it.

        sqsjobs job 0199a1c2-7d1e-7b43-9a52-3a6f0d9c2b11
        sqsjobs job 0199a1c2-7d1e-7b43-9a52-3a6f0d9c2b11 --wait --timeout 30
        sqsjobs job 0199a1c2-7d1e-7b43-9a52-3a6f0d9c2b11 --app shop.jobs:app

    Ends with 0, with 1 if the job failed or was cancelled, with 3 if there is no
    such job or it has not ended in time.
    """
    opened = records_later(app, backends)
    record = asyncio.run(_record(opened, job_id, wait=wait, timeout=timeout))
    facts, life = _facts(record, opened.registry.get(record.task)), _life(record)
    if json:
        progress = asdict(record.progress) if record.progress else None
        show_json(facts | {"progress": progress, "history": life})
    else:
        show_facts(facts)
        if life:
            show_table([name.upper() for name in life[0]], [list(attempt.values()) for attempt in life])
    return FAILED if record.status in (JobStatus.FAILED, JobStatus.CANCELLED) else OK


def opened_later(app: str, backends: Backends) -> App:
    """An app of which only the job store is used, so that no queue, region or credentials are needed."""
    from sqsjobs.transport.memory import MemoryTransport  # noqa: PLC0415 - only the record is wanted

    if app:
        return open_later(app, backends)
    lone = App("sqsjobs", transport=MemoryTransport())
    if backends.store is not None:
        lone.configure(store=backends.store)
    if backends.blobs is not None:
        lone.configure(blobs=backends.blobs)
    return lone


def records_later(path: str, backends: Backends) -> App:
    """Do what `opened_later` does, but refuse a store in a file that is not there: to make it would hide a mistyped path.

    Raises:
        ConfigurationError: if it is not there.
    """
    app = opened_later(path, backends)
    store = app.chosen_store
    if isinstance(store, str) and store.startswith("sqlite:///"):
        file = Path(unquote(store.removeprefix("sqlite:///")))
        if not file.exists():
            raise ConfigurationError(f"there is no job store in {file.absolute()}: correct the path in {store}")
    return app


async def _record(app: App, job_id: str, *, wait: bool, timeout: float | None) -> JobRecord:
    async with app:
        handle = app.job(job_id)
        if wait:
            with suppress(JobFailed, JobCancelled, ResultExpired):  # ended all the same: the record shows how
                await handle.result(timeout)
        return await handle.record()


def _facts(record: JobRecord, task: Task[..., Any] | None) -> dict[str, Any]:
    """Return what a record says, for people and for programs: dates as RFC 3339, the result without `task`'s secrets."""
    failure = record.failure
    return {
        "id": record.id,
        "task": record.task,
        "queue": record.queue,
        "status": record.status.value,
        "progress": progress_text(record.progress) if record.progress else None,
        "attempts": record.attempts,
        "crashes": record.crashes or None,
        "enqueued": date(record.enqueued_at),
        "not before": date(record.not_before),
        "started": date(record.started_at),
        "ended": date(record.ended_at),
        "cancel requested": date(record.cancel_requested_at),
        "lease until": date(record.lease_until),
        "worker": record.worker,
        "result": None if record.result is None else _shown_result(record.result, task),
        "error": f"{failure.type}: {failure.message}" if failure else None,
        "fingerprint": failure.fingerprint if failure else None,
        "traceback": failure.traceback if failure else None,
        "dead-lettered": record.dead_lettered or None,
        "unique": record.unique,
    }


def _life(record: JobRecord) -> list[dict[str, Any]]:
    """Return the attempts of a job, the one under way included."""
    life: list[dict[str, Any]] = [
        {
            "attempt": attempt.number,
            "started": date(attempt.started_at),
            "seconds": round(attempt.ended_at - attempt.started_at, 3),
            "outcome": attempt.outcome,
            "worker": attempt.worker,
            "error": attempt.error,
        }
        for attempt in record.history
    ]
    if record.status is JobStatus.RUNNING:
        started = {"attempt": record.attempts, "started": date(record.started_at), "seconds": None}
        life.append(started | {"outcome": "running", "worker": record.worker, "error": ""})
    return life


def progress_text(progress: Progress) -> str:
    """Return how far a job has come, such as ``3 of 10 (30 %): resizing``."""
    part = f"{progress.done:g}"
    if progress.total:
        part += f" of {progress.total:g} ({100 * progress.done / progress.total:.0f} %)"
    return f"{part}: {progress.note}" if progress.note else part


def date(seconds: float | None) -> str | None:
    """Return seconds since 1970 as a date (RFC 3339, UTC), or None."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _shown_result(result: bytes, task: Task[..., Any] | None) -> Any:
    return task.codec.shown_result(result) if task else msgspec.json.decode(result)
