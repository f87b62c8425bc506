"""Where the chaos takes place: a server process, worker processes, this process as the producer, and the ledger."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import count
from math import inf
from pathlib import Path
from random import Random
from typing import Any

from tests.chaos import app as jobs
from tests.chaos.checker import Checked, Letter, check
from tests.chaos.ledger import Ledger, read_lines
from tests.chaos.pen import Pen
from tests.chaos.worker import ROOT, Worker, command_of, processes_with, start_worker

from sqsjobs import App, EnqueueManyError, EnqueueUncertain
from sqsjobs.errors import EnqueueRejected, TransportError
from sqsjobs.job import Call, JobId
from sqsjobs.store.base import JobRecord
from sqsjobs.transport.base import QueueDescription
from sqsjobs.transport.provision import QueueSpec

__all__ = ["Field", "open_field"]


class Field:
    """A part's ground.

    Attributes:
        directory: of the ledger, the job store and the logs.
        random: seeded; all chance comes from it.
        stored: whether there is a job store.
        workers: all that were started.
        done: steps of the part that were taken.
    """

    def __init__(
        self,
        directory: Path,
        endpoint_url: str,
        random: Random,
        app: App,
        progress: Callable[[float], None],
        limit: float = inf,
    ) -> None:
        self.directory = directory
        self.endpoint_url = endpoint_url
        self.random = random
        self.app = app
        self.done = 0
        self.workers: list[Worker] = []
        self.numbers = count()
        self._progress = progress
        self._until = time.monotonic() + limit
        self._pen = Pen(directory, "rig")
        self._letters: dict[str, list[Letter]] = {}

    @property
    def stored(self) -> bool:
        return self.app.store is not None

    def steps(self, size: int) -> Iterator[int]:
        """Yield what there is to do, 0 to `size` - 1, until the time is up; any number of tasks may share it."""
        for step in range(size):
            if time.monotonic() > self._until:
                return
            yield step
            self.done += 1
            self.progress(self.done / (size + 1))

    def progress(self, share: float) -> None:
        """Tell how much is done, from 0 to 1."""
        self._progress(share)

    # Workers --------------------------------------------------------------------------------------

    async def worker(self, *options: str, memory: int | None = None, census: bool = False) -> Worker:
        """Start a worker.

        Args:
            options: of the command line, beside the usual ones.
            memory: bytes of address space that it may have.
            census: whether it counts its tasks every second.
        """
        log = self.directory / f"worker-{len(self.workers)}.log"
        variables = environment(self) | ({jobs.CENSUS: "1"} if census else {})
        worker = await start_worker(options, variables, log, self._pen, memory=memory)
        self.workers.append(worker)
        return worker

    async def has_worked(self, pid: int, call: Callable[[], Call[Any]]) -> None:
        """Wait until a process has begun a job (its file in the ledger is there); others may take what there is."""
        for tries in range(1200):
            if any(self.directory.glob(f"jobs-{pid}-*")):
                return
            if tries % 20 == 19:
                await self.send([call() for _ in range(10)])
            await asyncio.sleep(0.05)
        raise TimeoutError(f"process {pid} has begun no job for a minute; its log may say why")

    def died(self, pid: int, *, hard: bool) -> None:
        """Write down that a process under a supervisor is gone; `hard`, if it was killed."""
        self._pen.write("worker", pid=pid)
        self._pen.write("death", pid=pid, hard=hard)

    @property
    def alive(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.process.returncode is None]

    async def stop_all(self) -> list[int]:
        """Ask all workers to stop, and return their exit codes."""
        for worker in self.alive:
            worker.stop()
        return [await worker.ended(within=60) for worker in self.alive]

    # Jobs -----------------------------------------------------------------------------------------

    async def send(self, calls: Sequence[Call[Any]]) -> None:
        """Send jobs by one `enqueue_many`, and write down what was said of each; `number` is an argument of all."""
        numbers = [_number(call) for call in calls]
        try:
            handles = await self.app.enqueue_many(calls)
        except EnqueueManyError as error:
            for call in error.rejected:
                self._sent(numbers[call.index], "rejected", call.job_id)
            for unsure in error.uncertain:
                self._sent(numbers[unsure.index], "uncertain", unsure.job_id)
            failed = {call.index for call in error.rejected} | {call.index for call in error.uncertain}
            handles = list(error.accepted)
            numbers = [number for index, number in enumerate(numbers) if index not in failed]
        for number, handle in zip(numbers, handles, strict=True):
            self._sent(number, "accepted", handle.id)

    async def send_one(self, call: Call[Any]) -> None:
        """Send a job by `enqueue`, and write down what was said of it."""
        number = _number(call)
        try:
            handle = await self.app.send_call(call)
        except EnqueueUncertain as error:
            self._sent(number, "uncertain", error.job_id)
        except (EnqueueRejected, TransportError):
            self._sent(number, "rejected", None)
        else:
            self._sent(number, "accepted", handle.id)

    def _sent(self, number: int, outcome: str, job: str | None) -> None:
        self._pen.write("sent", number=number, outcome=outcome, job=job)

    # The server -----------------------------------------------------------------------------------

    async def faults(self, plan: dict[str, Any]) -> None:
        """Let go wrong what the plan says, and nothing else."""
        request = urllib.request.Request(f"{self.endpoint_url}/faults", json.dumps(plan).encode(), method="PUT")
        await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=10).close())

    async def counts(self, queue: str = jobs.QUEUE) -> QueueDescription:
        """Return what a queue holds now: the local server's counts are exact."""
        for _ in range(20):
            try:
                return await self.app.transport.describe(queue)
            except TransportError:
                await asyncio.sleep(0.05)
        return await self.app.transport.describe(queue)

    async def waiting(self, queue: str = jobs.QUEUE) -> int:
        """Return how many messages a queue holds, whatever their state."""
        counts = await self.counts(queue)
        return counts.visible + counts.in_flight + counts.delayed

    async def drained(self, within: float, queue: str = jobs.QUEUE) -> float:
        """Wait until a queue is empty, and return the seconds that it took.

        Raises:
            TimeoutError: if it does not become any emptier for so many seconds (I19).
        """
        began = since = time.monotonic()
        least = await self.waiting(queue)
        while (left := await self.waiting(queue)) > 0:
            if left < least:
                least, since = left, time.monotonic()
            if time.monotonic() - since > within:
                raise TimeoutError(f"I19: {left} messages stay in {queue!r} for {within:.0f} s without faults")
            await asyncio.sleep(0.2)
        return time.monotonic() - began

    async def letters(self, queue: str = jobs.QUEUE) -> list[Letter]:
        """Return what is in a queue's dead-letter queue, and hide it from others."""
        found = self._letters.setdefault(queue, [])
        while received := await self.app.transport.receive(f"{queue}-dlq", limit=10, wait=0, visibility=3600):
            for delivery in received:
                said = json.loads(delivery.attributes.get("sqsjobs", "{}"))
                found.append(Letter(json.loads(delivery.body)["id"], said.get("reason", "moved by SQS")))
        return found

    # The end --------------------------------------------------------------------------------------

    def ledger(self) -> Ledger:
        """Return what has been written so far."""
        return Ledger.of(read_lines(self.directory))

    async def judged(self, queues: Iterable[str] = (jobs.QUEUE,)) -> tuple[Ledger, Checked]:
        """Check everything, when all is at rest."""
        ledger = self.ledger()
        letters = [letter for queue in queues for letter in await self.letters(queue)]
        records = await self._records({*ledger.runs, *ledger.ids.values()}) if self.stored else None
        return ledger, check(ledger, letters, records)

    async def _records(self, ids: set[str]) -> dict[str, JobRecord]:
        """Read the records a thousand at a time: a busy machine may be slow, and a store waits for seconds at most."""
        assert self.app.store is not None
        wanted, found = [JobId(job) for job in ids], dict[JobId, JobRecord]()
        for start in range(0, len(wanted), 1000):
            found.update(await self.app.store.records(wanted[start : start + 1000]))
        return {str(job): record for job, record in found.items()}

    async def left(self, patience: float = 2.0) -> list[str]:
        """Return what still runs when all workers have ended and their children have had a moment to notice (I15)."""
        since = time.monotonic()
        while (orphans := self.orphans()) and time.monotonic() - since < patience:
            await asyncio.sleep(0.05)
        return [f"I15: process {pid} is left: {command_of(pid)}" for pid in orphans]

    def orphans(self) -> list[int]:
        """Return the processes of this field that still run."""
        return list(processes_with(f"{jobs.LEDGER}={self.directory}"))


