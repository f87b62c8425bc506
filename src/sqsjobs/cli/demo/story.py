"""The producer's story: enqueue a job for each file, read every result by its job's id, and check it."""

from __future__ import annotations

import asyncio
import gzip
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from itertools import zip_longest
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sqsjobs import JobFailed, JobHandle, JobStatus
from sqsjobs.cli.dead_letters import DeadLetters, Letter, Place
from sqsjobs.cli.demo.files import File
from sqsjobs.cli.demo.report import Ending, Outcome
from sqsjobs.cli.demo.stage import Stage
from sqsjobs.cli.demo.tasks import Compressed, app, compress

__all__ = ["compress_all"]

READERS: Final = 32
"""How many results are waited for at once."""


@dataclass(frozen=True, slots=True)
class Order:
    """A file, where it goes, and the job that takes it there."""

    file: File
    target: Path
    job: JobHandle[Compressed]


async def compress_all(files: Sequence[File], stage: Stage, folder: Path, console: Console) -> Outcome:
    """Compress `files` into `folder` by jobs, and return what became of each."""
    app.configure(endpoint_url=stage.endpoint_url, store=stage.store, queue_prefix="")
    async with app:
        with _progress(console, len(files)) as progress:
            orders = await _enqueue(files, folder)
            endings = await _read_results(orders, lambda: progress.advance(progress.task_ids[0]))
        calls = Counter(stage.calls)
        letters = await _dead_letters(sum(ending.result is None for ending in endings))
    return Outcome(endings, letters, calls)


async def _enqueue(files: Sequence[File], folder: Path) -> list[Order]:
    for file in files:
        if file.trouble in ("vanishes", "late"):
            file.take_away()
    targets = [folder / f"{n}.gz" for n in range(len(files))]
    jobs = await app.enqueue_many(
        compress.call(str(file.path), str(target)) for file, target in zip(files, targets, strict=True)
    )
    return [Order(*parts) for parts in zip(files, targets, jobs, strict=True)]


async def _read_results(orders: Sequence[Order], tick: Callable[[], None]) -> list[Ending]:
    endings: list[Ending] = []
    waiting = iter(orders)

    async def read() -> None:
        for order in waiting:  # shared by all readers
            endings.append(await _ending(order))
            tick()

    async with asyncio.TaskGroup() as readers:
        for order in orders:
            if order.file.trouble == "late":
                readers.create_task(_bring_back_late(order))
        for _ in range(READERS):
            readers.create_task(read())
    return endings


async def _bring_back_late(order: Order) -> None:
    """Put the file where its job looks for it, once the first attempt has failed."""
    while await order.job.status() in (JobStatus.QUEUED, JobStatus.RUNNING):  # noqa: ASYNC110 - a record is read, it does not call
        await asyncio.sleep(0.1)
    order.file.bring_back()


async def _ending(order: Order) -> Ending:
    job = app.job(order.job.id)  # as another program would, which has the id alone
    try:
        result: Compressed | None = await job.result()
    except JobFailed:
        result = None
    intact = result is not None and await asyncio.to_thread(_is_intact, order)
    return Ending(await job.record(), result, intact=intact)


def _is_intact(order: Order) -> bool:
    """Whether the compressed file decompresses to the original; it has served its purpose then."""
    with gzip.open(order.target) as unpacked, order.file.path.open("rb") as original:
        intact = all(here == there for here, there in zip_longest(_chunks(unpacked), _chunks(original)))
    order.target.unlink()
    return intact


def _chunks(stream: gzip.GzipFile | BufferedReader) -> Iterator[bytes]:
    return iter(partial(stream.read, 1 << 20), b"")


async def _dead_letters(count: int) -> list[Letter]:
    url = (await app.transport.describe(compress.queue)).dead_letter_queue
    assert url is not None  # the worker has created it
    async with DeadLetters(app.transport, Place(url, compress.queue)) as dead:
        return [letter async for letters in dead.batches(count) for letter in letters]


def _progress(console: Console, total: int) -> Progress:
    columns = TextColumn("Compressing"), BarColumn(None), MofNCompleteColumn(), TimeElapsedColumn()
    progress = Progress(*columns, console=console)
    progress.add_task("", total=total)
    return progress
