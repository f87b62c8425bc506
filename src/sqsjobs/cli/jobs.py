"""``sqsjobs jobs``: jobs by their records, listed, cancelled, sent again."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

from cyclopts import Parameter

from sqsjobs.app import App
from sqsjobs.cli.console import counted, note, show_json, show_table
from sqsjobs.cli.exits import OK, exit_code
from sqsjobs.cli.job import date, progress_text, records_later
from sqsjobs.cli.options import NO_BACKENDS, AppPath, Backends, open_later
from sqsjobs.errors import ConfigurationError, SqsJobsError
from sqsjobs.handle import JobHandle
from sqsjobs.job import JobStatus
from sqsjobs.store.base import JobRecord
from sqsjobs.store.listing import LARGEST_PAGE

__all__ = ["cancel_jobs", "list_jobs", "retry_jobs"]

_COLUMNS: Final = ("id", "task", "status", "attempts", "progress", "enqueued", "ended", "error")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

StoreOf = Annotated[str, Parameter(alias="-a", help="The app whose job store is asked, as module:attribute.")]


def list_jobs(
    *,
    app: StoreOf = "",
    status: Annotated[JobStatus | None, Parameter(help="Only those where this is where they are.")] = None,
    task: Annotated[str, Parameter(help="Only those of this task.")] = "",
    since: Annotated[str, Parameter(help="Only those enqueued since: 30m, 2h, 7d, or a date with its time zone.")] = "",
    limit: Annotated[int, Parameter(help="Jobs that are listed at most.")] = 100,
    json: Annotated[bool, Parameter(help="Print JSON.")] = False,
    backends: Backends = NO_BACKENDS,
) -> None:
    """List jobs, those enqueued last first.

    The job store is that of --store, else of the app, else of SQSJOBS_STORE.

        sqsjobs jobs list --status failed --since 2h
        sqsjobs jobs list --app shop.jobs:app --task resize --limit 1000 --json
    """
    wanted: dict[str, Any] = {"status": status, "task": task or None, "since": _date_of(since, time.time())}
    records = asyncio.run(_listed(records_later(app, backends), limit, wanted))
    facts = [_facts(record) for record in records]
    if json:
        show_json(facts)
        return
    show_table([column.upper() for column in _COLUMNS], [list(map(it.get, _COLUMNS)) for it in facts])
    note(counted(len(facts), "job"))


def cancel_jobs(
    *ids: Annotated[str, Parameter(help="Ids of jobs.", metavar="ID")],
    app: StoreOf = "",
    backends: Backends = NO_BACKENDS,
) -> int:
    """Cancel jobs: those that wait never run, those that run are told to end.

    It prints where each is then: cancelled, running (its worker is told), or as it
    had ended before. The job store is that of --store, else of the app, else of
    SQSJOBS_STORE.

        sqsjobs jobs cancel 0199a1c2-7d1e-7b43-9a52-3a6f0d9c2b11

    Ends with 3 if there is no such job.
    """
    _check_some(ids)
    return asyncio.run(_each(records_later(app, backends), ids, _cancel))


def retry_jobs(
    app: AppPath,
    /,
    *ids: Annotated[str, Parameter(help="Ids of jobs.", metavar="ID")],
    backends: Backends = NO_BACKENDS,
) -> int:
    """Send jobs again that failed, were dead-lettered, discarded or cancelled.

    Under the same ids, with all their attempts, as they were sent at first. Dead
    letters stay where they are; `sqsjobs dlq redrive` sends those back.

        sqsjobs jobs retry shop.jobs:app 0199a1c2-7d1e-7b43-9a52-3a6f0d9c2b11

    Ends with 1 if one cannot be sent again, with 3 if there is no such job.
    """
    _check_some(ids)
    return asyncio.run(_each(open_later(app, backends), ids, _retry))


async def _listed(app: App, limit: int, wanted: dict[str, Any]) -> list[JobRecord]:
    records: list[JobRecord] = []
    cursor = None
    async with app:
        while len(records) < limit:
            page = await app.jobs(**wanted, cursor=cursor, limit=min(LARGEST_PAGE, limit - len(records)))
            records += page.items
            cursor = page.cursor
            if cursor is None:
                break
    return records


async def _each(app: App, ids: Sequence[str], step: Callable[[JobHandle[Any]], Awaitable[str]]) -> int:
    """Do it for each, print where each is then, and return the worst code."""
    worst = OK
    async with app:
        for job_id in ids:
            try:
                print(f"{job_id}\t{await step(app.job(job_id))}")  # noqa: T201 - the answer
            except SqsJobsError as problem:
                note(str(problem), "yellow")
                worst = max(worst, exit_code(problem))
    return worst


async def _cancel(job: JobHandle[Any]) -> str:
    status = await job.cancel()
    return f"{status}, its worker is told" if status is JobStatus.RUNNING else status


async def _retry(job: JobHandle[Any]) -> str:
    await job.retry()
    return JobStatus.QUEUED


def _check_some(ids: Sequence[str]) -> None:
    if not ids:
        raise ConfigurationError("which jobs? Give their ids; `sqsjobs jobs list` has them")


def _facts(record: JobRecord) -> dict[str, Any]:
    failure = record.failure
    return {
        "id": record.id,
        "task": record.task,
        "status": record.status.value,
        "attempts": record.attempts,
        "progress": progress_text(record.progress) if record.progress else None,
        "enqueued": date(record.enqueued_at),
        "ended": date(record.ended_at),
        "error": failure.type if failure else None,
    }


def _date_of(text: str, now: float) -> float | None:
    """Read a span that ends now, or a date.

    Raises:
        ConfigurationError: if it is neither.
    """
    if not text:
        return None
    if span := re.fullmatch(r"(\d{1,6})([smhd])", text):
        return now - int(span[1]) * _SECONDS[span[2]]
    try:
        since = datetime.fromisoformat(text)
    except ValueError:
        since = None
    if since is None or since.tzinfo is None:
        raise ConfigurationError(
            f"--since {text!r} is no time: say 30m, 2h or 7d, or a date with its time zone, such as 2026-01-31T12:00:00Z"
        )
    return since.timestamp()
