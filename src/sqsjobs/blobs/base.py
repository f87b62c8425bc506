"""The port of blobs, and what is checked of every blob, wherever it is kept.

A message names no place. Where blobs are is configuration alone, and the name of each follows from the id of its
job and its digest, whose alphabets are closed. What is read is at most as large as the envelope said, and has the
digest it said.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final, Literal, Protocol, Self, TypeAlias

from sqsjobs.errors import ConfigurationError, PayloadMismatch
from sqsjobs.job import Blob, JobId, checked_job_id

__all__ = ["LARGEST_BLOB", "OVER", "Blob", "BlobKind", "Blobs", "blob_name", "blob_of", "check_over", "read_checked"]

OVER: Final = 262_144
"""Bytes above which arguments are kept as blobs, by default."""
LARGEST_BLOB: Final = 8 * 1_048_576
"""Bytes of the largest blob that is read: twice the largest envelope, because it may be encrypted."""

_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)

BlobKind: TypeAlias = Literal["arguments", "results"]
"""What a blob holds."""


class Blobs(Protocol):
    """Bytes by the kind of what they are and the job whose they are. An instance belongs to one event loop.

    Attributes:
        over: bytes above which arguments are kept here.
    """

    @property
    def over(self) -> int: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc_info: object) -> None: ...

    async def put(self, kind: BlobKind, job_id: JobId, content: bytes) -> Blob:
        """Keep `content`, and return what speaks of it; doing it again changes nothing.

        Raises:
            BlobsUnavailable: if that cannot be done now.
        """
        ...

    async def get(self, kind: BlobKind, job_id: JobId, blob: Blob) -> bytes:
        """Return what is kept under that name, or of what is larger than `blob` says the first bytes, one too many.

        Raises:
            PayloadMissing: if nothing is there.
            BlobsUnavailable: if it cannot be read now.
        """
        ...

    async def delete(self, kind: BlobKind, job_id: JobId, blob: Blob) -> None:
        """Keep it no longer, if it is there.

        Raises:
            BlobsUnavailable: if that cannot be done now.
        """
        ...

    def clone(self) -> Blobs:
        """Return unopened blobs of the same place, for another event loop."""
        ...


def blob_of(content: bytes) -> Blob:
    """Return what an envelope says of `content`."""
    return Blob(hashlib.sha256(content).hexdigest(), len(content))


def blob_name(kind: BlobKind, job_id: JobId, blob: Blob) -> str:
    """Return the name of a blob: ``kind/job id.digest``, of letters, digits, hyphens, underscores, one slash and one dot.

    The digest is part of it, so that a worker whose lease was lost writes over nobody's result.

    Raises:
        ValueError: if one of the parts is none.
    """
    if not _DIGEST.fullmatch(blob.sha256):
        raise ValueError(f"{blob.sha256[:80]!r} is no digest")
    return f"{kind}/{checked_job_id(job_id)}.{blob.sha256}"


async def read_checked(blobs: Blobs, kind: BlobKind, job_id: JobId, blob: Blob) -> bytes:
    """Return the content that `blob` speaks of.

    Raises:
        PayloadMissing: if nothing is there.
        PayloadMismatch: if it is something else, or larger than any may be; it is not read to its end.
        BlobsUnavailable: if it cannot be read now.
    """
    if not 0 <= blob.size <= LARGEST_BLOB:
        raise PayloadMismatch(f"blobs have at most {LARGEST_BLOB:,} bytes, and the message speaks of {blob.size:,}")
    content = await blobs.get(kind, job_id, blob)
    if blob_of(content) != blob:
        raise PayloadMismatch("what is kept is not what the message speaks of: size or digest differ")
    return content


def check_over(over: int) -> None:
    """Raise `ConfigurationError` if `over` is no size above which arguments can be kept as blobs."""
    if not 0 <= over <= 1_000_000:
        raise ConfigurationError(f"over is a number of bytes from 0 to 1,000,000 (messages have 1 MiB), not {over!r}")
