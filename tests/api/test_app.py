"""The app: binding tasks, opening and closing, enqueueing on loops, threads and forks, records by id."""

# mypy: disable-error-code="empty-body"
# Tasks are only declared here.

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import types
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any

import pytest
from tests.api.scripted import ScriptedTransport, refuses

import sqsjobs
from sqsjobs import (
    App,
    Call,
    ConfigurationError,
    EnqueueManyError,
    InvalidArguments,
    JobHandle,
    JobStatus,
    MemorySQS,
    MemoryStore,
    MemoryTransport,
    NoJobStore,
    SqsTransport,
    UnknownJob,
    UnknownTask,
    WatchedQueue,
    task,
)
from sqsjobs.events import JobEnqueued
from sqsjobs.settings import Settings
from sqsjobs.store.base import ClaimRequest, RecordChange


@dataclass
class Thumb:
    width: int


@pytest.fixture
def sqs():
    return MemorySQS()


@pytest.fixture
def app(sqs):
    app = App("tests", transport=MemoryTransport(sqs, create_missing=True), store=MemoryStore())
    yield app
    app.close_sync()


@pytest.fixture
def resize(app):
    async def resize(width: int, name: str = "a") -> int: ...

    return app.task(resize)


def sent(sqs: MemorySQS, queue: str = "default") -> list[Any]:
    return [json.loads(message.body) for message in sqs.peek(queue)]


# Tasks ----------------------------------------------------------------------------------------------


async def test_a_task_of_the_app_is_enqueued_and_recorded(app, sqs, resize):
    async with app:
        job = await resize.enqueue(200, name="b")
        assert (await job.record()).task == "resize"
        assert await job.status() is JobStatus.QUEUED
        assert await app.job(job.id).status() is JobStatus.QUEUED
    (body,) = sent(sqs)
    assert (body["id"], body["task"], body["args"]) == (job.id, "resize", {"width": 200, "name": "b"})


async def test_using_sends_in_another_way(app, sqs, resize):
    async with app:
        await resize.using(queue="o.fifo", group="g", headers={"h": "v"}).enqueue(1)
        await resize.using(delay=60).enqueue(2)
    (ordered,) = sqs.peek("o.fifo")
    assert ordered.group == "g"
    assert json.loads(ordered.body)["headers"] == {"h": "v"}
    assert sqs.peek("default")[0].phase.name == "DELAYED"


async def test_tasks_that_know_no_app_are_included_with_their_copies(app, sqs):
    @task
    def loose(n: int) -> int: ...

    copied = loose.using(queue="other")
    app.include(loose)
    async with app:
        await copied.enqueue(1)
    assert len(sent(sqs, "other")) == 1
    assert app.registry.get("loose") is loose


async def test_a_module_is_included_with_all_its_tasks_but_those_of_other_apps(app):
    module: Any = types.ModuleType("shop.tasks")
    other = App("other")

    @task
    def mine(): ...

    @other.task
    def theirs(): ...

    module.mine, module.theirs, module.number = mine, theirs, 3
    app.include(module)
    assert app.registry.names == ("mine",)
    with pytest.raises(ConfigurationError, match=r"module 'shop\.none' has no tasks"):
        app.include(types.ModuleType("shop.none"))
    with pytest.raises(ConfigurationError, match="takes tasks and modules"):
        app.include("shop.tasks")


def test_a_task_belongs_to_one_app_and_a_name_to_one_task(app, resize):
    with pytest.raises(ConfigurationError, match="belongs to <App 'tests'"):
        App("second").include(resize)

    with pytest.raises(ConfigurationError, match="two tasks are called 'resize'"):

        @app.task(name="resize")
        def another(): ...


def test_include_reads_annotations_that_were_not_there_at_the_declaration(app):
    @task
    def early(part: NeverDefined): ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(ConfigurationError, match="'NeverDefined'"):
        app.include(early)


