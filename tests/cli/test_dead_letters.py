"""Reading dead letters and sending them back, against the strict model of SQS."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Collection

import pytest

from sqsjobs.annotation import ANNOTATION, Annotation
from sqsjobs.cli.dead_letters import MOVED_BY_SQS, Choice, DeadLetters, Letter, Place, Redrive
from sqsjobs.cli.exits import NOT_YET, OK
from sqsjobs.envelope import encode
from sqsjobs.job import Job, JobStatus, new_job_id
from sqsjobs.outcome import Failure
from sqsjobs.sealing import Sealing
from sqsjobs.sending import message_of
from sqsjobs.store.base import Claimed, ClaimRequest, JobRecord, RecordChange
from sqsjobs.store.memory import MemoryStore
from sqsjobs.transport.address import dead_letter_name
from sqsjobs.transport.base import OutgoingMessage
from sqsjobs.transport.memory import MemorySQS, MemoryTransport

NOW = 1_800_000_000.0


def annotation(job: Job, reason: str = "exhausted", *, queue: str = "images", epoch: int = 1) -> Annotation:
    return Annotation(
        reason, queue, "w1", "2027-01-15T08:00:00.000+00:00", task=job.task, job_id=job.id, attempts=5, epoch=epoch
    )


def a_job(task: str = "resize", *, queue: str = "images", group: str | None = None, epoch: int = 0) -> Job:
    return Job(new_job_id(), task, queue, b'{"width":200}', enqueued_at=NOW, group=group, epoch=epoch, attempts=2)


def letter(job: Job, note: Annotation | None) -> OutgoingMessage:
    attributes = {} if note is None else {ANNOTATION: note.encode()}
    body = encode(job)
    fifo = job.queue.endswith(".fifo")
    return OutgoingMessage(body, group=job.group, deduplication_id=job.id if fifo else None, attributes=attributes)


@pytest.fixture
def sqs() -> MemorySQS:
    sqs = MemorySQS()
    sqs.create_queue("images", dead_letter_queue="images-dlq")
    sqs.create_queue("orders.fifo", dead_letter_queue="orders-dlq.fifo")
    return sqs


@pytest.fixture
async def transport(sqs):
    async with MemoryTransport(sqs) as transport:
        yield transport


@pytest.fixture
async def store():
    async with MemoryStore() as store:
        yield store


async def read(place: DeadLetters, limit: int = 100) -> list[Letter]:
    return [letter async for batch in place.batches(limit) for letter in batch]


async def visible(transport: MemoryTransport, queue: str) -> int:
    return (await transport.describe(queue)).visible


async def failed_record(store: MemoryStore, job: Job) -> int:
    """Make a record that has failed, as a worker would; return its epoch."""
    claim = await store.claim(ClaimRequest(job.id, job.task, job.queue, NOW, "w1", now=NOW, lease_until=NOW + 60))
    assert isinstance(claim, Claimed)
    change = RecordChange(JobStatus.FAILED, NOW, failure=Failure("E", "no"), dead_lettered=True)
    assert await store.change(job.id, claim.epoch, change)
    return claim.epoch


async def test_letters_are_read_with_their_reason(transport):
    job = a_job()
    await transport.send("images-dlq", [letter(job, annotation(job)), OutgoingMessage("no job")])
    async with DeadLetters(transport, Place("images-dlq", "images"), wait=0) as place:
        good, bad = sorted(await read(place), key=lambda it: it.job is None)
    assert (good.id, good.task, good.reason) == (job.id, "resize", "exhausted")
    assert (bad.id, bad.task, bad.reason) == (bad.delivery.message_id, "", MOVED_BY_SQS)
    assert bad.problem


async def test_reading_leaves_everything_visible(transport):
    """list and show give back what they received, at once."""
    jobs = [a_job() for _ in range(25)]
    for job in jobs:
        await transport.send("images-dlq", [letter(job, None)])
    async with DeadLetters(transport, Place("images-dlq", "images"), wait=0) as place:
        assert {it.id for it in await read(place)} == {job.id for job in jobs}
        assert await visible(transport, "images-dlq") == 0
    assert await visible(transport, "images-dlq") == 25


async def test_reading_gives_back_when_it_is_cancelled(transport):
    await transport.send("images-dlq", [letter(a_job(), None)])
    reading = asyncio.Event()

    async def reader() -> None:
        async with DeadLetters(transport, Place("images-dlq", "images"), wait=0) as place:
            async for _ in place.batches(1):
                reading.set()
                await asyncio.Event().wait()

    task = asyncio.create_task(reader())
    await reading.wait()
    task.cancel()
    await asyncio.wait([task])
    assert await visible(transport, "images-dlq") == 1


async def test_reading_stops_at_the_limit(transport):
    for _ in range(15):
        await transport.send("images-dlq", [letter(a_job(), None)])
    async with DeadLetters(transport, Place("images-dlq", "images"), wait=0) as place:
        assert len(await read(place, limit=12)) == 12


async def test_a_choice_is_by_id_task_and_reason(transport):
    job = a_job()
    await transport.send("images-dlq", [letter(job, annotation(job))])
    async with DeadLetters(transport, Place("images-dlq", "images"), wait=0) as place:
        (it,) = await read(place)
    assert it in Choice()
    assert it in Choice(ids={job.id}, task="resize", reason="exhausted")
    assert it in Choice(ids={it.delivery.message_id})
    assert it not in Choice(ids={"another"})
    assert it not in Choice(task="rotate")
    assert it not in Choice(reason="rejected")


async def redriven(
    transport: MemoryTransport,
    store: MemoryStore | None,
    *,
    source: str = "images",
    queues: Collection[str] = ("images", "orders.fifo"),
    rate: float = 1e6,
) -> list[str]:
    redrive = Redrive(transport, store, Sealing(), rate)
    problems = []
    async with DeadLetters(transport, Place(dead_letter_name(source), source, queues), wait=0) as place:
        async for batch in place.batches(100):
            problems += [fate.problem for fate in await redrive.carry_out(batch, place, now=NOW + 100)]
    return problems


async def received(transport, queue: str) -> list[Letter]:
    deliveries = await transport.receive(queue, limit=10, wait=0, visibility=30)
    return [await Letter.of(delivery, Place("", queue)) for delivery in deliveries]


async def test_a_redriven_job_is_queued_again(transport, store):
    """R42: sent first, deleted then; the record is open again with no attempts used."""
    job = a_job()
    epoch = await failed_record(store, job)
    await transport.send("images-dlq", [letter(job, annotation(job, epoch=epoch))])
    assert await redriven(transport, store) == [""]
    (back,) = await received(transport, "images")
    assert back.job is not None
    assert (back.job.id, back.job.arguments) == (job.id, job.arguments)
    assert (back.job.attempts, back.job.epoch) == (0, epoch + 1)
    assert back.annotation is None
    record = await store.get(job.id)
    assert record is not None
    assert (record.status, record.attempts) == (JobStatus.QUEUED, 0)
    assert (await transport.describe("images-dlq")).in_flight == 0


async def test_without_a_store_the_annotation_goes_along(transport):
    """A worker with a store opens the record by it."""
    job = a_job(epoch=3)
    await transport.send("images-dlq", [letter(job, annotation(job, epoch=7))])
    assert await redriven(transport, None) == [""]
    (back,) = await received(transport, "images")
    assert back.annotation == annotation(job, epoch=7)
    assert back.job is not None
    assert back.job.epoch == 8


async def test_a_job_that_has_succeeded_stays_where_it_is(transport, store):
    job = a_job()
    claim = await store.claim(ClaimRequest(job.id, job.task, job.queue, NOW, "w1", now=NOW, lease_until=NOW + 60))
    await store.change(job.id, claim.epoch, RecordChange(JobStatus.SUCCEEDED, NOW))
    await transport.send("images-dlq", [letter(job, None)])
    assert await redriven(transport, store) == ["the job has succeeded meanwhile"]
    assert await visible(transport, "images-dlq") == 1
    assert await received(transport, "images") == []


async def test_a_job_that_sqs_moved_is_sent_though_its_record_never_ended(transport, store):
    """Its record says queued; this message is the only copy there is."""
    job = a_job()
    await store.insert(JobRecord(job.id, job.task, job.queue, JobStatus.QUEUED, enqueued_at=NOW))
    await transport.send("images-dlq", [letter(job, None)])
    assert await redriven(transport, store) == [""]
    assert len(await received(transport, "images")) == 1


async def test_what_is_no_job_stays_where_it_is(transport, store):
    await transport.send("images-dlq", [OutgoingMessage("no job")])
    (problem,) = await redriven(transport, store)
    assert problem.startswith("it carries no job")
    assert await visible(transport, "images-dlq") == 1


async def test_fifo_deduplication_does_not_swallow_a_redriven_job(transport, store):
    """The job was first sent within the five minutes of SQS's memory; the epoch makes it another message."""
    job = a_job(queue="orders.fifo", group="g1")
    await transport.send("orders.fifo", [message_of(job, encode(job))])
    (delivery,) = await transport.receive("orders.fifo", limit=1, wait=0, visibility=30)
    await transport.delete("orders.fifo", [delivery.receipt_handle])
    await failed_record(store, job)
    await transport.send("orders-dlq.fifo", [letter(job, annotation(job, queue="orders.fifo"))])
    assert await redriven(transport, store, source="orders.fifo") == [""]
    (back,) = await received(transport, "orders.fifo")
    assert back.delivery.group == "g1"


