"""Blobs as files of one directory: for one machine, for development and tests."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self, TypeVar

from sqsjobs.blobs.base import OVER, Blob, BlobKind, blob_name, blob_of, check_over
from sqsjobs.errors import BlobsUnavailable, ConfigurationError, PayloadMissing
from sqsjobs.job import JobId

__all__ = ["FileBlobs"]

T = TypeVar("T")

_NO_LINKS: Final = getattr(os, "O_NOFOLLOW", 0)


class FileBlobs:
    """Blobs in files ``directory/arguments/<job id>.<digest>`` and ``directory/results/…``.

    Args:
        directory: made when it is opened, if only its last part is missing.
        over: bytes above which arguments are kept here; 0 for all.

    Raises:
        ConfigurationError: if `over` cannot be; when it is opened, if there can be no such directory.
    """

    def __init__(self, directory: str | os.PathLike[str], *, over: int = OVER) -> None:
        check_over(over)
        self._directory = Path(directory).absolute()
        self.over = over

    def __repr__(self) -> str:
        return f"<FileBlobs {self._directory}>"

    async def __aenter__(self) -> Self:
        try:
            for folder in (self._directory, self._directory / "arguments", self._directory / "results"):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"there can be no blobs in {self._directory}: {error}") from error
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        return

    async def put(self, kind: BlobKind, job_id: JobId, content: bytes) -> Blob:
        blob = blob_of(content)
        await self._done(_write, (kind, job_id, blob), content)
        return blob

    async def get(self, kind: BlobKind, job_id: JobId, blob: Blob) -> bytes:
        return await self._done(_read, (kind, job_id, blob), blob.size + 1)

    async def delete(self, kind: BlobKind, job_id: JobId, blob: Blob) -> None:
        await self._done(_delete, (kind, job_id, blob))

    def clone(self) -> FileBlobs:
        return FileBlobs(self._directory, over=self.over)

    async def _done(self, step: Callable[..., T], name: tuple[BlobKind, JobId, Blob], *values: object) -> T:
        """Do a step on the blob's file in a thread."""
        kind, job_id, _ = name
        path = self._directory / blob_name(*name)
        try:
            return await asyncio.to_thread(step, path, *values)
        except FileNotFoundError:
            raise PayloadMissing(f"there is no blob of the {kind} of job {job_id}") from None
        except OSError as error:
            raise BlobsUnavailable(f"the {kind} of job {job_id} cannot be kept or read: {error}") from error


def _write(path: Path, content: bytes) -> None:
    """Write a file of another name first: who reads meanwhile finds the whole of one or the other."""
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINKS, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def _read(path: Path, most: int) -> bytes:
    with os.fdopen(os.open(path, os.O_RDONLY | _NO_LINKS), "rb") as file:
        return file.read(most)


def _delete(path: Path) -> None:
    path.unlink(missing_ok=True)