async def test_a_remote_task_is_enqueued_by_names_and_not_run_here(app, sqs):
    elsewhere = app.remote("elsewhere", queue="far")
    async with app:
        job = await elsewhere.enqueue(n=1, path="x")
        assert await job.status() is JobStatus.QUEUED
        with pytest.raises(InvalidArguments, match="given by name"):
            await elsewhere.enqueue(1)
    assert sent(sqs, "far")[0]["args"] == {"n": 1, "path": "x"}
    assert app.registry.get("elsewhere") is None
    with pytest.raises(UnknownTask):
        await elsewhere(n=1)


async def test_several_apps_live_side_by_side(sqs):
    apps = [App(name, transport=MemoryTransport(sqs, create_missing=True), store=None) for name in "ab"]
    tasks = [each.task(name=each.name)(lambda n: n) for each in apps]
    async with apps[0], apps[1]:
        for each in tasks:
            await each.enqueue(1)
    assert [body["task"] for body in sent(sqs)] == ["a", "b"]


# Opening --------------------------------------------------------------------------------------------


async def test_an_app_that_is_not_open_says_what_to_do(app, resize):
    for use in (resize.enqueue(1), app.enqueue_many([]), app.job("x" * 16).status()):
        with pytest.raises(ConfigurationError, match="not open: use it inside `async with app:`"):
            await use
    for name in ("transport", "store"):
        with pytest.raises(ConfigurationError, match="not open"):
            getattr(app, name)


async def test_an_open_app_is_not_opened_again_and_a_closed_one_is(app, resize):
    async with app:
        with pytest.raises(ConfigurationError, match="open already"):
            await app.__aenter__()
        await resize.enqueue(1)
    async with app:
        await resize.enqueue(2)
    with pytest.raises(ConfigurationError, match="not open"):
        await resize.enqueue(3)


async def test_an_app_can_be_entered_and_left_in_different_tasks(app, resize):
    await asyncio.create_task(app.__aenter__())
    await resize.enqueue(1)
    await asyncio.create_task(app.__aexit__())


async def test_an_app_that_could_not_be_opened_can_be_opened_later(sqs):
    class Refusing(MemoryTransport):
        working = False

        async def __aenter__(self):
            if not Refusing.working:
                raise ConfigurationError("no credentials")
            return await super().__aenter__()

        def clone(self):
            return Refusing(self.sqs)

    app = App("tests", transport=Refusing(sqs), store=None)
    with pytest.raises(ConfigurationError, match="no credentials"):
        await app.__aenter__()
    Refusing.working = True
    async with app:
        pass


async def test_another_event_loop_is_told_so(app, resize):
    """R69."""

    def use_elsewhere():
        with pytest.raises(ConfigurationError, match="open on another event loop"):
            asyncio.run(resize.enqueue(1))

    async with app:
        await asyncio.to_thread(use_elsewhere)


def test_an_app_whose_loop_has_ended_can_be_opened_on_another(app, resize):
    asyncio.run(app.__aenter__())

    async def use() -> None:
        async with app:
            await resize.enqueue(1)

    asyncio.run(use())


FORKS = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


def in_fork(check: Callable[[], Any]) -> Any:
    """Run `check` in a forked child; return what it returns, as text."""
    ours, theirs = multiprocessing.Pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = check()
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        theirs.send(answer)
        os._exit(0)
    assert ours.poll(20), "the child does not answer"
    os.waitpid(child, 0)
    return ours.recv()


def drive(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine's first steps without a loop of its own: the fork has inherited a running one."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    return "suspended"


@FORKS
async def test_use_after_a_fork_is_told_so(app, resize):
    """R69."""
    async with app:
        answer = in_fork(lambda: drive(resize.enqueue(1)))
    assert "was opened before this process was forked" in answer
    assert answer.startswith("ConfigurationError")


# Without an event loop ------------------------------------------------------------------------------


def test_enqueue_sync_needs_no_opening(app, sqs, resize):
    job = resize.enqueue_sync(200)
    assert sent(sqs)[0]["id"] == job.id

    async def look() -> Any:
        async with app:
            return await job.status()

    assert asyncio.run(look()) is JobStatus.QUEUED


def test_enqueue_sync_works_in_any_thread_through_one_loop_thread(app, sqs, resize):
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(resize.enqueue_sync, range(200)))
    assert {job.id for job in jobs} == {body["id"] for body in sent(sqs)}
    assert Counter(thread.name for thread in threading.enumerate())["sqsjobs-tests"] == 1


