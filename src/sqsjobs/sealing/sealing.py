"""Sealing: from job to message body and back, through the layers that the app has chosen.

    job ─▶ envelope ─▶ compressed ─▶ encrypted ─▶ signed ─▶ body

Opening goes the other way, and each step before anything is made of what it protects: the signature is verified before
a key service is asked and anything decrypted, what is decrypted is authentic before it is inflated, and only what came through
is parsed as an envelope. Without layers a body is the envelope itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, NamedTuple, Self

import msgspec

from sqsjobs import envelope
from sqsjobs.blobs.base import Blobs, read_checked
from sqsjobs.clock import Clock, SystemClock
from sqsjobs.errors import (
    BlobsUnavailable,
    ConfigurationError,
    EnqueueRejected,
    EnvelopeOverLimit,
    InvalidEnvelope,
    PayloadMismatch,
    UnsupportedVersion,
    UntrustedEnvelope,
)
from sqsjobs.job import Job
from sqsjobs.limits import check_text
from sqsjobs.sealing import compression
from sqsjobs.sealing.encryption import Encryption
from sqsjobs.sealing.message_key import MessageKey
from sqsjobs.sealing.sealed import SEALED, Encrypted, Header, Sealed, bound_bytes, from_base64, to_base64
from sqsjobs.sealing.signing import Signing

__all__ = ["Sealing", "queue_identity"]

_UNSIGNED_VALID_FOR: Final = 15 * 86_400.0


@dataclass(frozen=True, slots=True)
class Sealing:
    """The layers around envelopes; none by default. Entered where a key service is asked: see `clone`.

    Attributes:
        signing: the keys of signatures, or None.
        encryption: the keys of encryption, or None.
        compress_over: bytes of an envelope above which it is compressed; None for never.
        queue_prefix: what queue names have before them at SQS.
        environment: bound into what is sealed, and wanted of what is opened.
        blobs: where arguments are kept that are too large for a message, or None.
        clock: dates what is sealed.
    """

    signing: Signing | None = None
    encryption: Encryption | None = None
    compress_over: int | None = None
    queue_prefix: str = ""
    environment: str = ""
    blobs: Blobs | None = None
    clock: Clock = SystemClock()  # noqa: RUF009 - stateless

    def __post_init__(self) -> None:
        if self.compress_over is not None and self.compress_over < 0:
            raise ConfigurationError(f"compress_over is a number of bytes from 0 up, not {self.compress_over!r}")

    def clone(self) -> Sealing:
        """Return unopened layers for an event loop of their own."""
        if not (self.encryption or self.blobs):
            return self
        return replace(
            self,
            encryption=self.encryption.clone() if self.encryption else None,
            blobs=self.blobs.clone() if self.blobs else None,
        )

    async def __aenter__(self) -> Self:
        if self.encryption:
            await self.encryption.__aenter__()
        try:
            if self.blobs:
                await self.blobs.__aenter__()
        except BaseException:
            if self.encryption:
                await self.encryption.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        try:
            if self.blobs:
                await self.blobs.__aexit__(*exc_info)
        finally:
            if self.encryption:
                await self.encryption.__aexit__(*exc_info)

    @property
    def can_seal(self) -> bool:
        """Whether the keys that are here suffice to send: a public key verifies, and does not sign."""
        return self.signing is None or self.signing.signer is not None

    @property
    def is_immediate(self) -> bool:
        """Whether sealing waits for nothing: no key service, and no blobs."""
        return self.encryption is None and self.blobs is None

    @property
    def problem(self) -> str:
        """Why a key service did not answer the last time, or empty."""
        return self.encryption.problem if self.encryption else ""

    # Sealing

    async def seal(self, job: Job) -> str:
        """Return the message body of `job`; large arguments are kept as a blob first, sealed as a message would be.

        Raises:
            BlobsUnavailable: if they cannot be kept.
            EnqueueRejected: if no worker would open it: it is deeper, or has more parts, than an envelope may.
            ConfigurationError: if a key is missing to do it.
            KeysUnavailable: if a key service does not answer.
        """
        if self.blobs and job.blob is None and len(job.arguments) > self.blobs.over:
            content = (await self.seal_inline(job)).encode()
            job = msgspec.structs.replace(job, blob=await self.blobs.put("arguments", job.id, content))
        return await self.seal_inline(job)

    async def seal_inline(self, job: Job) -> str:
        """Return the message body of a job whose arguments fit into it, and stay there; or stay the blob that they are.

        For what came in a message and is sent on, and what is bounded: who does that has no right to keep arguments.
        Raises what `seal` raises, but for `BlobsUnavailable`.
        """
        if self.encryption is None:
            return self.seal_at_once(job)
        text = _sendable(job)
        small = self._compressed(text)
        queue = queue_identity(job.queue, self.queue_prefix)
        key, encrypted = await self.encryption.message_key(queue, self.environment, len(small or text))
        return self._sealed(job, text, small, key, encrypted)

    def seal_at_once(self, job: Job) -> str:
        """Return what `seal` would, where that waits for nothing (`is_immediate`), and raise what it would."""
        text = _sendable(job)
        small = self._compressed(text)
        return self._sealed(job, text, small) if self.signing or small else text

    def _sealed(
        self,
        job: Job,
        text: str,
        small: bytes | None,
        key: MessageKey | None = None,
        encrypted: Encrypted | None = None,
    ) -> str:
        header = self._header(job, compressed=small is not None, encrypted=encrypted)
        sealed = _with_content(header, text, small, key)
        return replace(sealed, signature=self.signing.signature(sealed.signed_bytes) if self.signing else "").encode()

    def _compressed(self, text: str) -> bytes | None:
        if self.compress_over is None or len(text) <= self.compress_over:
            return None
        return compression.deflated(text.encode())

    def _header(self, job: Job, *, compressed: bool, encrypted: Encrypted | None) -> Header:
        now = self.clock.wall()
        return Header(
            queue=queue_identity(job.queue, self.queue_prefix),
            task=job.task,
            id=job.id,
            issued_at=round(now, 3),
            expires_at=round(now + (self.signing.valid_for if self.signing else _UNSIGNED_VALID_FOR)),
            environment=self.environment,
            compressed=compression.METHOD if compressed else "",
            encrypted=encrypted,
            signed=self.signing.claim() if self.signing else None,
        )

    # Opening

    async def open(
        self,
        body: str,
        *,
        queue: str,
        message_id: str,
        group: str | None = None,
        sent_at: float = 0.0,
        expired: bool = False,
    ) -> Job:
        """Return the job that a message body holds; `expired`: also of one whose time is over.

        Where its arguments are a blob, they are empty until `completed`.

        Raises:
            InvalidEnvelope: if the body is no envelope.
            UntrustedEnvelope: if it is not what somebody with the keys has sealed for this queue.
            UnsupportedVersion: if it is one of a newer major version.
            KeysUnavailable: if a key service does not answer.
        """
        if not (refused := self._refused_if_plain):
            try:
                return envelope.decode(body, queue=queue, message_id=message_id, group=group, sent_at=sent_at)
            except UnsupportedVersion as newer:
                if newer.version != SEALED:
                    raise UnsupportedVersion(newer.version, SEALED) from None
        sealed = _sealed(body, refused) if refused else Sealed.decode(body)
        return await self._opened(sealed, _Place(queue, message_id, group, sent_at), expired=expired)

    async def completed(self, job: Job) -> Job:
        """Return `job` with the arguments that are kept as its blob; the blob is opened as a message would be.

        Raises:
            PayloadMissing: if nothing is kept.
            InvalidEnvelope: if it is not what the message speaks of.
            BlobsUnavailable: if it cannot be read now, or there are no blobs here.
        """
        if job.blob is None:
            return job
        if self.blobs is None:
            raise BlobsUnavailable("the arguments are kept as a blob, and this app has none: give it blobs=")
        content = await read_checked(self.blobs, "arguments", job.id, job.blob)
        try:
            body = content.decode()
        except UnicodeDecodeError:
            raise PayloadMismatch("what is kept as arguments is no text") from None
        # The message itself has said in time that it holds; for how long it lay in the queue then matters no more.
        whole = await self.open(body, queue=job.queue, message_id=job.id, group=job.group, expired=True)
        if (whole.id, whole.task) != (job.id, job.task) or whole.blob:
            raise PayloadMismatch("what is kept as arguments is another job's")
        return msgspec.structs.replace(job, arguments=whole.arguments)

    @property
    def _refused_if_plain(self) -> str:
        """The reason for which an envelope without layers is refused, or empty."""
        if self.signing and self.signing.require_signature:
            return "unsigned"
        return "unencrypted" if self.encryption and self.encryption.require_encryption else ""

    async def _opened(self, sealed: Sealed, place: _Place, *, expired: bool) -> Job:
        if self.signing:
            self.signing.check(sealed)  # a worker without keys takes unsigned jobs, and so this one as well
        self._check_bound(sealed.header, place.queue, expired=expired)
        job = place.decoded(await self._content(sealed))
        if (job.task, job.id) != (sealed.header.task, sealed.header.id):
            raise UntrustedEnvelope("mismatch", "the header and the content speak of different jobs")
        return job

    def _check_bound(self, header: Header, queue: str, *, expired: bool) -> None:
        here = queue_identity(queue, self.queue_prefix)
        if header.queue != here:
            raise UntrustedEnvelope(
                "wrong-queue", f"it was sealed for queue {header.queue[:80]!r}, and came in {here!r}"
            )
        if header.environment != self.environment:
            raise UntrustedEnvelope(
                "wrong-environment",
                f"it was sealed in environment {header.environment[:64]!r}, and this is {self.environment!r}",
            )
        if not (expired or self.clock.wall() < header.expires_at):
            raise UntrustedEnvelope("expired", f"its seal has expired: it held until {_date(header.expires_at)}")

    async def _content(self, sealed: Sealed) -> str:
        header = sealed.header
        key = await self._found_key(header)
        if key is None and not header.compressed:
            return sealed.content
        raw = key.decrypted(sealed.content, bound_bytes(sealed.header_text)) if key else _raw(sealed.content)
        if header.compressed:
            if header.compressed != compression.METHOD:
                raise InvalidEnvelope(f"there is no compression {header.compressed[:16]!r} here")
            raw = compression.inflated(raw)
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise InvalidEnvelope("the content is no text") from None

    async def _found_key(self, header: Header) -> MessageKey | None:
        if self.encryption:
            return await self.encryption.found_key(header)
        if header.encrypted:
            raise UntrustedEnvelope("unknown-key", "the message is encrypted, and there is no key here to decrypt it")
        return None


class _Place(NamedTuple):
    """Where a message was found; what an envelope does not say itself."""

    queue: str
    message_id: str
    group: str | None
    sent_at: float

    def decoded(self, text: str) -> Job:
        return envelope.decode(
            text, queue=self.queue, message_id=self.message_id, group=self.group, sent_at=self.sent_at
        )


def queue_identity(queue: str, prefix: str = "") -> str:
    """Return the name at SQS of a queue that an app names, or gives the URL of."""
    return queue.rstrip("/").rpartition("/")[2] if "://" in queue else prefix + queue


def _sendable(job: Job) -> str:
    """Return the envelope of `job`; what a worker would refuse is refused here."""
    text = envelope.encode(job)
    try:
        check_text(text)
    except EnvelopeOverLimit as problem:
        raise EnqueueRejected(
            f"{problem}: pass a reference (an S3 key, a row id) in place of the content",
            job_id=job.id,
            code="EnvelopeOverLimit",
        ) from None
    return text


def _with_content(header: Header, text: str, small: bytes | None, key: MessageKey | None) -> Sealed:
    header_text = header.encode()
    if key:
        content = key.encrypted(text.encode() if small is None else small, bound_bytes(header_text))
    else:
        content = text if small is None else to_base64(small)
    return Sealed(header, header_text, content)


def _sealed(body: str, reason: str) -> Sealed:
    """Read a body that must be sealed; a plain envelope is one that is refused for `reason`."""
    try:
        return Sealed.decode(body)
    except InvalidEnvelope:
        version = envelope.version_of(body)
    if version == envelope.VERSION:
        raise UntrustedEnvelope(reason, f"the message is {reason}, and this worker takes none that is")
    if version is not None and version > SEALED:
        raise UnsupportedVersion(version, SEALED)
    raise InvalidEnvelope("it is no sealed envelope, and this worker takes no others")


def _raw(content: str) -> bytes:
    try:
        return from_base64(content)
    except ValueError as problem:
        raise InvalidEnvelope(f"the content is {problem}") from None


def _date(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):  # anybody may have written it
        return f"{seconds:g}"
