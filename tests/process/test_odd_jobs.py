"""Jobs that do unusual things."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.process import jobs
from tests.process.rig import TOKEN, Ground

from sqsjobs import App, JobFailed
from sqsjobs.job import JobStatus


async def test_a_child_process_works_on_the_queues_and_records_of_its_worker(field: Ground, app: App) -> None:
    """What the command line says of backends holds in children, too, whatever the environment says."""
    options = ("--endpoint-url", field.server.endpoint_url, "--store", field.store)
    await field.worker(*options, AWS_ENDPOINT_URL_SQS="http://127.0.0.1:1", SQSJOBS_STORE="memory://")
    child = await jobs.enqueue_from_child.enqueue(7)
    assert await app.job(await child.result(timeout=40)).result(timeout=40) == 7


async def test_a_job_that_cancels_itself_has_failed(field: Ground, app: App) -> None:
    """Nobody asked for its end, so it is no interruption: it has its attempts, and then it is dead-lettered."""
    await field.worker()
    handle = await jobs.cancel_itself.enqueue(token=TOKEN)
    with pytest.raises(JobFailed, match="CancelledError"):
        await handle.result(timeout=40)
    record = await handle.record()
    assert (record.attempts, record.dead_lettered, field.reports.count("start")) == (2, True, 2)


async def test_the_reason_of_a_discard_is_kept(field: Ground, app: App) -> None:
    """Who asks for the result learns why there is none."""
    await field.worker()
    handle = await jobs.useless.enqueue(token=TOKEN)
    with pytest.raises(JobFailed, match=r"no use, and its token was \[hidden\]"):
        await handle.result(timeout=40)
    assert await handle.status() is JobStatus.DISCARDED


async def test_a_child_process_has_no_files_and_no_connections_of_its_worker(field: Ground, app: App) -> None:
    """S22: it is spawned, not forked: it is given the pipe to its worker, and opens what else it needs."""
    worker = await field.worker("--metrics-port", "0", "--metrics-host", "127.0.0.1")
    held = field.directory / "held"
    await (await jobs.hold_open.enqueue(str(held))).result(timeout=40)
    child = await jobs.open_files.enqueue()
    opened = set(await child.result(timeout=40))
    theirs = {path.name: str(path.readlink()) for path in Path(f"/proc/{worker.pid}/fd").iterdir()}
    connections = {file for file in theirs.values() if file.startswith("socket:")}
    assert len(connections) > 3
    assert not connections & opened
    assert str(held) in theirs.values()
    streams = {theirs[descriptor] for descriptor in "012"}
    opens_itself = {f"{field.directory}/jobs.db{part}" for part in ("", "-wal", "-shm")}
    assert {file for file in opened & {*theirs.values()} if file.startswith("/")} <= streams | opens_itself


async def test_children_that_die_leave_neither_descriptors_nor_zombies(field: Ground, app: App) -> None:
    """I15, R10: whatever becomes of children, their worker has as many files and processes as before."""
    worker = await field.worker("--executor-processes", "2")
    await (await jobs.in_process.enqueue(0, seconds=0.0, token=TOKEN)).result(timeout=40)
    before = len(list(Path(f"/proc/{worker.pid}/fd").iterdir()))
    handles = await app.enqueue_many(jobs.dies_in_a_child.call(n, token=TOKEN) for n in range(2))
    for handle in handles:
        with pytest.raises(JobFailed):
            await handle.result(timeout=60)
    await (await jobs.in_process.enqueue(1, seconds=0.0)).result(timeout=40)
    assert len(list(Path(f"/proc/{worker.pid}/fd").iterdir())) <= before + 3
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
    assert all(") Z " not in Path(f"/proc/{child}/stat").read_text() for child in children)
