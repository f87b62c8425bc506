"""Places for blobs that are named by a URL: in the program, in the environment, on the command line."""

from __future__ import annotations

import pytest

from sqsjobs import App, ConfigurationError, MemorySQS, MemoryTransport, PayloadTooLarge, SqsJobsError
from sqsjobs.blobs import FileBlobs, S3Blobs
from sqsjobs.blobs.base import OVER
from sqsjobs.blobs.opening import open_blobs
from sqsjobs.cli.job import opened_later
from sqsjobs.cli.options import Backends
from sqsjobs.store.memory import MemoryStore
from sqsjobs.store.spilling import SpillingStore
from sqsjobs.testing import MemoryApp

LARGE = "x" * 2_000_000


@pytest.mark.parametrize(
    ("url", "shown", "over"),
    [
        ("s3://shop-jobs", "<S3Blobs shop-jobs/sqsjobs/>", OVER),
        ("s3://shop-jobs/", "<S3Blobs shop-jobs/sqsjobs/>", OVER),
        ("s3://shop-jobs/large/ones", "<S3Blobs shop-jobs/large/ones/>", OVER),
        ("s3://shop-jobs/large/?over=1000", "<S3Blobs shop-jobs/large/>", 1000),
        ("file:///var/lib/blobs", "<FileBlobs /var/lib/blobs>", OVER),
        ("file:///var/my%20blobs?over=0", "<FileBlobs /var/my blobs>", 0),
    ],
)
def test_a_url_names_a_place(url, shown, over):
    blobs = open_blobs(url)
    assert isinstance(blobs, S3Blobs | FileBlobs)
    assert (repr(blobs), blobs.over) == (shown, over)


@pytest.mark.parametrize(
    ("url", "region", "endpoint_url"),
    [
        ("s3://shop-jobs", "eu-west-1", None),
        ("s3://shop-jobs?region=us-east-2", "us-east-2", None),
        ("s3://shop-jobs?endpoint_url=http://127.0.0.1:9000", "eu-west-1", "http://127.0.0.1:9000"),
    ],
)
def test_a_bucket_is_in_the_region_of_the_queues_if_its_url_says_no_other(url, region, endpoint_url):
    blobs = open_blobs(url, region="eu-west-1")
    assert isinstance(blobs, S3Blobs)
    assert (blobs._endpoint.region, blobs._endpoint.endpoint_url) == (region, endpoint_url)


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("gs://bucket", "known as 'gs': it is s3://bucket/prefix or file:///absolute/path"),
        ("shop-jobs", "no place for blobs"),
        ("s3://", "is no bucket"),
        ("s3://Shop_Jobs", "is no bucket"),
        ("s3://shop-jobs/../other", "is no prefix"),
        ("s3://shop-jobs/a//b", "is no prefix"),
        ("s3://shop-jobs?prefix=a", "no option 'prefix' there; it has endpoint_url, over, region"),
        ("s3://shop-jobs?over=many", "number of bytes, not 'many'"),
        ("s3://shop-jobs?over=-1", "number of bytes, not '-1'"),
        ("s3://shop-jobs?over=2000000", "from 0 to 1,000,000"),
        ("file://blobs", "an absolute path"),
        ("file:///", "an absolute path"),
        ("file:///blobs?region=eu-west-1", "no option 'region' there; it has over"),
    ],
)
def test_a_url_that_names_no_place_says_what_one_looks_like(url, hint):
    with pytest.raises(ConfigurationError, match=hint.replace("?", r"\?")):
        open_blobs(url)


@pytest.mark.parametrize("url", ["s3://AKIAKEY:hunter2@shop-jobs/a", "https://user:hunter2@host"])
def test_no_error_repeats_a_password(url):
    """S13."""
    with pytest.raises(ConfigurationError) as refused:
        open_blobs(url)
    assert "hunter2" not in str(refused.value)


@pytest.fixture
def sqs():
    return MemorySQS()


def app_with(sqs, **options):
    app = App("shop", transport=MemoryTransport(sqs, create_missing=True), store=MemoryStore(), **options)

    @app.task(queue="work")
    async def read(text: str) -> None: ...

    return app, read


async def test_large_arguments_go_where_the_environment_says(sqs, directory, monkeypatch):
    """And results: the job store spills there, too."""
    monkeypatch.setenv("SQSJOBS_BLOBS", f"file://{directory}")
    app, read = app_with(sqs)
    async with app:
        await read.enqueue(LARGE)
        assert isinstance(app.store, SpillingStore)
    assert len(list((directory / "arguments").iterdir())) == 1


@pytest.mark.parametrize("said", ["program", "command line"])
async def test_what_is_said_nearer_goes_before_the_environment(sqs, directory, tmp_path, monkeypatch, said):
    monkeypatch.setenv("SQSJOBS_BLOBS", f"file://{tmp_path}/elsewhere")
    app, read = app_with(sqs, **({"blobs": f"file://{directory}"} if said == "program" else {}))
    if said == "command line":
        app.configure(blobs=f"file://{directory}")
    async with app:
        await read.enqueue(LARGE)
    assert len(list((directory / "arguments").iterdir())) == 1
    assert not (tmp_path / "elsewhere").exists()


async def test_none_is_none_whatever_the_environment_says(sqs, directory, monkeypatch):
    monkeypatch.setenv("SQSJOBS_BLOBS", f"file://{directory}")
    app, read = app_with(sqs, blobs=None)
    async with app:
        with pytest.raises(PayloadTooLarge):
            await read.enqueue(LARGE)
    assert not directory.exists()


async def test_an_app_in_a_test_keeps_its_hands_off(sqs, directory, monkeypatch):
    monkeypatch.setenv("SQSJOBS_BLOBS", f"file://{directory}")
    app, read = app_with(sqs)
    async with MemoryApp(app):
        with pytest.raises(SqsJobsError):
            await read.enqueue(LARGE)
    assert not directory.exists()


def test_a_setting_that_cannot_be_is_said_when_the_app_is_opened(sqs, monkeypatch):
    monkeypatch.setenv("SQSJOBS_BLOBS", "blobs")
    app, _ = app_with(sqs)
    with pytest.raises(ConfigurationError, match="no place for blobs"):
        app.unopened_store()


def test_a_command_without_an_app_reads_results_there_too(directory, tmp_path):
    app = opened_later("", Backends(store=f"sqlite:///{tmp_path}/jobs.db", blobs=f"file://{directory}"))
    assert repr(app.unopened_store()) == f"<SqliteStore {tmp_path}/jobs.db> with <FileBlobs {directory}>"
