"""A thousand clients that wait for a thousand jobs: what that costs the job store, and the process they wait in.

    make bench-waiters
    python -m benchmarks.waiters --waiters 10 100 1000 redis dynamodb

Each wave first waits for some seconds in which nothing happens, then all jobs end, one after the other. The last rows
are of clients that ask for themselves every second, as a loop around `status()` does. Memory is that of the process
after the first wave and after the last, as a ratio.

Reads are calls of the store's `get` and `records`; of DynamoDB they are the requests that went out for them, GetItem and
BatchGetItem, repeated ones included. It is moto that answers them, in a process of its own, one at a time: it says
nothing of AWS's speed, has two waves at most, and is spared the clients that ask for themselves.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.house import ROOT
from benchmarks.machine import describe
from benchmarks.report.page import put_between_markers
from benchmarks.report.tables import in_markdown
from benchmarks.store_kinds import STORES, new_store
from sqsjobs import App, JobHandle, JobStatus, MemoryTransport
from sqsjobs.job import JobId, new_job_id
from sqsjobs.store.base import Claimed, ClaimRequest, JobRecord, JobStore, RecordChange
from sqsjobs.store.dynamodb.client import DynamoClient

HEADERS = (
    "store",
    "waiters",
    "reads a second",
    "records a second",
    "CPU",
    "answer, ms: median",
    "99 %",
    "memory, ratio",
)
REMOTE = "dynamodb"
"""The kind of store whose reads are counted where they leave the process."""
MOST_WAVES = {REMOTE: 2}
LEASE = 3600.0


@dataclass
class Asked:
    """What a store was asked by those who wait.

    Attributes:
        calls: of the store.
        requests: of those to DynamoDB, by HTTP.
        records: that were asked for.
    """

    calls: int = 0
    requests: int = 0
    records: int = 0

    @property
    def reads(self) -> int:
        """What reached the database, as far as it can be seen from here."""
        return self.requests or self.calls


class Counted:
    """A store that counts how often it is asked; else it is the one that it wraps."""

    def __init__(self, store: Any, asked: Asked) -> None:
        self._store = store
        self._asked = asked

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def __aenter__(self) -> Counted:
        await self._store.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._store.__aexit__(*exc_info)

    async def get(self, job_id: JobId) -> JobRecord | None:
        """Read one."""
        self._asked.calls += 1
        self._asked.records += 1
        found: JobRecord | None = await self._store.get(job_id)
        return found

    async def records(self, job_ids: Any) -> Any:
        """Read many."""
        self._asked.calls += 1
        self._asked.records += len(job_ids)
        return await self._store.records(job_ids)

    def clone(self) -> Counted:
        """Return one that counts on."""
        return Counted(self._store.clone(), self._asked)


@contextmanager
def counted_requests(asked: Asked) -> Iterator[None]:
    """Count the reading requests of every DynamoDB client that is opened meanwhile, as they go out."""
    opened = DynamoClient.__aenter__

    async def counting(self: DynamoClient) -> DynamoClient:
        await opened(self)
        for operation in ("GetItem", "BatchGetItem"):
            self._client.meta.events.register(f"before-send.dynamodb.{operation}", count)
        return self

    def count(**_: object) -> None:
        asked.requests += 1

    DynamoClient.__aenter__ = counting  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        DynamoClient.__aenter__ = opened  # type: ignore[method-assign]


@dataclass
class Wave:
    """What one wave of waiters cost: while nothing happened, and when all jobs ended."""

    reads: float
    records: float
    cpu: float
    late: list[float] = field(default_factory=list)
    resident: float = 0.0


def resident() -> float:
    """Return the memory of this process in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def begin(store: JobStore, count: int) -> list[JobId]:
    """Record jobs that run, and return their ids."""
    jobs = [new_job_id() for _ in range(count)]
    for start in range(0, count, 100):
        claims = (store.claim(_request(job)) for job in jobs[start : start + 100])
        assert all(isinstance(claim, Claimed) for claim in await asyncio.gather(*claims))
    return jobs


def _request(job: JobId) -> ClaimRequest:
    now = time.time()
    return ClaimRequest(job, "wait_for_me", "waiters", now, "bench", now, now + LEASE)


