"""Arguments too large for a message: kept as a blob, run as any others, dropped when the job is done and deleted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace
from tests.canaries import canary_key
from tests.sealing.samples import NEW, OLD
from tests.worker.conftest import rig  # noqa: F401 - a fixture
from tests.worker.virtual import virtually

from sqsjobs import AesKey, Encryption, PayloadMissing, Retry
from sqsjobs import events as ev
from sqsjobs.blobs import FileBlobs
from sqsjobs.blobs.base import blob_of
from sqsjobs.envelope import encode
from sqsjobs.job import Blob, JobStatus
from sqsjobs.outcome import BlobsDown
from sqsjobs.sealing import Sealing, Signing
from sqsjobs.store.base import ClaimRequest, RecordChange

LARGE = "x" * 2_000_000
KEY = AesKey("2026-11", canary_key("BLOBS"))


@pytest.fixture
async def blobs(directory):
    async with FileBlobs(directory, over=1000) as blobs:
        yield blobs


def kept(directory):
    return sorted(path.name for path in (directory / "arguments").iterdir())


async def sent(rig, layers, of, **fields):  # noqa: F811
    job = rig.job(of, **fields)
    await rig.send_body(await layers.seal(job), queue=job.queue)
    return job


@pytest.mark.parametrize(
    "layers",
    [{}, {"signing": Signing([NEW])}, {"encryption": Encryption([KEY])}, {"compress_over": 1000}],
    ids=["plain", "signed", "encrypted", "compressed"],
)
async def test_large_arguments_run_and_their_blob_goes_with_the_message(rig, blobs, directory, layers):  # noqa: F811
    """R65: never before the message is deleted."""
    sealing = Sealing(**layers, blobs=blobs)
    gone: list[object] = []
    delete = blobs.delete

    async def watched(*name):
        gone.append(rig.messages())
        await delete(*name)

    blobs.delete = watched

    @rig.task()
    async def measure(text: str) -> int:
        return len(text)

    job = await sent(rig, sealing, measure, text=LARGE)
    assert len(rig.messages()[0].body) < 2000
    (name,) = kept(directory)
    assert name.startswith(job.id)
    if "encryption" in layers:
        assert b"x" * 20 not in (directory / "arguments" / name).read_bytes()
    await rig.drain(sealing=sealing)
    assert (await rig.record(job.id)).result == b"2000000"
    assert kept(directory) == []
    assert gone == [[]]


async def test_small_arguments_travel_in_the_message(rig, blobs, directory):  # noqa: F811
    @rig.task()
    async def measure(text: str) -> int:
        return len(text)

    job = await sent(rig, Sealing(blobs=blobs), measure, text="x" * 900)
    assert kept(directory) == []
    await rig.drain(sealing=Sealing(blobs=blobs))
    assert (await rig.record(job.id)).result == b"900"


async def test_the_blob_of_a_job_that_failed_is_there_for_its_second_chance(rig, blobs, directory):  # noqa: F811
    """A retry needs it, and so does the dead letter that is sent back."""
    sealing, runs = Sealing(blobs=blobs), []

    @rig.task(retry=Retry(max_attempts=1))
    async def fail_once(text: str) -> int:
        runs.append(len(text))
        if len(runs) == 1:
            raise ValueError(text[:10])
        return len(text)

    job = await sent(rig, sealing, fail_once, text=LARGE)
    await rig.drain(sealing=sealing)
    assert len(kept(directory)) == 1
    ((letter, annotation),) = rig.dead_letters()
    assert annotation.reason == "exhausted"
    await rig.send_body(letter.body, sqsjobs=annotation.encode())
    await rig.drain(sealing=sealing)
    assert (await rig.record(job.id)).status is JobStatus.SUCCEEDED
    assert kept(directory) == []


async def test_what_is_sent_on_stays_in_its_message(rig, blobs):  # noqa: F811
    """What came without a blob is sent anew, or told of, by those who may keep none."""
    sealing = Sealing(signing=Signing([NEW]), blobs=blobs)
    job = rig.job("measure", text="x" * 2000)
    blobs.put = None
    opened = await sealing.open(await sealing.seal_inline(job), queue="work", message_id=job.id)
    assert (opened.blob, opened.arguments) == (None, job.arguments)


async def test_a_job_that_is_sealed_anew_keeps_its_blob(rig, blobs, directory):  # noqa: F811
    """What is sent again is the small message; nothing large is read or written for it."""
    sealing = Sealing(signing=Signing([NEW]), blobs=blobs)
    job = rig.job("measure", text=LARGE)
    opened = await sealing.open(await sealing.seal(job), queue="work", message_id=job.id)
    again = replace(opened, epoch=1)
    blobs.put = blobs.get = None
    body = await sealing.seal(again)
    assert (await sealing.open(body, queue="work", message_id=job.id)).blob == opened.blob
    assert await sealing.seal(replace(await Sealing(blobs=FileBlobs(directory)).completed(opened), epoch=1))


class GoneBlobs:
    """Blobs that are gone as soon as they are kept."""

    over = 1000

    async def put(self, kind, job_id, content):
        return blob_of(content)

    async def get(self, kind, job_id, blob):
        raise PayloadMissing("it is gone")


GONE: Any = GoneBlobs()


@virtually
async def test_arguments_that_are_gone_are_looked_for_three_times(rig):  # noqa: F811
    """R65: then the message is dead-lettered with the reason, the job failed, and no attempt of it counted."""
    sealing = Sealing(blobs=GONE)

    @rig.task()
    async def measure(text: str) -> int:
        return len(text)

    job = await sent(rig, sealing, measure, text=LARGE)
    async with rig.working(sealing=sealing):
        letter = await rig.events.wait(ev.DeadLettered, within=300.0)
        await rig.events.wait(ev.JobSettled, lambda event: event.disposition == "deadletter")
    assert letter.reason == "payload-missing"
    assert rig.events.count(ev.JobSettled, lambda event: isinstance(event.outcome, BlobsDown)) == 2
    assert rig.events.count(ev.JobStarted) == 0
    record = await rig.record(job.id)
    assert (record.status, record.attempts, record.dead_lettered) == (JobStatus.FAILED, 0, True)


@virtually
async def test_a_second_delivery_of_a_job_that_is_done_is_deleted_though_its_arguments_are_gone(rig):  # noqa: F811
    """R25, R65: the record says that it succeeded, so nothing is missing."""
    sealing = Sealing(blobs=GONE)

    @rig.task()
    async def measure(text: str) -> int:
        return len(text)

    job = await sent(rig, sealing, measure, text=LARGE)
    claim = await rig.store.claim(
        ClaimRequest(job.id, "measure", "work", 0.0, "w0", rig.clock.wall(), rig.clock.wall() + 1)
    )
    await rig.store.change(job.id, claim.epoch, RecordChange(JobStatus.SUCCEEDED, rig.clock.wall(), result=b"7"))
    async with rig.working(sealing=sealing):
        await rig.events.wait(ev.JobSettled, lambda event: event.disposition == "delete", within=300.0)
    assert list(rig.dead_letters()) == []
    assert (await rig.record(job.id)).result == b"7"


async def test_a_worker_without_blobs_keeps_the_message(rig, blobs):  # noqa: F811
    """A worker that was deployed before the others got theirs: nothing is lost, and nothing dead-lettered."""

    @rig.task()
    async def measure(text: str) -> int:
        return len(text)

    await sent(rig, Sealing(blobs=blobs), measure, text=LARGE)
    async with rig.working():
        settled = await rig.events.wait(ev.JobSettled)
    assert isinstance(settled.outcome, BlobsDown)
    assert "blobs=" in settled.outcome.problem
    assert len(rig.messages()) == 1


@pytest.mark.parametrize("wrong", ["content", "size", "digest", "job"])
async def test_arguments_that_are_not_those_of_the_message_are_poison(rig, blobs, directory, wrong):  # noqa: F811
    """S10: what lies there under the name, a size or digest that somebody changed, another job's arguments."""
    sealing = Sealing(blobs=blobs)

    @rig.task()
    async def measure(text: str) -> int:
        return len(text)

    job, other = rig.job(measure, text=LARGE), rig.job(measure, text=LARGE + "x")
    body = json.loads(await sealing.seal(job))
    file = directory / "arguments" / kept(directory)[0]
    if wrong == "content":
        file.write_bytes(file.read_bytes().replace(b"x", b"y", 1))
    elif wrong == "size":
        body["blob"]["size"] -= 1
    elif wrong == "digest":
        body["blob"]["sha256"] = "0" * 64
        file.rename(file.with_name(f"{job.id}.{'0' * 64}"))
    else:
        content = encode(other).encode()
        blob = await blobs.put("arguments", job.id, content)
        body["blob"] = {"sha256": blob.sha256, "size": blob.size}
    await rig.send_body(json.dumps(body))
    await rig.drain(sealing=sealing)
    assert rig.dead_letter().reason == "payload-mismatch"
    assert rig.events.count(ev.JobStarted) == 0


