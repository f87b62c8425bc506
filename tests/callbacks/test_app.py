"""Callbacks of an app, from `using(callback=...)` to a receiver on the loopback, over real HTTP."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager

import pytest
from tests.callbacks.receiver import KEY, receiving

from sqsjobs import (
    App,
    CallbackRefused,
    Callbacks,
    ConfigurationError,
    Ed25519Key,
    EnqueueManyError,
    InvalidWebhook,
    MemorySQS,
    MemoryStore,
    MemoryTransport,
    Retry,
    Signing,
    Task,
    constant,
)
from sqsjobs.callbacks import CALLBACK_TASK
from sqsjobs.events import DeadLettered
from sqsjobs.settings import Settings
from sqsjobs.testing import MemoryApp, RecordedEvents


def shop(callbacks, **options) -> App:
    sqs = MemorySQS()
    for queue in ("default", "callbacks"):
        sqs.create_queue(queue, dead_letter_queue=f"{queue}-dlq")
    app = App("shop", transport=MemoryTransport(sqs), store=MemoryStore(), callbacks=callbacks, **options)

    @app.task
    async def add(a: int, b: int) -> int:
        return a + b

    return app


def added(app: App) -> Task[..., int]:
    task = app.registry.get("add")
    assert task is not None
    return task


@asynccontextmanager
async def working(app: App):
    async with app:
        worker = app.worker(wait=1)
        running = asyncio.ensure_future(worker.run())
        try:
            yield
        finally:
            worker.stop("the test is over")
            worker.stop("at once")
            await running


async def test_an_outcome_is_posted_and_verified_and_tried_again_under_its_id():
    """Over real HTTP: a 500 first, then success; the receiver sees one id, two timestamps, and signatures that are right."""
    async with receiving("500 Oops", "204 No Content") as receiver:
        app = shop(receiver.callbacks(retry=Retry(backoff=constant(0.01)), queue="callbacks"))
        async with working(app):
            add = added(app)
            job = await add.using(callback=receiver.url).enqueue(a=1, b=2)
            await receiver.until(2)
            first, second = receiver.requests
            ended = await app.job(second.id).result(timeout=10)
    assert ended == 204
    assert first.id == second.id
    assert first.body == second.body
    told = second.verified()
    assert (told["type"], told["data"]["id"], told["data"]["result"]) == ("job.succeeded", job.id, 3)
    with pytest.raises(InvalidWebhook):
        second.verified("whsec_" + "QQ" * 16)


async def test_a_receiver_that_is_gone_or_redirects_gets_nothing_more(caplog):
    caplog.set_level(logging.DEBUG)
    async with receiving() as trap, receiving(f"302 Found\r\nLocation: {trap.url}", "410 Gone") as receiver:
        app = shop(receiver.callbacks(retry=Retry(backoff=constant(0.01))))
        async with working(app):
            job = await added(app).using(callback=receiver.url).enqueue(a=1, b=2)
            await receiver.until(2)
            assert await job.result(timeout=10) == 3
            callback = app.job(receiver.requests[1].id)
            async for update in callback.watch():
                if update.status.ended:
                    break
    assert update.status == "discarded"
    assert trap.connections == 0
    assert "s3cret-in-the-url" not in caplog.text


async def test_a_loopback_receiver_has_to_be_allowed_by_its_network_too():
    """S21: the allow-list of names opens no private address."""
    events = RecordedEvents()
    async with receiving() as receiver:
        app = shop(receiver.callbacks(networks=[]), observers=[events])
        async with app:
            await added(app).using(callback=receiver.url).enqueue(a=1, b=2)
            await app.worker(burst=True, wait=0).run()
    assert receiver.connections == 0
    (refused,) = [event for event in events if isinstance(event, DeadLettered)]
    assert refused.task == CALLBACK_TASK
    assert "networks=" in refused.detail


# Refusals at the call -------------------------------------------------------------------------------


async def test_a_callback_that_is_not_allowed_is_refused_where_it_is_enqueued():
    app = shop(Callbacks(hosts=["shop.example"]))
    add = added(app)
    async with app:
        with pytest.raises(
            CallbackRefused, match=r"may not go to https://evil\.example: the app allows shop\.example"
        ) as no:
            await add.using(callback="https://evil.example/?token=s3cret").enqueue(a=1, b=2)
        assert "s3cret" not in str(no.value)
        assert (await app.jobs()).items == ()
        calls = [add.using(callback=url).call(a=1, b=2) for url in ("https://evil.example/", "https://shop.example/")]
        with pytest.raises(EnqueueManyError) as partly:
            await app.enqueue_many(calls)
        assert [call.index for call in partly.value.rejected] == [0]
        assert len(partly.value.accepted) == 1


def test_a_synchronous_caller_is_refused_too_and_told_what_to_set():
    app = shop(None)
    add = added(app)
    with pytest.raises(
        CallbackRefused, match=r"App\(callbacks=Callbacks\(hosts=\[...\]\)\), or SQSJOBS_CALLBACK_HOSTS"
    ):
        add.using(callback="https://shop.example/").enqueue_sync(a=1, b=2)
    app.close_sync()


@pytest.mark.parametrize("url", ["shop.example", "https://user:s3cret@shop.example/", "ftp://shop.example/", 3])
def test_what_is_no_url_of_a_callback_is_refused_by_using(url):
    with pytest.raises(CallbackRefused) as no:
        added(shop(None)).using(callback=url)
    assert "s3cret" not in str(no.value)


# Configuration --------------------------------------------------------------------------------------


def test_a_worker_needs_keys_and_a_producer_does_not():
    async def work() -> None:
        app = shop(Callbacks(hosts=["shop.example"]))
        async with app:
            with pytest.raises(ConfigurationError, match="SQSJOBS_CALLBACK_KEYS=whsec_"):
                app.worker()

    asyncio.run(work())


async def test_a_worker_that_can_only_verify_envelopes_cannot_call_back():
    public = Ed25519Key.new("a").public
    app = shop(Callbacks(hosts=["shop.example"], keys=[KEY]), signing=Signing([public]))
    async with app:
        with pytest.raises(ConfigurationError, match="its keys only verify"):
            app.worker()


def test_the_settings_say_it_where_the_program_does_not(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SQSJOBS_CALLBACK_HOSTS", "shop.example, *.other.example")
    (tmp_path / "keys").write_text(f"shop.example={KEY}\n{KEY}\n")
    monkeypatch.setenv("SQSJOBS_CALLBACK_KEYS", f"file:{tmp_path / 'keys'}")
    monkeypatch.setenv("SQSJOBS_CALLBACK_NETWORKS", "10.0.0.0/8")
    app = App("shop", transport=MemoryTransport(MemorySQS()))
    callbacks = app._resolved().callbacks
    assert callbacks is not None
    assert callbacks.hosts == ["shop.example", "*.other.example"]
    assert len(callbacks.keys) == 2
    assert callbacks.networks == ["10.0.0.0/8"]
    assert CALLBACK_TASK in app.registry.names
    assert KEY not in repr(Settings.load())
    said = App("shop", transport=MemoryTransport(MemorySQS()), callbacks=None)
    assert said._resolved().callbacks is None
    monkeypatch.delenv("SQSJOBS_CALLBACK_HOSTS")
    with pytest.raises(ConfigurationError, match="says of no host"):
        App("shop", transport=MemoryTransport(MemorySQS()))._resolved()


def test_a_queue_for_callbacks_is_one_of_the_apps():
    assert shop(Callbacks(hosts=["*"], queue="callbacks")).registry.queues() == ("callbacks", "default")
    assert shop(Callbacks(hosts=["*"])).registry.queues() == ("default",)
    with pytest.raises(ConfigurationError, match="is no queue"):
        shop(Callbacks(hosts=["*"], queue="no queue"))


def test_the_name_of_the_task_is_taken():
    app = App("shop", callbacks=Callbacks(hosts=["*"]))
    with pytest.raises(ConfigurationError, match="two tasks are called"):

        @app.task(name=CALLBACK_TASK)
        async def mine() -> None: ...


# Tests of users --------------------------------------------------------------------------------------


async def test_in_memory_callbacks_are_kept_and_go_to_no_network():
    app = shop(Callbacks(hosts=["shop.example"], keys=[KEY]))
    async with MemoryApp(app) as jobs:
        await added(app).using(callback="https://shop.example/hooks").enqueue(a=1, b=2)
        jobs.assert_enqueued(added(app).using(callback="https://shop.example/hooks"))
        jobs.assert_not_enqueued(added(app).using(callback="https://shop.example/other"))
        await jobs.drain()
        (callback,) = jobs.callbacks
    assert callback.url == "https://shop.example/hooks"
    assert callback.event["data"]["result"] == 3


async def test_a_job_that_is_sent_again_still_has_its_callback():
    app = shop(Callbacks(hosts=["shop.example"], keys=[KEY]))

    @app.task(retry=Retry(max_attempts=1))
    async def fail() -> None:
        raise ValueError

    async with MemoryApp(app) as jobs:
        job = await fail.using(callback="https://shop.example/hooks").enqueue()
        await jobs.drain(allow_failures=True)
        await job.retry()
        await jobs.drain(allow_failures=True)
        first, second = jobs.callbacks
    assert first.event["data"]["id"] == second.event["data"]["id"] == job.id
    assert first.id != second.id
