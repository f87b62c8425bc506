"""The places of blobs that the suite runs against, and what a test may look at from outside."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.store.servers import moto_url

from sqsjobs.blobs import FileBlobs, S3Blobs
from sqsjobs.transport.address import SqsEndpoint
from sqsjobs.transport.aws_clients import open_client


class Bucket:
    """A bucket of moto's, made when it is opened."""

    def __init__(self) -> None:
        self.name = f"bucket-{secrets.token_hex(4)}"
        self.client: Any = None

    async def __aenter__(self):
        self._opening = open_client("s3", SqsEndpoint(endpoint_url=moto_url()), connections=5, timeout=20)
        self.client = await self._opening.__aenter__()
        await self.client.create_bucket(Bucket=self.name)
        return self

    async def __aexit__(self, *exc_info):
        await self._opening.__aexit__(*exc_info)

    async def keys(self) -> list[str]:
        return [it["Key"] for it in (await self.client.list_objects_v2(Bucket=self.name)).get("Contents", ())]


@pytest.fixture
async def bucket():
    async with Bucket() as bucket:
        yield bucket


@pytest.fixture
def directory(tmp_path) -> Iterator[Path]:
    return tmp_path / "blobs"


@pytest.fixture(params=["files", "s3"])
def unopened(request, directory):
    if request.param == "files":
        return FileBlobs(directory, over=100)
    bucket = Bucket()

    async def make() -> None:
        async with bucket:
            pass

    with asyncio.Runner() as runner:
        runner.run(make())
    return S3Blobs(bucket.name, prefix="shop/", over=100, endpoint_url=moto_url())


@pytest.fixture
async def blobs(unopened):
    async with unopened:
        yield unopened