async def test_a_blob_that_somebody_else_wrote_is_not_run(rig, blobs):  # noqa: F811
    """S3, S10: who may write to the bucket and to the queue cannot forge a job, for both are signed."""
    sealing, forger = Sealing(signing=Signing([NEW]), blobs=blobs), Sealing(signing=Signing([OLD]), blobs=blobs)

    @rig.task()
    async def measure(text: str) -> int:
        return len(text)

    forged = rig.job(measure, text=LARGE)
    content = (await forger.seal_inline(forged)).encode()
    blob = await blobs.put("arguments", forged.id, content)
    await rig.send_body(await sealing.seal(replace(forged, blob=blob)))
    await rig.send_body(encode(replace(forged, blob=blob)))
    await rig.drain(sealing=sealing)
    assert sorted(annotation.reason for _, annotation in rig.dead_letters()) == ["unknown-key", "unsigned"]


@pytest.mark.parametrize(
    "blob",
    [
        {"sha256": "../../../etc/passwd", "size": 1},
        {"sha256": "0" * 64, "size": -1},
        {"sha256": "A" * 64, "size": 1},
        7,
    ],
)
async def test_a_blob_that_cannot_be_makes_no_envelope(rig, blobs, blob):  # noqa: F811
    """S10."""
    body = {"sqsjobs": 1, "task": "measure", "blob": blob}
    await rig.send_body(json.dumps(body))
    await rig.drain(sealing=Sealing(blobs=blobs))
    assert rig.dead_letter().reason == "invalid-envelope"


def test_an_envelope_with_a_blob_has_no_arguments(rig):  # noqa: F811
    job = replace(rig.job("measure", text=LARGE), blob=Blob("0" * 64, 5))
    assert len(encode(job)) < 400
