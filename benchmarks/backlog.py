"""A long backlog: a worker's memory stays flat, and the local server's calls cost what they cost without one.

    python benchmarks/backlog.py                 # 100,000 jobs
    python benchmarks/backlog.py --jobs 20000

Prints two tables. Figures are ratios within one run: memory against that at the first tenth of the backlog, the
server's CPU per call with the backlog against that of an empty queue.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sqsjobs import App
from sqsjobs.transport.base import OutgoingMessage

HERE = Path(__file__).parent
app = App("backlog", store=None)


@app.task(name="no_op", queue="backlog")
async def no_op(number: int) -> None:
    """Do nothing."""
    del number


def resident(pid: int) -> float:
    """Return a process's resident memory in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu_seconds(pid: int) -> float:
    """Return the CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def local_server() -> AsyncIterator[tuple[int, str]]:
    """Run the local server as a process of its own; give its pid and URL."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sqsjobs.local", "--port", "0", "--announce", stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield process.pid, (await process.stdout.readline()).decode().strip()
    finally:
        process.terminate()
        await process.wait()


async def server_cpu_per_call(server: int, calls: int = 400) -> float:
    """Return the server's CPU for one send, receive and delete of a message in a queue as long as it is, in µs."""
    before = cpu_seconds(server)
    for _ in range(calls):
        await app.transport.send("backlog", [OutgoingMessage("{}")])
        (delivery,) = await app.transport.receive("backlog", limit=1, wait=1, visibility=30)
        await app.transport.delete("backlog", [delivery.receipt_handle])
    return (cpu_seconds(server) - before) / calls / 3 * 1e6


async def drain(url: str, jobs: int) -> list[tuple[float, float]]:
    """Run a worker until the queue is empty; return its memory (MiB) at shares of the backlog."""
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL_SQS": url,
        "PYTHONPATH": f"{HERE}:{os.environ.get('PYTHONPATH', '')}",
    }
    command = ["worker", "backlog:app", "--burst", "--wait", "1", "--log-level", "error"]
    worker = await asyncio.create_subprocess_exec(sys.executable, "-m", "sqsjobs", *command, env=environment, cwd=HERE)
    samples: list[tuple[float, float]] = []
    ended = asyncio.ensure_future(worker.wait())
    while not ended.done():
        described = await app.transport.describe("backlog")
        with suppress(OSError, IndexError):
            samples.append((1 - described.visible / jobs, resident(worker.pid)))
        await asyncio.wait([ended], timeout=0.5)
    if ended.result():
        raise SystemExit(f"the worker ended with {ended.result()}")
    return samples


def at_share(samples: list[tuple[float, float]], share: float) -> float:
    """Return the memory when `share` of the backlog was done."""
    return next((memory for done, memory in samples if done >= share), samples[-1][1])


async def measure(jobs: int) -> float:
    """Print the tables; return the worker's memory at the end as a ratio to that at the first tenth."""
    console = Console()
    async with local_server() as (server, url):
        app.configure(endpoint_url=url)
        async with app, app.queue_admin() as admin:
            from sqsjobs.cli.queues import wanted_queues  # noqa: PLC0415 - what `sqsjobs queues apply` does

            await admin.apply(await admin.plan(wanted_queues(app)))
            empty = await server_cpu_per_call(server)
            began = time.perf_counter()
            await app.enqueue_many(no_op.call(number) for number in range(jobs))
            console.print(f"{jobs:,} jobs enqueued in {time.perf_counter() - began:.1f} s")
            full = await server_cpu_per_call(server)
            began = time.perf_counter()
            samples = await drain(url, jobs)
            console.print(
                f"drained in {time.perf_counter() - began:.1f} s (one worker process, one core for the server)"
            )
    first = at_share(samples, 0.1)
    memory = Table("share of the backlog done", "worker's memory, MiB", "ratio", title="A worker's memory")
    for share in (0.1, 0.25, 0.5, 0.75, 0.95):
        memory.add_row(f"{share:.0%}", f"{at_share(samples, share):.1f}", f"{at_share(samples, share) / first:.2f}")
    console.print(memory)
    calls = Table("queue", "server's CPU per call, ratio to the empty queue", title="The local server")
    calls.add_row("empty", "1.00")
    calls.add_row(f"{jobs:,} messages", f"{full / empty:.2f}")
    console.print(calls)
    return at_share(samples, 0.95) / first


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=100_000)
    asyncio.run(measure(parser.parse_args().jobs))
