"""The server goes away, and comes back."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from pathlib import Path
from socket import socket

from tests.process import jobs
from tests.process.rig import Ground

from sqsjobs import App
from sqsjobs.local import LocalServer
from sqsjobs.transport.model import Fault, Refusal


def free_port() -> int:
    with socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def answer(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


async def until_answer(port: int, path: str, status: int, within: float) -> str:
    """Ask until the answer has `status`, and return its text."""
    async with asyncio.timeout(within):
        while True:
            answered, text = await asyncio.to_thread(answer, port, path)
            if answered == status:
                return text
            await asyncio.sleep(0.2)


async def test_a_worker_outlives_a_server_that_fails_and_one_that_is_gone(
    field: Ground, app: App, tmp_path: Path
) -> None:
    """R59, R61: it goes on by itself afterwards, says so at /readyz meanwhile, and stays live all the time."""
    port = free_port()
    await field.worker("--metrics-port", str(port), "--metrics-host", "127.0.0.1")
    handle = await jobs.work.enqueue(1)
    assert await handle.result(timeout=20) == 1
    await until_answer(port, "/readyz", 200, within=10)

    field.fault = Fault(before=Refusal("InternalFailure", "We encountered an internal error"))
    failing_since = asyncio.get_running_loop().time()
    assert "polls fail" in await until_answer(port, "/readyz", 503, within=10)
    assert (await asyncio.to_thread(answer, port, "/livez"))[0] == 200
    await asyncio.sleep(max(0.0, failing_since + 10 - asyncio.get_running_loop().time()))
    field.fault = None
    assert await (await jobs.work.enqueue(2)).result(timeout=40) == 2
    await until_answer(port, "/readyz", 200, within=40)

    where, sqs = field.server.endpoint_url, field.server.sqs
    await field.server.__aexit__(None, None, None)
    await until_answer(port, "/readyz", 503, within=20)
    await asyncio.sleep(8)
    async with LocalServer(port=int(where.rpartition(":")[2]), sqs=sqs):
        assert await (await jobs.work.enqueue(3)).result(timeout=60) == 3
        await until_answer(port, "/readyz", 200, within=40)
    field.server._runner = None
    await field.server.__aenter__()


async def test_a_queue_that_is_deleted_and_made_again_is_worked_on_again(field: Ground, app: App) -> None:
    """R61: meanwhile the worker is not ready and says which queue, what runs ends and is recorded, and no process ends."""
    port = free_port()
    worker = await field.worker(
        "--queue", "busy", "--queue", "work", "--metrics-port", str(port), "--metrics-host", "127.0.0.1"
    )
    running = await jobs.work.enqueue(1, seconds=4)
    await field.reports.until(lambda reports: reports.count("start") == 1)
    await until_answer(port, "/readyz", 200, within=10)

    with field.server.sqs.use() as model:
        model.account.delete("work")
    assert "work" in await until_answer(port, "/readyz", 503, within=15)
    assert (await asyncio.to_thread(answer, port, "/livez"))[0] == 200
    assert await running.result(timeout=20) == 1
    await jobs.busy.enqueue(5)
    await field.reports.until(lambda reports: ("busy", "5", "1") in reports.ended())

    with field.server.sqs.use() as model:
        model.account._deleted.clear()  # for a minute AWS makes no queue of the same name, and nobody is to wait for it
    field.server.sqs.create_queue("work", dead_letter_queue="work-dlq")
    await until_answer(port, "/readyz", 200, within=60)
    assert await (await jobs.work.enqueue(2)).result(timeout=20) == 2
    assert worker.process.returncode is None
