"""Many jobs in one stream of events: a browser has six connections to a server, and two hundred jobs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, Final  # Any: JSON

from inference.gallery import Entry
from inference.jobs import Seen
from sqsjobs import App, JobHandle, JobStatus
from sqsjobs.store.base import JobRecord

__all__ = ["followed"]

_TICK: Final = 0.5
_LONGEST: Final = 600.0


async def followed(app: App, entries: Callable[[], list[Entry]], of: int) -> AsyncIterator[bytes]:
    """Yield an event every half second until `of` jobs have ended: all that are accepted, and those ended since.

    However many jobs and streams there are, one reader of the job store in this process waits for them all.
    """
    ended: set[str] = set()
    loop = asyncio.get_running_loop()
    end = loop.time() + _LONGEST
    while len(ended) < of and loop.time() < end:
        tick = loop.time() + _TICK
        accepted = await asyncio.to_thread(entries)
        open_jobs: list[JobHandle[Any]] = [app.job(entry.job) for entry in accepted if entry.job not in ended]
        now_ended, _ = await app.wait(open_jobs, timeout=_TICK)
        shown = [_shown(app, await job.record()) for job in now_ended]
        ended.update(job.id for job in now_ended)
        yield b"data: %s\n\n" % json.dumps({"accepted": len(accepted), "ended": shown}).encode()
        await asyncio.sleep(tick - loop.time())


def _shown(app: App, record: JobRecord) -> dict[str, Any]:
    seen = app.decode_result(record) if record.status is JobStatus.SUCCEEDED else None
    colour = seen.palette[0].hex if isinstance(seen, Seen) else None
    return {"job": record.id, "status": record.status, "colour": colour}
