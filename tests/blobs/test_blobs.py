"""What every place of blobs does, and what it never does."""

from __future__ import annotations

import asyncio
import os

import pytest
from tests.store.servers import moto_url

from sqsjobs import BlobsUnavailable, ConfigurationError, PayloadMismatch, PayloadMissing
from sqsjobs.blobs import Blob, FileBlobs, S3Blobs
from sqsjobs.blobs.base import LARGEST_BLOB, blob_of, read_checked
from sqsjobs.job import JobId, new_job_id

CONTENT = b'{"picture":"' + b"x" * 3_000_000 + b'"}'
JOB = JobId("0199a1c2-7d1e-7b43-9a52-3a6f0d9c2b11")


async def test_what_is_kept_is_read_as_it_was(blobs):
    """Of each kind, by each job, on any clone; keeping it again changes nothing."""
    other = new_job_id()
    blob = await blobs.put("arguments", JOB, CONTENT)
    assert blob == blob_of(CONTENT) == await blobs.put("arguments", JOB, CONTENT)
    await blobs.put("results", JOB, b"[]")
    await blobs.put("arguments", other, b"{}")
    async with blobs.clone() as clone:
        assert await read_checked(clone, "arguments", JOB, blob) == CONTENT
        assert await read_checked(clone, "results", JOB, blob_of(b"[]")) == b"[]"
        assert await read_checked(clone, "arguments", other, blob_of(b"{}")) == b"{}"


async def test_what_is_not_there_is_missing(blobs):
    blob = await blobs.put("arguments", JOB, b"{}")
    for kind, job, of in (
        ("results", JOB, blob),
        ("arguments", new_job_id(), blob),
        ("arguments", JOB, blob_of(b"[]")),
    ):
        with pytest.raises(PayloadMissing):
            await blobs.get(kind, job, of)


async def test_what_is_deleted_is_missing_and_may_be_deleted_again(blobs):
    blob = await blobs.put("arguments", JOB, b"{}")
    for _ in range(2):
        await blobs.delete("arguments", JOB, blob)
    with pytest.raises(PayloadMissing):
        await blobs.get("arguments", JOB, blob)


async def test_no_more_is_read_than_was_said(blobs):
    """S10: a megabyte where the message speaks of ten bytes is cut after the eleventh, and refused."""
    blob = await blobs.put("arguments", JOB, CONTENT)
    small = Blob(blob.sha256, 10)
    assert await blobs.get("arguments", JOB, small) == CONTENT[:11]
    with pytest.raises(PayloadMismatch):
        await read_checked(blobs, "arguments", JOB, small)


@pytest.mark.parametrize("size", [-1, LARGEST_BLOB + 1, 2**62])
async def test_a_size_that_no_blob_has_reads_nothing(blobs, size, monkeypatch):
    async def read(*_):
        pytest.fail("it was read")

    monkeypatch.setattr(blobs, "get", read)
    with pytest.raises(PayloadMismatch):
        await read_checked(blobs, "arguments", JOB, Blob("0" * 64, size))


HOSTILE = [
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/etc",
    "/etc/passwd/etc/passwd",
    "0199a1c2-7d1e-7b43\0-9a52",
    "other-bucket/0199a1c2-7d1e-7b43",
    "s3://other-bucket/0199a1c2",
    "arn:aws:s3:::other-bucket/key",
    "0199a1c2-7d1e-7b43\n",
    "\uff0e\uff0e/0199a1c2-7d1e-7b43",
    "short",
    "",
    "x" * 1_000_000,
]


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
async def test_nothing_outside_of_the_prefix_is_touched(blobs, hostile, monkeypatch):
    """S10: whatever stands where an id or a digest should, nothing is read, written or deleted anywhere."""
    touched: list[object] = []
    if isinstance(blobs, S3Blobs):
        for operation in ("get_object", "put_object", "delete_object"):
            monkeypatch.setattr(blobs._client, operation, lambda **given: touched.append(given))
    else:
        for operation in ("open", "unlink"):
            monkeypatch.setattr(os, operation, lambda *given, **_: touched.append(given))
    blob = blob_of(b"{}")
    for job, of in ((JobId(hostile), blob), (JOB, Blob(hostile, 2))):
        with pytest.raises(ValueError, match=r"no job id|no digest"):
            await blobs.get("arguments", job, of)
        with pytest.raises(ValueError, match=r"no job id|no digest"):
            await blobs.delete("arguments", job, of)
    with pytest.raises(ValueError, match="no job id"):
        await blobs.put("arguments", JobId(hostile), b"{}")
    assert touched == []


