"""What a job store costs: jobs a second and CPU a job, for each store and tracking level, as ratios to "off".

    make bench-stores
    python -m benchmarks.stores --jobs 2000 memory sqlite redis postgres dynamodb

Producer and worker are one process over SQS in memory, so that what is measured is the store and its client. The servers
are those of the tests, on this machine: a real Redis, a real PostgreSQL (without fsync), moto for DynamoDB, whose speed says
nothing of AWS's; the CPU of this process does.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from benchmarks.house import ROOT
from benchmarks.machine import describe
from benchmarks.report.page import put_between_markers
from benchmarks.report.tables import in_markdown
from benchmarks.store_kinds import STORES, new_store
from sqsjobs import App, MemorySQS, MemoryTransport, Tracking
from sqsjobs.store.base import JobStore

LEVELS: tuple[Tracking, ...] = ("result", "worker", "full")
SHARE = {"dynamodb": 0.05}
"""Of the jobs, for stores whose server here is slow."""


async def measure(store: JobStore | None, level: Tracking, jobs: int) -> tuple[float, float]:
    """Enqueue and run that many jobs; return jobs a second, and milliseconds of this process's CPU a job."""
    transport = MemoryTransport(MemorySQS(), create_missing=True)
    app = App("bench", transport=transport, store=store, tracking=level, allow_no_dlq=True)

    @app.task()
    async def add(a: int, b: int) -> int:
        return a + b

    async with app:
        began, cpu = time.perf_counter(), time.process_time()
        await app.enqueue_many(add.call(n, 1) for n in range(jobs))
        await app.worker(burst=True, wait=0).run()
        return jobs / (time.perf_counter() - began), 1000 * (time.process_time() - cpu) / jobs


async def main(kinds: Sequence[str], jobs: int) -> str:
    """Measure, print every figure, and return the table of `docs/stores.md`."""
    await measure(None, "off", max(1, jobs // 10))  # what is imported and compiled first
    speed, cpu = await measure(None, "off", jobs)
    print(
        f"| store | tracking | jobs a second | CPU a job | of the speed of off ({speed:,.0f}/s) | CPU, in that of off ({cpu:.2f} ms) |"
    )
    print("|---|---|---|---|---|---|")
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        for kind in kinds:
            rows.append([f"`{kind}`"])
            for level in LEVELS:
                count = max(1, round(jobs * SHARE.get(kind, 1)))
                fast, busy = await measure(await new_store(kind, directory), level, count)
                rows[-1].append(f"{busy / cpu:.1f} ({100 * fast / speed:.0f} %)")
                print(
                    f"| {kind} | {level} | {fast:,.0f} | {busy:.2f} ms | {fast / speed:.0%} | {busy / cpu:.1f} |",
                    flush=True,
                )
    about = f"{datetime.now(UTC):%Y-%m-%d}, {describe()}. {jobs:,} jobs, of {cpu:.2f} ms without a store."
    return f"{about}\n\n{in_markdown(('store', *(f'`{level}`' for level in LEVELS)), rows)}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stores", nargs="*", metavar="store", help=f"of {', '.join(STORES)}; all by default")
    parser.add_argument("--jobs", type=int, default=4000, help="for each figure (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="write docs/stores.md")
    given = parser.parse_args()
    table = asyncio.run(main(given.stores or STORES, given.jobs))
    if given.write:
        put_between_markers(ROOT / "docs" / "stores.md", "stores", table)