async def test_letters_of_a_shared_dead_letter_queue_go_home(transport, sqs, store):
    """The annotation says where a letter came from; only queues of the app are believed (S9)."""
    sqs.create_queue("other")
    jobs = [a_job(), a_job()]
    await transport.send("images-dlq", [letter(jobs[0], annotation(jobs[0], queue="other"))])
    await transport.send("images-dlq", [letter(jobs[1], annotation(jobs[1], queue="https://evil.example/q"))])
    assert await redriven(transport, store, queues={"images", "other"}) == ["", ""]
    assert [it.id for it in await received(transport, "other")] == [jobs[0].id]
    assert [it.id for it in await received(transport, "images")] == [jobs[1].id]


async def test_a_letter_that_sqs_refuses_is_given_back(transport, store):
    """A target without a group id: the letter is not deleted."""
    jobs = [a_job(), a_job()]
    await transport.send("images-dlq", [letter(jobs[0], annotation(jobs[0], queue="orders.fifo"))])
    await transport.send("images-dlq", [letter(jobs[1], annotation(jobs[1]))])
    assert sorted(bool(problem) for problem in await redriven(transport, store)) == [False, True]
    assert await visible(transport, "images-dlq") == 1


async def test_the_rate_is_a_cap(transport):
    """R24, S24: ten letters at 50 a second take a fifth of a second at least."""
    for _ in range(10):
        await transport.send("images-dlq", [letter(a_job(), None)])
    clock = asyncio.get_running_loop().time
    began = clock()
    assert await redriven(transport, None, rate=50.0) == [""] * 10
    assert clock() - began >= 0.2


