"""Sealing: from job to message body and back, through the layers that the app has chosen.

    job ─▶ envelope ─▶ compressed ─▶ encrypted ─▶ signed ─▶ body

Opening goes the other way, and each step before anything is made of what it protects: the signature is verified before
the content is decrypted, the content decrypted before it is inflated, and only what came through is parsed as an
envelope. Without layers a body is the envelope itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from sqsjobs import envelope
from sqsjobs.clock import Clock, SystemClock
from sqsjobs.errors import InvalidEnvelope, UnsupportedVersion, UntrustedEnvelope
from sqsjobs.job import Job
from sqsjobs.sealing.sealed import SEALED, Header, Sealed
from sqsjobs.sealing.signing import Signing

__all__ = ["Sealing", "queue_identity"]

_UNSIGNED_VALID_FOR: Final = 15 * 86_400.0


@dataclass(frozen=True, slots=True)
class Sealing:
    """The layers around envelopes; none by default.

    Attributes:
        signing: the keys of signatures, or None.
        queue_prefix: what queue names have before them at SQS.
        environment: bound into what is sealed, and wanted of what is opened.
        clock: dates what is sealed.
    """

    signing: Signing | None = None
    queue_prefix: str = ""
    environment: str = ""
    clock: Clock = SystemClock()  # noqa: RUF009 - stateless

    @property
    def seals(self) -> bool:
        """Whether there are layers at all."""
        return self.signing is not None

    @property
    def can_seal(self) -> bool:
        """Whether the keys that are here suffice to send: a public key verifies, and does not sign."""
        return self.signing is None or self.signing.signer is not None

    async def seal(self, job: Job) -> str:
        """Return the message body of `job`.

        Raises:
            ConfigurationError: if a key is missing to do it.
        """
        content = envelope.encode(job)
        if not self.seals:
            return content
        header = self._header(job)
        sealed = Sealed(header, header.encode(), content)
        signature = self.signing.signature(sealed.signed_bytes) if self.signing else ""
        return Sealed(header, sealed.header_text, content, signature).encode()

    def _header(self, job: Job) -> Header:
        now = self.clock.wall()
        return Header(
            queue=queue_identity(job.queue, self.queue_prefix),
            task=job.task,
            id=job.id,
            issued_at=round(now, 3),
            expires_at=round(now + (self.signing.valid_for if self.signing else _UNSIGNED_VALID_FOR)),
            environment=self.environment,
            signed=self.signing.claim() if self.signing else None,
        )

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

        Raises:
            InvalidEnvelope: if the body is no envelope.
            UntrustedEnvelope: if it is not what somebody with the keys has sealed for this queue.
            UnsupportedVersion: if it is one of a newer major version.
        """
        place = _Place(queue, message_id, group, sent_at)
        if self.signing and self.signing.require_signature:
            return await self._opened(_sealed(body), place, expired=expired)
        try:
            return place.decoded(body)
        except UnsupportedVersion as newer:
            if newer.version != SEALED:
                raise UnsupportedVersion(newer.version, SEALED) from None
        return await self._opened(Sealed.decode(body), place, expired=expired)

    async def _opened(self, sealed: Sealed, place: _Place, *, expired: bool) -> Job:
        if self.signing:
            self.signing.check(sealed)  # a worker without keys takes unsigned jobs, and so this one as well
        self._check_bound(sealed.header, place.queue, expired=expired)
        job = place.decoded(sealed.content)
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


def _date(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):  # anybody may have written it
        return f"{seconds:g}"


def _sealed(body: str) -> Sealed:
    """Read a body that must be sealed; a plain envelope is one that is not signed."""
    try:
        return Sealed.decode(body)
    except InvalidEnvelope:
        version = envelope.version_of(body)
    if version == envelope.VERSION:
        raise UntrustedEnvelope("unsigned", "the message is not signed, and this worker requires it")
    if version is not None and version > SEALED:
        raise UnsupportedVersion(version, SEALED)
    raise InvalidEnvelope("it is no sealed envelope, and this worker requires signatures")
