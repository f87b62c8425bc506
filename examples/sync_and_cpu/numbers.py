"""Plain functions: in a thread where they wait, in a process where they compute, and stopped where they never end.

    sqsjobs dev sync_and_cpu.numbers:app --store sqlite:///jobs.db
    python -m sync_and_cpu.numbers

The second prints:

    in a thread: 4 lines
    in a process: 9592 primes below 100000
    killed after a second: builtins.TimeoutError
"""

import asyncio
from pathlib import Path

from sqsjobs import App, JobFailed, JobHandle, Retry

app = App("sync-and-cpu")


@app.task
def count_lines(path: str) -> int:
    """Waits for the disk: a `def` runs in a thread of the worker, so nobody waits for it there."""
    return len(Path(path).read_text().splitlines())


@app.task(executor="process")
def count_primes(limit: int) -> int:
    """Computes: in a process of its own it has a processor to itself, and the worker's heartbeats go on."""
    composite = bytearray(limit)
    for number in range(2, int(limit**0.5) + 1):
        if not composite[number]:
            composite[number * number :: number] = b"\1" * len(range(number * number, limit, number))
    return limit - 2 - sum(composite[2:])


@app.task(executor="process", timeout=1, retry=Retry(max_attempts=1))
def compute_for_ever() -> None:
    """Never ends by itself: of all executors, only a process can be killed in the middle of a computation."""
    while True:
        pass


async def show(lines: JobHandle[int], primes: JobHandle[int], endless: JobHandle[None]) -> None:
    async with app:
        print("in a thread:", await lines.result(timeout=60), "lines")
        print("in a process:", await primes.result(timeout=60), "primes below 100000")
        try:
            await endless.result(timeout=60)
        except JobFailed as failed:
            print("killed after a second:", failed.error_type)


def main() -> None:
    poem = Path(__file__).with_name("poem.txt")
    # Code without an event loop enqueues with enqueue_sync, from any thread.
    lines, primes = count_lines.enqueue_sync(str(poem)), count_primes.enqueue_sync(100_000)
    asyncio.run(show(lines, primes, compute_for_ever.enqueue_sync()))


if __name__ == "__main__":
    main()