async def test_enqueue_sync_beside_an_open_app(app, sqs, resize):
    async with app:
        job = await asyncio.to_thread(resize.enqueue_sync, 1)
        assert await job.status() is JobStatus.QUEUED


async def test_enqueue_sync_in_a_running_loop_says_what_to_do(app, resize):
    with pytest.raises(ConfigurationError, match=r"await its namesake"):
        resize.enqueue_sync(1)


def test_enqueue_sync_checks_arguments_and_raises_what_enqueue_raises(app, resize):
    with pytest.raises(InvalidArguments):
        resize.enqueue_sync("wide")


@FORKS
def test_enqueue_sync_after_a_fork_has_a_thread_of_its_own(tmp_path):
    """R69: SQLite, because a child's memory is its own."""
    app = App("forked", transport=MemoryTransport(create_missing=True), store=f"sqlite:////{tmp_path}/jobs.db")
    resize = app.task(name="resize")(lambda n: n)
    before = resize.enqueue_sync(1)
    after = in_fork(lambda: resize.enqueue_sync(2).id)
    assert len(after) == len(before.id)

    async def both() -> list[JobStatus]:
        async with app:
            return [await app.job(job_id).status() for job_id in (before.id, after)]

    assert asyncio.run(both()) == [JobStatus.QUEUED, JobStatus.QUEUED]
    app.close_sync()


def test_a_program_ends_by_itself_after_enqueue_sync():
    program = """
from sqsjobs import App, MemoryTransport
app = App("short", transport=MemoryTransport(create_missing=True), store="memory://")
@app.task
def job(n: int) -> int: return n
job.enqueue_sync(1)
print("done")
"""
    here = {"PYTHONPATH": str(Path(sqsjobs.__file__).parents[1])}
    ended = subprocess.run(
        [sys.executable, "-Werror", "-Xdev", "-c", program],
        check=False,
        capture_output=True,
        text=True,
        env=here,
        timeout=30,
    )
    assert (ended.stdout, ended.stderr, ended.returncode) == ("done\n", "", 0)


def test_close_sync_ends_the_thread_and_the_next_use_starts_another(app, sqs, resize):
    app.close_sync()
    resize.enqueue_sync(1)
    app.close_sync()
    assert "sqsjobs-tests" not in {thread.name for thread in threading.enumerate()}
    resize.enqueue_sync(2)
    assert len(sent(sqs)) == 2


def test_a_session_that_cannot_be_opened_is_the_callers_error():
    class Refusing(MemoryTransport):
        async def __aenter__(self):
            raise ConfigurationError("no credentials")

        def clone(self):
            return Refusing()

    app = App("tests", transport=Refusing(), store=None)
    job = app.task(name="job")(lambda: None)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="no credentials"):
            job.enqueue_sync()


# Many -----------------------------------------------------------------------------------------------


async def test_enqueue_many_gives_handles_in_order(app, sqs, resize):
    async with app:
        jobs = await app.enqueue_many(resize.call(n) for n in range(1234))
    order = {body["id"]: body["args"]["width"] for body in sent(sqs)}
    assert [order[job.id] for job in jobs] == list(range(1234))


async def test_enqueue_many_takes_calls_of_several_tasks_and_queues(app, sqs, resize):
    other = app.task(name="other", queue="second")(lambda n: n)
    async with app:
        jobs = await app.enqueue_many([resize.call(1), other.call(2), resize.call(3)])
    assert [(body["id"]) for body in sent(sqs, "second")] == [jobs[1].id]


async def test_enqueue_many_of_nothing_is_nothing(app):
    async with app:
        assert await app.enqueue_many([]) == []


