"""The benchmark server, seen by the conductor: started as a process of its own, asked over HTTP."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.machine import SERVER_CORE, cpu_seconds, on_core

__all__ = ["ROOT", "Server", "server"]

ROOT = Path(__file__).parents[1]


class Server:
    """A running server.

    Attributes:
        url: its endpoint.
    """

    def __init__(self, pid: int, url: str) -> None:
        self.url = url
        self._pid = pid
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=900)

    @property
    def cpu(self) -> float:
        """Seconds of CPU that it has used."""
        return cpu_seconds(self._pid)

    def create(self, queue: str) -> None:
        """Create a queue with a dead-letter queue."""
        self._ask("AmazonSQS.CreateQueue", QueueName=f"{queue}-dlq")
        target = f"arn:aws:sqs:us-east-1:000000000000:{queue}-dlq"
        policy = json.dumps({"deadLetterTargetArn": target, "maxReceiveCount": "100"})
        self._ask("AmazonSQS.CreateQueue", QueueName=queue, Attributes={"RedrivePolicy": policy})

    def keep(self, queue: str) -> int:
        """Take what is in a queue out of it, to be put back; return how much it is."""
        return int(self._ask("Bench.Keep", QueueName=queue)["Kept"])

    def restart(self, queue: str, count: int) -> float:
        """Put back `count` messages; return when, by the monotonic clock of the machine."""
        return float(self._ask("Bench.Restart", QueueName=queue, Count=count)["Began"])

    def drained(self, queue: str, seconds: float) -> dict[str, float]:
        """Wait until all is deleted that was put back; return `Deleted`, and when the `First` and `Last` were."""
        told: dict[str, float] = self._ask("Bench.Drained", QueueName=queue, Seconds=seconds)
        return told

    def polled(self, queue: str, seconds: float) -> bool:
        """Wait until somebody receives from a queue, and return whether somebody did."""
        return bool(self._ask("Bench.Polled", QueueName=queue, Seconds=seconds)["Polled"])

    def counts(self, queue: str = "") -> dict[str, int]:
        """Return the calls of each operation since they were last asked for."""
        told: dict[str, int] = self._ask("Bench.Counts", QueueName=queue)
        return told

    def delay(self, seconds: float) -> None:
        """Let every answer come so much later."""
        self._ask("Bench.Delay", Seconds=seconds)

    def _ask(self, target: str, **asked: Any) -> Any:
        try:
            self._connection.request("POST", "/", json.dumps(asked), {"X-Amz-Target": target})
            answer = self._connection.getresponse()
            said = json.loads(answer.read())
        except BaseException:
            self._connection.close()  # an answer that nobody waited for must not be the next one's
            raise
        if answer.status != 200:
            raise RuntimeError(f"{target}: {said}")
        return said


@contextmanager
def server(certificate: Path | None = None) -> Iterator[Server]:
    """Run the server on its core, over TLS with a `certificate` (a file that has its key, too).

    A SIGTERM ends it and every other process that was started, as Ctrl-C does.
    """
    secured = [] if certificate is None else ["--certificate", str(certificate)]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with on_core(SERVER_CORE):
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.server", *secured], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
    try:
        assert process.stdout is not None
        yield Server(process.pid, process.stdout.readline().strip())
    finally:
        process.terminate()
        process.wait()