# Files ---------------------------------------------------------------------------------------------------


async def test_files_lie_where_they_are_said_to(directory):
    async with FileBlobs(directory) as blobs:
        blob = await blobs.put("arguments", JOB, b"{}")
    (file,) = (directory / "arguments").iterdir()
    assert file.name == f"{JOB}.{blob.sha256}"
    assert file.stat().st_mode & 0o077 == 0


async def test_a_link_in_the_place_of_a_file_is_not_followed(directory, tmp_path):
    """S10."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"{}")
    blob = blob_of(b"{}")
    async with FileBlobs(directory) as blobs:
        (directory / "arguments" / f"{JOB}.{blob.sha256}").symlink_to(secret)
        with pytest.raises(BlobsUnavailable):
            await blobs.get("arguments", JOB, blob)
        assert await blobs.put("arguments", JOB, b"{}") == blob
    assert secret.read_bytes() == b"{}"


async def test_a_file_is_never_half_there(directory):
    """A write that fails leaves nothing behind."""
    async with FileBlobs(directory) as blobs:
        await asyncio.gather(*(blobs.put("arguments", JOB, CONTENT) for _ in range(5)))
        assert len(list((directory / "arguments").iterdir())) == 1


async def test_a_directory_that_cannot_be_is_said(tmp_path):
    with pytest.raises(ConfigurationError, match="no blobs in"):
        async with FileBlobs(tmp_path / "no" / "such"):
            pass


# S3 ------------------------------------------------------------------------------------------------------


async def test_objects_lie_under_the_prefix(bucket):
    async with S3Blobs(bucket.name, prefix="shop/blobs/", endpoint_url=moto_url()) as blobs:
        blob = await blobs.put("arguments", JOB, b"{}")
        await blobs.put("results", JOB, b"{}")
    assert await bucket.keys() == [f"shop/blobs/{kind}/{JOB}.{blob.sha256}" for kind in ("arguments", "results")]


async def test_a_bucket_that_is_not_there_is_said():
    async with S3Blobs("no-such-bucket", endpoint_url=moto_url(), wait=5) as blobs:
        with pytest.raises(BlobsUnavailable, match="no-such-bucket"):
            await blobs.put("arguments", JOB, b"{}")


async def test_a_server_that_is_not_there_is_said():
    async with S3Blobs("bucket", endpoint_url="http://127.0.0.1:1", wait=0.5) as blobs:
        with pytest.raises(BlobsUnavailable):
            await blobs.get("arguments", JOB, blob_of(b"{}"))


async def test_what_is_throttled_is_asked_again(bucket, monkeypatch):
    async with S3Blobs(bucket.name, endpoint_url=moto_url()) as blobs:
        answers = iter(["SlowDown", "InternalError"])
        put_object = blobs._client.put_object

        async def throttled(**given):
            if code := next(answers, None):
                raise refusal(code)
            return await put_object(**given)

        monkeypatch.setattr(blobs._client, "put_object", throttled)
        blob = await blobs.put("arguments", JOB, b"{}")
        assert await blobs.get("arguments", JOB, blob) == b"{}"


@pytest.mark.parametrize("bucket_name", ["", "UPPER", "a", "bucket/key", "bucket\0", "arn:aws:s3:::x", "x" * 64])
def test_a_bucket_that_cannot_be_is_refused(bucket_name):
    with pytest.raises(ConfigurationError, match="no bucket"):
        S3Blobs(bucket_name)


@pytest.mark.parametrize("prefix", ["../", "a/../b/", "/", "a//", "a", "%2e%2e/", "a\0/", ".hidden/", "x" * 513 + "/"])
def test_a_prefix_that_cannot_be_is_refused(prefix):
    with pytest.raises(ConfigurationError, match="no prefix"):
        S3Blobs("bucket", prefix=prefix)


@pytest.mark.parametrize("over", [-1, 1_000_001])
def test_a_limit_that_cannot_be_is_refused(over):
    with pytest.raises(ConfigurationError, match="over"):
        FileBlobs("blobs", over=over)


def refusal(code):
    from botocore.exceptions import ClientError  # noqa: PLC0415 - slow to import

    status = 503 if code == "SlowDown" else 500
    said = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(said, "PutObject")