async def test_enqueue_many_accounts_for_every_call():
    """I13."""
    transport = ScriptedTransport(refuses(1, retryable=False))
    app = App("tests", transport=transport, store=None)
    job = app.task(name="job")(lambda n: n)
    async with app:
        with pytest.raises(EnqueueManyError, match="4 calls accepted, 1 rejected, 0 uncertain") as caught:
            await app.enqueue_many(job.call(n) for n in range(5))
    error = caught.value
    assert [handle.id for handle in error.accepted] == [body["id"] for body in sent(transport.sqs)]
    assert [(rejected.index, type(rejected.error).__name__) for rejected in error.rejected] == [(1, "EnqueueRejected")]


async def test_enqueue_many_stopped_by_its_source_says_what_was_sent(app, resize):
    def calls() -> Iterator[Call[int]]:
        for n in range(1200):
            yield resize.call(n)
        yield resize.call("wide")

    async with app:
        with pytest.raises(EnqueueManyError, match="1200 calls accepted, 0 rejected") as caught:
            await app.enqueue_many(calls())
    assert isinstance(caught.value.__cause__, InvalidArguments)


async def test_enqueue_many_of_something_else_says_what_it_takes(app):
    async with app:
        with pytest.raises(TypeError, match=r"made by task\.call"):
            await app.enqueue_many([1])


# Records --------------------------------------------------------------------------------------------


async def finish(app: Any, job: JobHandle[Any], result: bytes) -> None:
    """Do to the record what a worker would."""
    record = await job.record()
    claim = await app.store.claim(
        ClaimRequest(job.id, record.task, record.queue, record.enqueued_at, "w", now=time(), lease_until=time() + 60)
    )
    assert await app.store.change(job.id, claim.epoch, RecordChange(JobStatus.SUCCEEDED, now=time(), result=result))


async def test_a_result_has_the_type_of_its_task_also_by_id_alone(app):
    @app.task
    async def thumb() -> Thumb: ...

    async with app:
        job = await thumb.enqueue()
        await finish(app, job, b'{"width": 3}')
        assert await job.result() == Thumb(3)
        assert await app.job(job.id).result() == Thumb(3)


async def test_a_result_of_an_unknown_task_is_plain_json(app):
    async with app:
        job = await app.remote("elsewhere").enqueue()
        await finish(app, job, b'{"width": 3}')
        assert await job.result() == {"width": 3}


async def test_without_a_store_nothing_is_known_and_jobs_are_sent(sqs):
    app = App("tests", transport=MemoryTransport(sqs, create_missing=True), store=None)
    job = app.task(name="job")(lambda: None)
    assert app.tracking == "off"
    async with app:
        handle = await job.enqueue()
        for ask in (handle.record, handle.status, handle.result):
            with pytest.raises(NoJobStore, match=r"\(\) needs a job store"):
                await ask()
        with pytest.raises(NoJobStore, match="unique="):
            await job.using(unique="u").enqueue()


@pytest.mark.parametrize("tracking", ["worker", "result"])
async def test_a_producer_without_rights_writes_nothing(sqs, tracking):
    store = MemoryStore()
    transport = MemoryTransport(sqs, create_missing=True)
    app = App("tests", transport=transport, store=store, tracking=tracking)
    job = app.task(name="job")(lambda: None)
    async with app:
        handle = await job.enqueue()
        with pytest.raises(UnknownJob):
            await handle.status()
        with pytest.raises(NoJobStore, match='tracking="full"'):
            await job.using(unique="u").enqueue()


async def test_tracking_off_keeps_the_store_closed(sqs):
    app = App("tests", transport=MemoryTransport(sqs), store=MemoryStore(), tracking="off")
    async with app:
        assert app.store is None


async def test_unique_gives_the_handle_of_the_job_that_is_there(app, sqs, resize):
    async with app:
        first = await resize.using(unique="u").enqueue(1)
        second = await resize.using(unique="u").enqueue(2)
        assert (first.deduplicated, second.deduplicated) == (False, True)
        assert first.id == second.id
        assert "deduplicated" in repr(second)
        await finish(app, first, b"1")
        third = await resize.using(unique="u").enqueue(3)
        assert not third.deduplicated
    assert [body["args"]["width"] for body in sent(sqs)] == [1, 3]


