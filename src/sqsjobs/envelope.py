"""The job on the wire: a JSON object in the message body alone, that any language can write.

The smallest one is ``{"sqsjobs": 1, "task": "name", "args": {}}``; `docs/envelope.schema.json` describes it.
Unknown fields are ignored; a larger number in ``sqsjobs`` is a newer major version.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec

from sqsjobs import limits
from sqsjobs.errors import EnvelopeOverLimit, InvalidEnvelope, UnsupportedVersion
from sqsjobs.job import NO_HEADERS, Blob, Job, checked_job_id

__all__ = ["MAX_ENVELOPE_BYTES", "VERSION", "decode", "encode", "version_of", "without_noncharacters"]

VERSION: Final = 1
"""The major version that is written, and the newest that is read."""

MAX_ENVELOPE_BYTES: Final = 1_048_576 - 4096
"""The largest envelope: what SQS takes, less the room for a dead letter's annotation."""

_NO_ARGUMENTS = msgspec.Raw(b"{}")


_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
_Date: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=253_402_300_799)]
"""Seconds since 1970, to the end of the year 9999: what every job store and every calendar can hold."""

_Url: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=2048)]
"""Where it may lead is not the envelope's business."""


class _Blob(msgspec.Struct):
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    size: _Count


class _Envelope(msgspec.Struct, omit_defaults=True):
    sqsjobs: int
    task: str
    id: str = ""
    args: msgspec.Raw = _NO_ARGUMENTS
    headers: dict[str, str] = {}
    enqueued_at: _Date = 0.0
    epoch: _Count = 0
    attempts: _Count = 0
    not_before: _Date | None = None
    blob: _Blob | None = None
    callback: _Url | None = None


class _Version(msgspec.Struct):
    sqsjobs: int


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Envelope)
_version_decoder = msgspec.json.Decoder(_Version)


def encode(job: Job) -> str:
    """Return the message body of `job`; its queue and group travel beside it."""
    body = _encoder.encode(
        _Envelope(
            sqsjobs=VERSION,
            task=job.task,
            id=job.id,
            args=_NO_ARGUMENTS if job.blob else msgspec.Raw(job.arguments),
            headers=dict(job.headers),
            enqueued_at=job.enqueued_at,
            epoch=job.epoch,
            attempts=job.attempts,
            not_before=job.not_before,
            blob=_Blob(job.blob.sha256, job.blob.size) if job.blob else None,
            callback=job.callback,
        )
    )
    return without_noncharacters(body.decode())


def without_noncharacters(json_text: str) -> str:
    r"""Write U+FFFE and U+FFFF, which SQS refuses (XML 1.0), as ``\ufffe`` and ``\uffff`` in a JSON text.

    They can stand in its strings alone, and control characters are escaped by JSON itself.
    """
    if json_text.isascii():
        return json_text
    return json_text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def decode(body: str, *, queue: str, message_id: str, group: str | None = None, sent_at: float = 0.0) -> Job:
    """Return the job that a message body holds. An envelope without an id takes the message's.

    Raises:
        EnvelopeOverLimit: if it is larger, deeper or of more parts than any may be; it is not parsed.
        InvalidEnvelope: if the body is no envelope; it never will be.
        UnsupportedVersion: if it is one of a newer major version.
    """
    limits.check_text(body)
    try:
        raw = body.encode()
        envelope = _decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as problem:
        _refuse_newer(body)
        raise InvalidEnvelope(_explained(problem)) from None
    if envelope.sqsjobs != VERSION:
        if envelope.sqsjobs > VERSION:
            raise UnsupportedVersion(envelope.sqsjobs, VERSION)
        raise InvalidEnvelope(f"there is no envelope version {envelope.sqsjobs}")
    arguments = bytes(envelope.args)
    if not arguments.startswith(b"{"):
        raise InvalidEnvelope("'args' is not a JSON object: arguments travel by name")
    if not 0 < len(envelope.task) <= limits.MAX_TASK_CHARACTERS or not envelope.task.isprintable():
        raise InvalidEnvelope(f"'task' is 1 to {limits.MAX_TASK_CHARACTERS} printable characters")
    if len(envelope.headers) > limits.MAX_HEADERS:
        raise EnvelopeOverLimit("headers", limits.MAX_HEADERS)
    try:
        job_id = checked_job_id(envelope.id or message_id)
    except ValueError as problem:
        raise InvalidEnvelope(str(problem)) from None
    return Job(
        id=job_id,
        task=envelope.task,
        queue=queue,
        arguments=arguments,
        headers=envelope.headers or NO_HEADERS,
        enqueued_at=envelope.enqueued_at or sent_at,
        group=group,
        epoch=envelope.epoch,
        attempts=envelope.attempts,
        not_before=envelope.not_before,
        blob=Blob(envelope.blob.sha256, envelope.blob.size) if envelope.blob else None,
        callback=envelope.callback,
    )


def version_of(body: str) -> int | None:
    """Return the major version that a message body says it has, or None if it says none."""
    try:
        return _version_decoder.decode(body).sqsjobs
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None


def _refuse_newer(body: str) -> None:
    version = version_of(body)
    if version is not None and version > VERSION:
        raise UnsupportedVersion(version, VERSION)


def _explained(problem: Exception) -> str:
    if isinstance(problem, msgspec.ValidationError):
        return f"not an sqsjobs envelope: {problem}"
    if isinstance(problem, RecursionError):
        return "the JSON is nested too deeply"
    return f"not JSON: {problem}"
