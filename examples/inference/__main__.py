"""The whole service on this machine: queue server, job store, a worker and the API, until Ctrl-C.

    python -m inference

It prints the address of its page:

    Pictures are at http://127.0.0.1:8000 (Ctrl-C ends it)
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, nullcontext
from pathlib import Path

import uvicorn

from inference.pictures import FOLDER_VARIABLE
from sqsjobs.testing import LocalServerThread

_WORKER_STOPS = 15.0
"""Seconds after which a worker that was asked to stop is killed; its grace is 2."""


def main() -> int:
    """Run it, as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m inference", description="Run the picture service on this machine.")
    parser.add_argument("--port", type=int, default=8000, help="of the page; 0 for any that is free")
    parser.add_argument("--folder", type=Path, help="where pictures and jobs are kept; by default until the end only")
    chosen = parser.parse_args()
    try:
        door = socket.create_server(("127.0.0.1", chosen.port))
    except OSError:
        print(f"port {chosen.port} is taken: choose another, --port 0 for any that is free", file=sys.stderr)
        return 2
    with ExitStack() as stack:
        stack.enter_context(door)
        folder = chosen.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="inference-")))
        queues = stack.enter_context(LocalServerThread())
        queues.create_queues("pictures")
        os.environ |= {
            "AWS_ENDPOINT_URL_SQS": queues.endpoint_url,
            "SQSJOBS_STORE": f"sqlite:///{folder.absolute() / 'jobs.sqlite3'}",
            FOLDER_VARIABLE: str(folder.absolute()),
            "OPENBLAS_NUM_THREADS": "1",  # the worker has a process for each processor: more threads only get in their way
        }
        folder.mkdir(parents=True, exist_ok=True)
        try:
            return asyncio.run(_served(door))
        except KeyboardInterrupt:  # before there was anything to stop
            return 0


async def _served(door: socket.socket) -> int:
    """Serve the API beside a worker; end when asked to, or when the worker ends."""
    from inference.api import api  # noqa: PLC0415 - it reads the environment, which is set by now

    config = uvicorn.Config(api, log_level="warning", timeout_graceful_shutdown=1)
    server = _Announced(config)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, server.stop)
    async with _working() as worker:
        serving = asyncio.create_task(server.serve([door]))
        ended = asyncio.create_task(worker.wait())
        await asyncio.wait([serving, ended], return_when=asyncio.FIRST_COMPLETED)
        died = ended.done()
        server.stop()
        await serving
        ended.cancel()
    if died:
        print(f"the worker ended with code {worker.returncode}, and so does the service", file=sys.stderr)
    return 1 if died or not server.started else 0


@asynccontextmanager
async def _working() -> AsyncIterator[Process]:
    """Run a worker, in a session of its own so that Ctrl-C reaches it by way of us: after the API, and once."""
    command = ["worker", "inference.jobs:app", "--wait", "2", "--grace", "2", "--log-level", "warning"]
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sqsjobs", *command, cwd=Path(__file__).parents[1], start_new_session=True
    )
    try:
        yield worker
    finally:
        if worker.returncode is None:
            worker.terminate()
        try:
            await asyncio.wait_for(worker.wait(), _WORKER_STOPS)
        except TimeoutError:
            worker.kill()
            await worker.wait()


class _Announced(uvicorn.Server):
    """A server that says where its page is, and leaves signals to its caller."""

    def stop(self) -> None:
        """End soon: streams of events that are open are cut off, which uvicorn would call an error each."""
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self.should_exit = True

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            port = sockets[0].getsockname()[1]
            print(f"Pictures are at http://127.0.0.1:{port} (Ctrl-C ends it)", flush=True)


if __name__ == "__main__":
    sys.exit(main())