@pytest.mark.parametrize("text", ["", "short", "x" * 65, "no such/id!!!!!!!"])
def test_an_id_that_cannot_be_one_is_an_unknown_job(app, text):
    with pytest.raises(UnknownJob):
        app.job(text)


# What an app is made of -----------------------------------------------------------------------------


async def test_what_is_not_said_is_looked_up_in_the_settings(monkeypatch, tmp_path):
    settings = Settings(store="memory://", tracking="worker", queue_prefix="dev-", endpoint_url="http://localhost:9")
    monkeypatch.setattr(Settings, "load", lambda: settings)
    app = App("tests")
    async with app:
        assert isinstance(app.transport, SqsTransport)
        assert "http://localhost:9" in repr(app.transport)
        assert isinstance(app.store, MemoryStore)
        assert app.tracking == "worker"
    said = App("tests", store=None, endpoint_url="http://localhost:10")
    async with said:
        assert "http://localhost:10" in repr(said.transport)
        assert said.store is None


async def test_configure_changes_what_the_app_was_made_with(app, resize):
    heard: list[Any] = []
    other = MemorySQS()
    app.configure(
        transport=MemoryTransport(other, create_missing=True), store=None, endpoint_url=None, observers=[heard.append]
    )
    async with app:
        await resize.enqueue(1)
        assert app.tracking == "off"
        with pytest.raises(ConfigurationError, match="is open: configure it before"):
            app.configure(store="memory://")
    assert len(sent(other)) == 1
    assert [event for event in heard if isinstance(event, JobEnqueued)]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"store": "nosuch://x"}, "no job store is known"),
        ({"store": None, "tracking": "some"}, "tracking is one of"),
        ({"store": None, "transport": MemoryTransport(), "queue_prefix": "dev-"}, "the transport's"),
    ],
)
async def test_what_cannot_be_fails_when_the_app_is_opened(options, problem):
    with pytest.raises(ConfigurationError, match=problem):
        await App("tests", **options).__aenter__()


# Workers --------------------------------------------------------------------------------------------


async def test_the_worker_takes_the_queues_of_all_tasks_unless_told(app, resize):
    app.task(name="other", queue="second")(lambda n: n)
    with pytest.raises(ConfigurationError, match="not open"):
        app.worker()
    async with app:
        assert app.worker(concurrency=3, name="w").options.concurrency == 3
        assert app.worker().options.allow_no_dlq is False
        assert app.worker(["second", WatchedQueue("third", 2)]).name


async def test_a_worker_does_not_start_with_annotations_that_are_never_defined(app):
    @app.task
    def early(part: NeverDefined): ...  # type: ignore[name-defined]  # noqa: F821

    async with app:
        with pytest.raises(ConfigurationError, match="'NeverDefined'"):
            app.worker()


async def test_an_app_without_tasks_has_no_worker(app):
    async with app:
        with pytest.raises(ConfigurationError, match="at least one queue"):
            app.worker()


async def test_a_job_lives_its_whole_life(app, sqs):
    entered = []

    class Lifespan:
        async def __aenter__(self):
            entered.append("in")

        async def __aexit__(self, *exc_info):
            entered.append("out")

    app.lifespan = Lifespan

    @app.task
    async def double(n: int) -> Thumb:
        return Thumb(n * 2)

    async with app:
        jobs = await app.enqueue_many(double.call(n) for n in range(20))
        await app.worker(burst=True, wait=1).run()
        assert [await job.result(timeout=0) for job in jobs] == [Thumb(n * 2) for n in range(20)]
    assert entered == ["in", "out"]
    assert sqs.peek("default") == []


async def test_an_option_that_no_worker_has() -> None:
    """It is a configuration error that names what was meant, and no TypeError of a class that nobody called."""
    app = App("options", transport=MemoryTransport())
    async with app:
        with pytest.raises(
            ConfigurationError, match=r"a worker has no option 'concurency'.*Did you mean 'concurrency'"
        ):
            app.worker(["q"], concurency=3)
