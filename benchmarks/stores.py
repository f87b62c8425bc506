"""What a job store costs: jobs a second and CPU a job, for each store and tracking level, as ratios to "off".

    python benchmarks/stores.py --jobs 2000 memory sqlite redis postgres dynamodb

Producer and worker are one process over SQS in memory, so that what is measured is the store and its client. The servers
are those of the tests, on this machine: a real Redis, a real PostgreSQL (without fsync), moto for DynamoDB, whose speed says
nothing of AWS's; the CPU of this process does.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.store.servers import moto_url, postgres_url, redis_url

from sqsjobs import App, MemorySQS, MemoryTransport, Tracking
from sqsjobs.store.base import JobStore
from sqsjobs.store.opening import open_store
from sqsjobs.store.provision import Provisioned

STORES = ("memory", "sqlite", "redis", "postgres", "dynamodb")
LEVELS: tuple[Tracking, ...] = ("result", "worker", "full")


async def new_store(kind: str, directory: str) -> JobStore:
    """Return a new store of that kind, set up."""
    name = f"b{secrets.token_hex(4)}"
    match kind:
        case "memory":
            url = "memory://"
        case "sqlite":
            url = f"sqlite:///{directory}/{name}.db"
        case "redis":
            url = f"{redis_url()}?namespace={name}"
        case "postgres":
            url = f"{postgres_url()}?schema={name}"
        case _:
            url = f"dynamodb://{name}?endpoint_url={moto_url()}"
    store = open_store(url)
    if isinstance(store, Provisioned):
        await store.provision()
    return store


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


async def main(kinds: list[str], jobs: int) -> None:
    """Measure, and print the table of `docs/stores.md`."""
    await measure(None, "off", max(1, jobs // 10))  # what is imported and compiled first
    speed, cpu = await measure(None, "off", jobs)
    print(
        f"| store | tracking | jobs a second | CPU a job | of the speed of off ({speed:,.0f}/s) | CPU, in that of off ({cpu:.2f} ms) |"
    )
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as directory:
        for kind in kinds:
            for level in LEVELS:
                fast, busy = await measure(await new_store(kind, directory), level, jobs)
                print(
                    f"| {kind} | {level} | {fast:,.0f} | {busy:.2f} ms | {fast / speed:.0%} | {busy / cpu:.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What a job store costs.")
    parser.add_argument("stores", nargs="*", metavar="store", help=f"of {', '.join(STORES)}; all by default")
    parser.add_argument("--jobs", type=int, default=2000)
    given = parser.parse_args()
    asyncio.run(main(given.stores or list(STORES), given.jobs))