async def end_all(store: JobStore, jobs: list[JobId], rate: float) -> dict[JobId, float]:
    """End jobs at a rate a second, and return when each had ended."""
    ended: dict[JobId, float] = {}
    began = time.perf_counter()
    for place, job in enumerate(jobs):
        await store.change(job, 1, RecordChange(JobStatus.SUCCEEDED, time.time(), result=b"1"))
        ended[job] = time.perf_counter()
        await asyncio.sleep(max(0.0, began + (place + 1) / rate - ended[job]))
    return ended


async def wave(app: App, asked: Asked, count: int, seconds: float, *, alone: bool) -> Wave:
    """Let `count` clients wait for as many jobs."""
    assert app.store is not None
    async with app.store.clone() as worker:
        jobs = await begin(worker, count)
        answered: dict[JobId, float] = {}

        async def client(handle: JobHandle[int]) -> None:
            if alone:
                while not (await handle.status()).ended:  # noqa: ASYNC110 - what is compared
                    await asyncio.sleep(1.0)
            assert await handle.result() == 1
            answered[handle.id] = time.perf_counter()

        waiting = asyncio.gather(*(client(app.job(job)) for job in jobs))
        await asyncio.sleep(min(3.0, seconds))  # everybody is new at first
        before, cpu, began = replace(asked), time.process_time(), time.perf_counter()
        await asyncio.sleep(seconds)
        span = time.perf_counter() - began
        cost = Wave(
            (asked.reads - before.reads) / span,
            (asked.records - before.records) / span,
            (time.process_time() - cpu) / span,
        )
        ended = await end_all(worker, jobs, count / seconds)
        await waiting
    cost.late = [1000 * (answered[job] - ended[job]) for job in jobs]
    cost.resident = resident()
    return cost


async def measure(kind: str, directory: str, count: int, seconds: float, waves: int, *, alone: bool) -> list[Wave]:
    """Play waves of waiters on a new store."""
    asked = Asked()
    with counted_requests(asked):
        store: Any = Counted(await new_store(kind, directory), asked)
        async with App("waiters", store=store, transport=MemoryTransport()) as app:
            return [await wave(app, asked, count, seconds, alone=alone) for _ in range(waves)]


def row(name: str, count: int, played: list[Wave]) -> list[str]:
    """Return what a table says of some waves: the dearest of them."""
    late = sorted(late for one in played for late in one.late)
    cuts = quantiles(late, n=100)
    return [
        name,
        f"{count:,}",
        f"{max(one.reads for one in played):.1f}",
        f"{max(one.records for one in played):.0f}",
        f"{100 * max(one.cpu for one in played):.1f} %",
        f"{max(0.0, cuts[49]):.0f}",
        f"{max(0.0, cuts[98]):.0f}",
        f"{played[-1].resident / played[0].resident:.2f}",
    ]


async def main(kinds: Sequence[str], counts: Sequence[int], seconds: float, waves: int) -> list[list[str]]:
    """Return the rows of the table."""
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        for kind in kinds:
            played = min(waves, MOST_WAVES.get(kind, waves))
            for count in counts:
                together = await measure(kind, directory, count, seconds, played, alone=False)
                rows.append(row(kind, count, together))
            if kind != REMOTE:
                alone = await measure(kind, directory, counts[-1], seconds, 1, alone=True)
                rows.append(row(f"{kind}, each for itself", counts[-1], alone))
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stores", nargs="*", metavar="store", help=f"of {', '.join(STORES)}; all by default")
    parser.add_argument("--waiters", type=int, nargs="+", default=[1000], help="as many jobs (default: 1000)")
    parser.add_argument("--seconds", type=float, default=10.0, help="in which nothing happens (default: %(default)s)")
    parser.add_argument("--waves", type=int, default=3, help="(default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="write docs/results.md")
    given = parser.parse_args()
    told = asyncio.run(main(given.stores or STORES, given.waiters, given.seconds, given.waves))
    table = Table(*HEADERS, title="Clients that wait for jobs")
    for cells in told:
        table.add_row(*cells)
    Console(width=130).print(table)
    if given.write:
        about = f"{datetime.now(UTC):%Y-%m-%d}, {describe()}."
        put_between_markers(ROOT / "docs" / "results.md", "waiters", f"{about}\n\n{in_markdown(HEADERS, told)}")
