"""``sqsjobs job``: what the job store knows of a job."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from sqsjobs.app import App
from sqsjobs.cli.console import show_facts, show_json
from sqsjobs.cli.exits import FAILED, OK
from sqsjobs.cli.options import NO_BACKENDS, Backends, open_later
from sqsjobs.errors import JobCancelled, JobFailed, ResultExpired
from sqsjobs.job import JobStatus
from sqsjobs.store.base import JobRecord

__all__ = ["date", "job", "opened_later", "record_facts"]


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

    Where it is in its life, its attempts, its result or its last error. The job
    store is that of --store, else of the app, else of SQSJOBS_STORE.

        sqsjobs job 0199a1c2-7d1e-7b43-9a52-3a6f0d9c2b11
        sqsjobs job 0199a1c2-7d1e-7b43-9a52-3a6f0d9c2b11 --wait --timeout 30
        sqsjobs job 0199a1c2-7d1e-7b43-9a52-3a6f0d9c2b11 --app shop.jobs:app

    Ends with 0, with 1 if the job failed or was cancelled, with 3 if there is no
    such job or it has not ended in time.
    """
    record = asyncio.run(_record(opened_later(app, backends), job_id, wait=wait, timeout=timeout))
    facts = record_facts(record)
    if json:
        show_json(facts)
    else:
        show_facts(facts)
    return FAILED if record.status in (JobStatus.FAILED, JobStatus.CANCELLED) else OK


def opened_later(app: str, backends: Backends) -> App:
    """Return an app of which only the job store is used, so that no queue, region or credentials are needed."""
    from sqsjobs.transport.memory import MemoryTransport  # noqa: PLC0415 - only the record is wanted

    if app:
        return open_later(app, backends)
    lone = App("sqsjobs", transport=MemoryTransport())
    if backends.store is not None:
        lone.configure(store=backends.store)
    return lone


async def _record(app: App, job_id: str, *, wait: bool, timeout: float | None) -> JobRecord:
    async with app:
        handle = app.job(job_id)
        if wait:
            with suppress(JobFailed, JobCancelled, ResultExpired):  # ended all the same: the record shows how
                await handle.result(timeout)
        return await handle.record()


def record_facts(record: JobRecord) -> dict[str, Any]:
    """Return what a record says, for people and for programs: dates as RFC 3339, the result as it is."""
    failure = record.failure
    return {
        "id": record.id,
        "task": record.task,
        "queue": record.queue,
        "status": record.status.value,
        "attempts": record.attempts,
        "crashes": record.crashes or None,
        "enqueued": date(record.enqueued_at),
        "not before": date(record.not_before),
        "started": date(record.started_at),
        "ended": date(record.ended_at),
        "lease until": date(record.lease_until),
        "worker": record.worker,
        "result": None if record.result is None else msgspec.json.decode(record.result),
        "error": f"{failure.type}: {failure.message}" if failure else None,
        "fingerprint": failure.fingerprint if failure else None,
        "traceback": failure.traceback if failure else None,
        "dead-lettered": record.dead_lettered or None,
        "unique": record.unique,
    }


def date(seconds: float | None) -> str | None:
    """Return seconds since 1970 as a date (RFC 3339, UTC), or None."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
