"""Blobs as objects of one S3 bucket, under one prefix."""

from __future__ import annotations

import asyncio
import io
import random
import re
from base64 import b64encode
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Final, Self, TypeVar  # Any: botocore has no types

from sqsjobs.blobs.base import OVER, Blob, BlobKind, blob_name, blob_of, check_over
from sqsjobs.errors import BlobsUnavailable, ConfigurationError, PayloadMissing
from sqsjobs.job import JobId
from sqsjobs.transport.address import SqsEndpoint

__all__ = ["S3Blobs"]

T = TypeVar("T")

_CONNECTIONS: Final = 20
_PAUSE: Final = 0.1
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_PREFIX: Final = re.compile(r"([A-Za-z0-9_=-][A-Za-z0-9._=-]*/)*", re.ASCII)


class S3Blobs:
    """Blobs in objects ``prefix + arguments/<job id>.<digest>`` and ``prefix + results/…``.

    Args:
        bucket: its name; messages never say one.
        prefix: of every key: names of letters, digits and ``. _ = -``, each with a slash behind it.
        over: bytes above which arguments are kept here; 0 for all.
        region: of the bucket; None for what AWS_REGION or the profile says.
        endpoint_url: of another server than AWS's (or set AWS_ENDPOINT_URL_S3).
        wait: seconds after which a request that got no good answer, however often it was repeated, fails.

    Attributes:
        bucket, prefix: as they were given.

    Raises:
        ConfigurationError: if one of these cannot be.
    """

    def __init__(
        self,
        bucket: str,
        *,
        prefix: str = "sqsjobs/",
        over: int = OVER,
        region: str | None = None,
        endpoint_url: str | None = None,
        wait: float = 20.0,
    ) -> None:
        check_over(over)
        if not _BUCKET.fullmatch(bucket):
            raise ConfigurationError(f"{bucket[:80]!r} is no bucket: 3 to 63 of a-z 0-9 . -")
        if not _PREFIX.fullmatch(prefix) or len(prefix) > 512:
            raise ConfigurationError(
                f"{prefix[:80]!r} is no prefix: names of A-Z a-z 0-9 . _ = - that begin with no dot, each with a slash behind it"
            )
        self.over = over
        self.bucket: str = bucket
        self.prefix: str = prefix
        self._endpoint = SqsEndpoint(region=region, endpoint_url=endpoint_url)
        self._wait = wait
        self._closing = AsyncExitStack()

    def __repr__(self) -> str:
        return f"<S3Blobs {self.bucket}/{self.prefix}>"

    async def __aenter__(self) -> Self:
        from sqsjobs.transport import aws_clients  # noqa: PLC0415 - aioboto3 takes most of a second

        self._failures, self._code = aws_clients.FAILURES, aws_clients.error_code
        async with AsyncExitStack() as opening:
            self._client = await opening.enter_async_context(
                aws_clients.open_client("s3", self._endpoint, connections=_CONNECTIONS, timeout=self._wait)
            )
            self._closing = opening.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._closing.aclose()

    async def put(self, kind: BlobKind, job_id: JobId, content: bytes) -> Blob:
        blob = blob_of(content)
        key = self._key(kind, job_id, blob)

        async def attempt() -> None:
            # A stream, because aiohttp warns of bytes as large as these.
            await self._client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=io.BytesIO(content),
                ContentLength=len(content),
                ContentType="application/json",
                ChecksumSHA256=b64encode(bytes.fromhex(blob.sha256)).decode(),
            )

        await self._tried(attempt, kind, job_id)
        return blob

    async def get(self, kind: BlobKind, job_id: JobId, blob: Blob) -> bytes:
        key = self._key(kind, job_id, blob)

        async def attempt() -> bytes:
            answer = await self._client.get_object(Bucket=self.bucket, Key=key)
            try:
                return await _first(answer["Body"], blob.size + 1)
            finally:
                answer["Body"].close()  # what was not read is not waited for

        return await self._tried(attempt, kind, job_id)

    async def delete(self, kind: BlobKind, job_id: JobId, blob: Blob) -> None:
        key = self._key(kind, job_id, blob)

        async def attempt() -> None:
            await self._client.delete_object(Bucket=self.bucket, Key=key)

        await self._tried(attempt, kind, job_id)

    def clone(self) -> S3Blobs:
        return S3Blobs(
            self.bucket,
            prefix=self.prefix,
            over=self.over,
            region=self._endpoint.region,
            endpoint_url=self._endpoint.endpoint_url,
            wait=self._wait,
        )

    def _key(self, kind: BlobKind, job_id: JobId, blob: Blob) -> str:
        return self.prefix + blob_name(kind, job_id, blob)

    async def _tried(self, attempt: Callable[[], Awaitable[T]], kind: BlobKind, job_id: JobId) -> T:
        """Make a request, again where it was throttled or got no answer."""
        pause, deadline = _PAUSE, asyncio.get_running_loop().time() + self._wait
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    return await attempt()
            except self._failures as error:
                code, status = self._code(error)
                if code in {"NoSuchKey", "404"}:
                    raise PayloadMissing(f"there is no blob of the {kind} of job {job_id}") from None
                late = asyncio.get_running_loop().time() + pause > deadline
                if late or (code and status < 500 and code not in {"SlowDown", "RequestTimeout"}):
                    raise BlobsUnavailable(
                        f"the {kind} of job {job_id} cannot be kept in or read from bucket {self.bucket}: "
                        f"{error or 'no answer in time'}"
                    ) from error
            await asyncio.sleep(random.uniform(0, pause))
            pause *= 2


async def _first(body: Any, most: int) -> bytes:
    parts, left = [], most
    while left > 0 and (part := await body.read(min(left, 262_144))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
