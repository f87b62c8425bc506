"""The local server on a thread of its own, so that tests without an event loop, and other processes, can talk to it."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import Self

from sqsjobs.local import FaultPlan, LocalServer
from sqsjobs.transport.address import dead_letter_name
from sqsjobs.transport.memory import MemorySQS

__all__ = ["LocalServerThread"]


class LocalServerThread:
    """An SQS-compatible server on this machine's loopback interface, between entry and exit of a ``with``.

    Attributes:
        endpoint_url: where it answers; any credentials will do.
    """

    def __init__(self) -> None:
        self._server = LocalServer()
        self._stopping: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._started: Future[str] = Future()
        self._thread = threading.Thread(target=self._run, name="sqsjobs-local-server", daemon=True)
        self.endpoint_url: str = ""

    def __repr__(self) -> str:
        return f"<LocalServerThread {self.endpoint_url or 'not started'}>"

    def __enter__(self) -> Self:
        self._thread.start()
        self.endpoint_url = self._started.result()
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self._stopping is not None
        loop, stop = self._stopping
        loop.call_soon_threadsafe(stop.set)
        self._thread.join()

    @property
    def sqs(self) -> MemorySQS:
        """Its queues, to be looked into from any thread."""
        return self._server.sqs

    @property
    def plan(self) -> FaultPlan | None:
        """What goes wrong with its calls; it can be exchanged at any time."""
        return self._server.plan

    @plan.setter
    def plan(self, plan: FaultPlan | None) -> None:
        self._server.plan = plan

    def create_queues(self, *names: str) -> None:
        """Create queues, FIFO where the name ends in ``.fifo``, each with its dead-letter queue."""
        for name in names:
            self.sqs.create_queue(name, dead_letter_queue=dead_letter_name(name))

    def reset(self) -> None:
        """Forget all queues, their messages and the faults; open long polls end with nothing."""
        self.plan = None
        before, self._server.sqs = self._server.sqs, MemorySQS()
        before.end_polls()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    async def _serve(self) -> None:
        stop = asyncio.Event()
        self._stopping = asyncio.get_running_loop(), stop
        async with self._server:
            self._started.set_result(self._server.endpoint_url)
            await stop.wait()
