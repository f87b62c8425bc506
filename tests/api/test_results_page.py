"""The program of docs/results.md does what the page says."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

from sqsjobs import JobStatus
from sqsjobs.testing import MemoryApp

PAGE = Path(__file__).parents[2] / "docs" / "results.md"


async def test_the_program_of_the_page_runs():
    (source,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    page: dict[str, Any] = {"__name__": "results_page"}
    exec(compile(source, str(PAGE), "exec"), page)  # the page's own code
    async with MemoryApp(page["app"]) as jobs:
        job_id = await page["start"](2026)
        assert (await page["look"](job_id))["status"] == JobStatus.QUEUED
        following = asyncio.create_task(page["follow"](job_id))
        await asyncio.sleep(0)
        await jobs.drain()
        assert await page["wait"](job_id) == "s3://reports/2026.pdf"
        seen = await asyncio.wait_for(following, 10)
        assert (seen[0], seen[-1]) == ("queued 0/12", "succeeded 12/12")
        cancelled = await page["start"](2027)
        await page["app"].job(cancelled).cancel()
        assert await page["wait"](cancelled) == "cancelled"


def test_every_tracking_has_its_row():
    assert all(f'| `"{mode}"` |' in PAGE.read_text() for mode in ("full", "worker", "result", "off"))
