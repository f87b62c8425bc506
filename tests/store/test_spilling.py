"""Results too large for a record: kept as blobs, with a note in the record."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from tests.store.samples import FixedClock, job_id, queued, request, succeed

from sqsjobs import App, FileBlobs, MemorySQS, MemoryTransport
from sqsjobs.errors import ResultsUnread, StoreError, StoreUnavailable
from sqsjobs.job import JobStatus
from sqsjobs.store.base import DONE_RECORD_TTL, RESULT_TTL, JobRecord
from sqsjobs.store.memory import MemoryStore
from sqsjobs.store.provision import Provisioned
from sqsjobs.store.push import Pushing
from sqsjobs.store.spilling import SpillingStore, unspilled
from sqsjobs.store.sqlite import SqliteStore

LARGE = b'"' + b"x" * 1_000_000 + b'"'


@pytest.fixture
def plain():
    return MemoryStore(clock=FixedClock())


@pytest.fixture
async def store(plain, tmp_path):
    async with SpillingStore(plain, FileBlobs(tmp_path / "blobs", over=1000)) as store:
        yield store


def files(tmp_path):
    return list((tmp_path / "blobs" / "results").iterdir())


async def test_a_large_result_is_read_as_it_was(store, plain, tmp_path):
    """One by one and among many; the record itself has some hundred bytes of it."""
    job = job_id()
    await store.claim(request(job))
    assert await store.change(job, 1, succeed(result=LARGE))
    assert (await store.get(job)).result == LARGE
    assert (await store.records([job]))[job].result == LARGE
    assert (await store.cancel(job, 0.0)).result == LARGE
    assert len((await plain.get(job)).result) < 100
    assert len(files(tmp_path)) == 1
    async with store.clone() as clone:
        assert (await clone.get(job)).result == LARGE


async def test_a_small_result_stays_in_the_record(store, tmp_path):
    job = job_id()
    await store.claim(request(job))
    await store.change(job, 1, succeed())
    assert (await store.get(job)).result == succeed().result
    assert files(tmp_path) == []


async def test_an_end_that_was_recorded_alone_has_its_result(store):
    """With tracking ``result`` the end is an insert."""
    ended = JobRecord(job_id(), "resize", "images", JobStatus.SUCCEEDED, result=LARGE)
    assert await store.insert(ended) is None
    assert (await store.get(ended.id)).result == LARGE


async def test_a_worker_needs_no_right_to_read_what_it_has_written(store):
    """S7: neither to record an end for the second time, nor to tell of one; a small result is told."""
    store._blobs.get = None
    large, small = (
        JobRecord(job_id(), "resize", "images", JobStatus.SUCCEEDED, result=result) for result in (LARGE, b"1")
    )
    for ended, result in ((large, None), (small, b"1")):
        assert await store.insert(ended) is None
        again, told = await store.insert(ended), await unspilled(store, ended.id)
        for record in (again, told):
            assert record is not None
            assert (record.id, record.result) == (ended.id, result)
    assert await unspilled(store, job_id()) is None


async def test_a_change_that_is_repeated_is_granted(store):
    """R38."""
    job = job_id()
    await store.claim(request(job))
    for _ in range(2):
        assert await store.change(job, 1, succeed(result=LARGE))


async def test_a_superseded_worker_writes_over_no_result(store, tmp_path):
    """I2: its own lies beside, until the lifecycle rule takes it."""
    job = job_id()
    await store.claim(request(job))
    await store.claim(request(job, now=request(job).lease_until))
    assert await store.change(job, 2, succeed(result=LARGE))
    assert not await store.change(job, 1, succeed(result=LARGE.replace(b"x", b"y")))
    assert (await store.get(job)).result == LARGE
    assert len(files(tmp_path)) == 2


async def test_a_result_that_is_gone_has_expired(store, tmp_path):
    job = job_id()
    await store.claim(request(job))
    await store.change(job, 1, succeed(result=LARGE))
    files(tmp_path)[0].unlink()
    record = await store.get(job)
    assert (record.status, record.result) == (JobStatus.SUCCEEDED, None)


async def test_a_result_that_was_changed_is_not_given_out(store, tmp_path):
    job = job_id()
    await store.claim(request(job))
    await store.change(job, 1, succeed(result=LARGE))
    files(tmp_path)[0].write_bytes(LARGE.replace(b"x", b"y", 1))
    with pytest.raises(StoreError, match="not what was recorded"):
        await store.get(job)


async def test_of_many_only_the_unreadable_is_not_read(store, tmp_path):
    """One was changed, one may not be read now; the others are there, and who may try again knows it."""
    changed, withheld, small, gone = (job_id() for _ in range(4))
    for job, result in ((changed, LARGE), (withheld, LARGE), (small, b"1")):
        await store.claim(request(job))
        await store.change(job, 1, succeed(result=result))
    for file in files(tmp_path):
        if file.name.startswith(changed):
            file.write_bytes(b"")
        else:
            file.unlink()
            file.mkdir()
    with pytest.raises(ResultsUnread, match="2 jobs") as caught:
        await store.records([changed, withheld, small, gone])
    assert {job: record.result for job, record in caught.value.records.items()} == {small: b"1"}
    problems = caught.value.problems
    assert [isinstance(problems[job], StoreUnavailable) for job in (changed, withheld)] == [False, True]


async def test_who_waits_for_another_job_does_not_hear_of_an_unreadable_result(tmp_path):
    """Both are read in one go; the app gives each caller what is his."""
    store = MemoryStore()
    app = App("shop", transport=MemoryTransport(), store=store, blobs=FileBlobs(tmp_path / "blobs", over=1000))
    bad, good = job_id(), job_id()
    async with app:
        spilling = app.store
        assert spilling is not None
        for job in (bad, good):
            await spilling.claim(request(job))
        answers = [asyncio.create_task(app.job(job).result(timeout=20)) for job in (bad, good)]
        await asyncio.sleep(0)
        await spilling.change(bad, 1, succeed(result=LARGE))
        files(tmp_path)[0].write_bytes(b"")
        await spilling.change(good, 1, succeed(result=b"7"))
        with pytest.raises(StoreError, match=f"{bad} is not what was recorded"):
            await answers[0]
        assert await answers[1] == 7


async def test_what_the_store_can_do_besides_it_still_does(plain, tmp_path):
    store = SpillingStore(plain, FileBlobs(tmp_path / "blobs"))
    assert isinstance(store, Pushing)
    assert not isinstance(store, Provisioned)
    assert not isinstance(SpillingStore(SqliteStore(tmp_path / "db"), FileBlobs(tmp_path)), Pushing)
    job = job_id()
    woken: asyncio.Queue[object] = asyncio.Queue()
    async with SpillingStore(plain, FileBlobs(tmp_path / "blobs")) as opened, opened.listening(woken.put_nowait) as ear:
        await ear.add([job])
        await opened.insert(queued(job))
        assert await asyncio.wait_for(woken.get(), 5) == job


async def test_an_app_with_blobs_takes_large_arguments_and_gives_large_results(tmp_path):
    """End to end: two megabytes there, and half a megabyte back."""
    app = App(
        "shop",
        transport=MemoryTransport(MemorySQS(), create_missing=True),
        store=MemoryStore(),
        blobs=FileBlobs(tmp_path / "blobs"),
        allow_no_dlq=True,
    )

    @app.task()
    async def half(text: str) -> str:
        return text[: len(text) // 4]

    async with app:
        job = await half.enqueue("x" * 2_000_000)
        await app.worker(burst=True, wait=0).run()
        assert await job.result(timeout=5) == "x" * 500_000
    assert len(files(tmp_path)) == 1
    assert list((tmp_path / "blobs" / "arguments").iterdir()) == []


def test_the_lifecycle_rules_of_the_documentation_outlive_what_speaks_of_blobs():
    """A result is shown for `RESULT_TTL`; SQS keeps a message for 14 days, and a dead letter for 14 more."""
    text = (Path(__file__).parents[2] / "docs" / "stores.md").read_text()
    (rules,) = re.findall(r'^    (\{"Rules".*?^ .*?\]\})$', text, re.DOTALL | re.MULTILINE)
    days = {it["Filter"]["Prefix"]: it["Expiration"]["Days"] for it in json.loads(rules)["Rules"] if "Expiration" in it}
    assert days["sqsjobs/results/"] * 86_400 > RESULT_TTL
    assert days["sqsjobs/arguments/"] > 28
    assert days["sqsjobs/arguments/"] * 86_400 > DONE_RECORD_TTL
    assert set(re.findall(r"blobs/(\w+) -type f -mtime \+(\d+)", text)) == {
        (prefix.split("/")[1], str(age - 1)) for prefix, age in days.items()
    }