async def test_a_job_without_an_id_of_its_own_keeps_the_one_it_got(transport, store):
    """The envelope of another language may have no id: the job has that of its first message, as the annotation says."""
    job = a_job()
    epoch = await failed_record(store, job)
    note = annotation(job, epoch=epoch)
    bare = OutgoingMessage('{"sqsjobs":1,"task":"resize"}', attributes={ANNOTATION: note.encode()})
    await transport.send("images-dlq", [bare])
    async with DeadLetters(transport, Place("images-dlq", "images"), wait=0) as place:
        (it,) = await read(place)
    assert it.id == job.id
    assert it in Choice(ids={job.id})
    assert await redriven(transport, store) == [""]
    (back,) = await received(transport, "images")
    assert f'"id":"{job.id}"' in back.delivery.body
    record = await store.get(job.id)
    assert record is not None
    assert record.status is JobStatus.QUEUED


async def test_an_annotation_whose_id_is_none_is_not_believed(transport):
    """S9: anybody may have written it."""
    note = Annotation("exhausted", "images", "w1", "", job_id="../x")
    bare = OutgoingMessage('{"sqsjobs":1,"task":"resize"}', attributes={ANNOTATION: note.encode()})
    await transport.send("images-dlq", [bare])
    async with DeadLetters(transport, Place("images-dlq", "images"), wait=0) as place:
        (it,) = await read(place)
    assert it.id == it.delivery.message_id


FAILS_AT_ONCE = '''
"""An app whose jobs are dead letters again as soon as they are sent."""

from sqsjobs import App
from sqsjobs.transport.memory import MemorySQS, MemoryTransport
from sqsjobs.transport.base import OutgoingMessage

sent = []


class Failing(MemoryTransport):
    def clone(self):
        return Failing(self.sqs)

    async def send(self, queue, messages):
        if queue == "images":
            sent.extend(messages)
            await super().send("images-dlq", messages)
        return await super().send(queue, messages)


sqs = MemorySQS()
sqs.create_queue("images", dead_letter_queue="images-dlq")
app = App("shop", transport=Failing(sqs), store=None)


@app.task(queue="images")
async def resize() -> None: ...


async def fill():
    async with MemoryTransport(sqs) as transport:
        await transport.send("images-dlq", [OutgoingMessage('{"sqsjobs":1,"task":"resize"}')] * 3)
'''


@pytest.mark.parametrize("limit", ["3", "40"])
def test_a_letter_that_fails_again_is_sent_once_a_command(tmp_path, monkeypatch, run_here, limit):
    """The copy is of the same job, whose id was the first message's id, and was not announced."""
    name = f"fails_at_once_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(FAILS_AT_ONCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module(name)
    asyncio.run(module.fill())
    ran = run_here("dlq", "redrive", f"{name}:app", "--all", "--yes", "--rate", "1000", "--limit", limit)
    assert ran.code == OK, ran.err
    assert "3 sent back" in ran.err
    assert len(module.sent) == 3


def test_redriving_a_letter_that_is_not_there_ends_with_3(run_here, shell):
    ran = run_here("dlq", "redrive", shell.app, "0199a1c2-7d1e-7b43-9a52-3a6f0d9c2b11", "--queue", "mails", "--yes")
    assert ran.code == NOT_YET
