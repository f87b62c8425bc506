"""Workers as real processes on a local server, and what they report: tests wait for reports, not for time."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.canaries import canary, no_secret_in

from sqsjobs.local import LocalServer
from sqsjobs.transport.model import Fault

ROOT = Path(__file__).parents[2]
APP = "tests.process.jobs:app"
TOKEN: Final = canary("ARG")
"""An argument that no worker may write."""


@dataclass(frozen=True)
class Report:
    """What a job told: what happened, in which process, when, and its facts."""

    what: str
    pid: int
    at: float
    facts: tuple[str, ...]


class Reports:
    """The reports of all workers, in the order of their arrival."""

    def __init__(self, path: Path) -> None:
        self.all: list[Report] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 1024 * 1024)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    def _read(self) -> None:
        while True:
            try:
                what, pid, at, *facts = self._socket.recv(4096).decode().split(" ")
            except BlockingIOError:
                break
            self.all.append(Report(what, int(pid), float(at), tuple(facts)))
        self._news.set()

    async def until(self, enough: Callable[[Reports], bool], within: float = 60) -> None:
        """Return as soon as `enough` holds; raise TimeoutError with the state of things if it does not."""
        try:
            async with asyncio.timeout(within):
                while not enough(self):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise TimeoutError(f"after {within} s: {self.count('start')} starts, {self.count('end')} ends") from None

    def of(self, what: str) -> list[Report]:
        return [report for report in self.all if report.what == what]

    def count(self, what: str) -> int:
        return len(self.of(what))

    def ended(self) -> set[tuple[str, ...]]:
        """Return the facts of all jobs that ended at least once."""
        return {report.facts for report in self.of("end")}

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()


class WorkerProcess:
    """``sqsjobs worker`` as a process, and its log lines."""

    def __init__(self, process: asyncio.subprocess.Process, port: int | None = None) -> None:
        self.process = process
        self.port = port
        self.lines: list[str] = []
        self._started = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    @property
    def pid(self) -> int:
        return self.process.pid

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.lines.append(line.decode(errors="replace"))
            if b'"worker started"' in line:
                self._started.set()

    def send(self, signum: int) -> None:
        self.process.send_signal(signum)

    async def started(self, within: float = 40) -> None:
        """Return when it polls, and so ends well on a signal; one that still imports its app just dies of it."""
        async with asyncio.timeout(within):
            await self._started.wait()

    async def ended(self, within: float = 40) -> int:
        async with asyncio.timeout(within):
            code = await self.process.wait()
            await self._reading
        return code

    def events(self, name: str) -> list[dict[str, object]]:
        """Return the log lines of an event (JSON)."""
        parsed = [json.loads(line) for line in self.lines if line.startswith("{")]
        return [line for line in parsed if line.get("event") == name]


class Ground:
    """A local server, a directory for the job store, and the workers that a test starts."""

    def __init__(self, server: LocalServer, directory: Path) -> None:
        self.server = server
        self.directory = directory
        self.store = f"sqlite:///{directory}/jobs.db"
        self.reports = Reports(directory / "reports")
        self.calls: Counter[str] = Counter()
        self.called_at: dict[str, list[float]] = defaultdict(list)
        self.workers: list[WorkerProcess] = []
        self.fault: Fault | None = None
        server.sqs.faults = self._count

    def _count(self, operation: str, queue: str | None) -> Fault | None:
        del queue
        self.calls[operation] += 1
        self.called_at[operation].append(asyncio.get_running_loop().time())
        return self.fault

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SQSJOBS_"))}
        return kept | {
            "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
            "SQSJOBS_TEST_REPORTS": str(self.directory / "reports"),
            "SQSJOBS_STORE": self.store,
            "AWS_ENDPOINT_URL_SQS": self.server.endpoint_url,
            "AWS_ACCESS_KEY_ID": "AKIACANARY",
            "AWS_SECRET_ACCESS_KEY": canary("ENV"),
            **more,
        }

    async def worker(self, *options: str, app: str = APP, **environment: str) -> WorkerProcess:
        """Start a worker process; it polls for a second at a time unless the options say otherwise."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "sqsjobs",
            "worker",
            app,
            "--log-format",
            "json",
            *([] if "--wait" in options else ["--wait", "1"]),
            *options,
            env=self.environment(**environment),
            cwd=ROOT,
            stderr=asyncio.subprocess.PIPE,
        )
        worker = WorkerProcess(process)
        self.workers.append(worker)
        return worker

    def phases(self, queue: str) -> Counter[str]:
        """Return how many messages of a queue are visible, in flight and delayed."""
        return Counter(message.phase.name.lower() for message in self.server.sqs.peek(queue))

    async def aclose(self) -> None:
        """End all workers; none of them may have written a secret (S13)."""
        for worker in self.workers:
            if worker.process.returncode is None:
                worker.process.kill()
            await worker.ended()
        self.reports.close()
        no_secret_in("".join(line for worker in self.workers for line in worker.lines), "the lines of a worker")


@asynccontextmanager
async def ground(directory: Path, *queues: str) -> AsyncIterator[Ground]:
    """Serve `queues`, each with a dead-letter queue, and end all workers afterwards."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(LocalServer())
        for queue in queues:
            dead = queue.replace(".fifo", "-dlq.fifo") if queue.endswith(".fifo") else f"{queue}-dlq"
            server.sqs.create_queue(queue, dead_letter_queue=dead)
        made = Ground(server, directory)
        stack.push_async_callback(made.aclose)
        yield made
