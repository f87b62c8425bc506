"""User code that the type checkers accept, with the types they see."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, AsyncIterator, assert_type  # noqa: UP035 - users write both

from sqsjobs import (
    App,
    AsyncTask,
    Call,
    EnqueueManyError,
    Event,
    JobContext,
    JobHandle,
    JobRecord,
    JobStatus,
    JobUpdate,
    MemoryTransport,
    Page,
    PastAttempt,
    Progress,
    Retry,
    Secret,
    Snooze,
    SyncTask,
    Worker,
    current_job,
    exponential,
    task,
)


@dataclass
class Thumb:
    width: int


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    yield


async def timed(job: JobContext, call_next: Callable[[], Awaitable[object]]) -> object:
    assert_type(job.attempt, int)
    return await call_next()


def log(event: Event) -> None:
    print(event)


app = App(
    "thumbs",
    store="sqlite:///jobs.db",
    transport=MemoryTransport(),
    lifespan=lifespan,
    middleware=[timed],
    observers=[log],
)


@app.task
async def bare(key: str) -> Thumb:
    current_job().progress(1, 2, "half")
    if current_job().attempt > 1 or current_job().cancelled:
        raise Snooze(timedelta(minutes=1))
    return Thumb(len(key))


@app.task(
    "resize", queue="images", retry=Retry(max_attempts=3, backoff=exponential(1, 60), retry_on=(OSError,)), timeout=60
)
async def resize(bucket: str, key: str = "a", *, width: int) -> Thumb:
    return Thumb(width)


@app.task(executor="process", timeout=timedelta(minutes=5), on_exhausted="discard")
def count(words: list[str]) -> int:
    return len(words)


@task
def loose(n: int) -> None: ...


@dataclass
class Login:
    user: str
    password: Secret[str]


@app.task(redact=("note",))
async def log_in(login: Login, pin: Secret[int], note: str = "") -> Secret[str]:
    assert_type(login.password, str)
    return login.password * pin


async def secrets() -> None:
    job = await log_in.enqueue(Login("ann", "secret"), pin=1234)
    assert_type(await job.result(), str)


app.include(loose)


async def direct() -> None:
    assert_type(await bare("a"), Thumb)
    assert_type(count(["a"]), int)
    assert_type(loose(1), None)


async def enqueue() -> None:
    job = await resize.enqueue("in", "a.png", width=200)
    assert_type(job, JobHandle[Thumb])
    assert_type(await job.result(timeout=30), Thumb)
    assert_type(await job.result(timedelta(seconds=3)), Thumb)
    assert_type(await job.record(), JobRecord)
    assert_type(await job.status(), JobStatus)
    assert_type(job.deduplicated, bool)
    assert_type(await count.enqueue(words=["a"]), JobHandle[int])
    later = resize.using(delay=timedelta(minutes=5), group="tenant-7", headers={"a": "b"}).using(
        unique="u", queue="q", callback="https://a.example"
    )
    assert_type(await later.enqueue("in", width=90), JobHandle[Thumb])


async def follow() -> None:
    job = await resize.enqueue("in", "a.png", width=200)
    assert_type(await job.cancel(), JobStatus)
    assert_type(await job.retry(), None)
    async for update in job.watch():
        assert_type(update, JobUpdate)
        assert_type(update.progress, Progress | None)
    jobs = [job, await bare.enqueue("b")]
    assert_type(await app.wait(jobs, first=1, timeout=5), tuple[list[JobHandle[Thumb]], list[JobHandle[Thumb]]])
    page = await app.jobs(status="failed", task=resize, since=0.0)
    assert_type(page, Page[JobRecord])
    assert_type((await job.record()).history, tuple[PastAttempt, ...])


def follow_sync() -> None:
    job = count.enqueue_sync(["a"])
    assert_type(job.result_sync(timeout=30), int)
    assert_type(job.status_sync(), JobStatus)
    assert_type(job.record_sync(), JobRecord)
    assert_type(job.cancel_sync(), JobStatus)
    assert_type(app.wait_sync([job], first=1, timeout=5), tuple[list[JobHandle[int]], list[JobHandle[int]]])
    assert_type(app.jobs_sync(status="failed", task=count, limit=10).cursor, str | None)


def enqueue_sync() -> None:
    assert_type(count.enqueue_sync(["a"]), JobHandle[int])
    assert_type(bare.enqueue_sync("a"), JobHandle[Thumb])


async def many() -> None:
    async with app:
        assert_type(resize.call("in", width=1), Call[Thumb])
        jobs = await app.enqueue_many(resize.call("in", str(n), width=200) for n in range(3))
        assert_type(jobs, list[JobHandle[Thumb]])
        mixed: list[Call[Thumb | int]] = [resize.call("in", width=1), count.call([])]
        assert_type(await app.enqueue_many(mixed), list[JobHandle[Thumb | int]])
        try:
            await app.enqueue_many([])
        except EnqueueManyError as error:
            assert_type(error.rejected[0].index, int)


async def elsewhere() -> None:
    remote = app.remote("elsewhere", queue="far")
    handle = await remote.enqueue(n=1)
    assert_type(handle, JobHandle[Any])
    assert_type(app.job(handle.id), JobHandle[Any])


async def work() -> None:
    async with app:
        worker = app.worker(["images"], concurrency=10, burst=True)
        assert_type(worker, Worker)
        await worker.run()


def takes_tasks(one: AsyncTask[[str], Thumb], two: SyncTask[[list[str]], int]) -> None:
    one.enqueue_sync("a")
    two.enqueue_sync([])


takes_tasks(bare, count)