def environment(made: Field) -> dict[str, str]:
    """Return what the processes of a field have for an environment.

    Calls go over the lean wire, or a worker does not start: what carries the chaos is not left to this machine's settings.
    """
    kept = {name: value for name, value in os.environ.items() if not _would_change(name)}
    store = {"SQSJOBS_STORE": _store(made.directory)} if made.stored else {}
    return (
        kept
        | store
        | {
            "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
            jobs.LEDGER: str(made.directory),
            "AWS_ENDPOINT_URL_SQS": made.endpoint_url,
            "SQSJOBS_WIRE": "lean",
        }
    )


def _would_change(name: str) -> bool:
    """Whether an environment variable would change how a process reaches its queues."""
    return name.startswith(("AWS_", "SQSJOBS_")) or name.lower().endswith("_proxy")


@asynccontextmanager
async def open_field(
    directory: Path,
    random: Random,
    *,
    stored: bool = True,
    queues: Sequence[str] = (jobs.QUEUE,),
    progress: Callable[[float], None] = lambda _: None,
    limit: float = inf,
) -> AsyncIterator[Field]:
    """Serve `queues`, each with a dead-letter queue, and end all processes afterwards; steps end after `limit` seconds."""
    directory.mkdir(parents=True)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(_server(directory))
        jobs.app.configure(endpoint_url=url, store=_store(directory) if stored else None)
        await _create(queues)
        await stack.enter_async_context(jobs.app)
        made = Field(directory, url, random, jobs.app, progress, limit)
        stack.push_async_callback(_end, made)
        yield made


async def _end(made: Field) -> None:
    for worker in made.alive:
        await worker.kill()
    for pid in made.orphans():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@asynccontextmanager
async def _server(directory: Path) -> AsyncIterator[str]:
    with (directory / "server.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.chaos.server", str(directory)),
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    try:
        assert process.stdout is not None
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.kill()
        await process.wait()


async def _create(queues: Sequence[str]) -> None:
    async with jobs.app.queue_admin() as admin:
        await admin.apply(await admin.plan([QueueSpec(queue) for queue in queues]))


def _number(call: Call[Any]) -> int:
    return int(json.loads(call.arguments)["number"])


def _store(directory: Path) -> str:
    return f"sqlite:///{directory}/jobs.db"
