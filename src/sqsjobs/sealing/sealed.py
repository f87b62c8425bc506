"""The sealed envelope on the wire, version 2: an envelope of version 1 as text, and a header that says how it is sealed.

    {"sqsjobs": 2, "header": "{…}", "content": "…", "signature": "…"}

`header` is a JSON object as text, on one line, so that the very bytes that were signed are there to be verified: before any of
the content is parsed. `content` is the envelope, or what compression and encryption made of it in base64url. The
signature is over `sqsjobs.2`, a line feed, the header, a line feed, and the content; all in UTF-8.

A worker that knows no version 2 parks such a message, as any newer one.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Final

import msgspec

from sqsjobs.envelope import without_noncharacters
from sqsjobs.errors import InvalidEnvelope
from sqsjobs.limits import check_text

__all__ = ["SEALED", "Encrypted", "Header", "Sealed", "Signed", "from_base64", "to_base64"]

SEALED: Final = 2
"""The major version of a sealed envelope."""

MAX_HEADER_CHARACTERS: Final = 8192
"""The longest header: it is parsed before the signature is verified, to learn which key that is to be done with."""

_DOMAIN: Final = b"sqsjobs.2\n"
"""What every signature and every ciphertext begins with, so that it serves for nothing else."""


class Signed(msgspec.Struct, frozen=True):
    """By which key the message is signed, and how: ``HS256`` or ``EdDSA``."""

    key: str
    algorithm: str


class Encrypted(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the content is encrypted.

    Attributes:
        key: the id of the key.
        algorithm: ``A256GCM``.
        nonce: 96 random bits, base64url.
        salt: 128 random bits, base64url, from which, with the key, this message's own key is derived.
        commitment: proves which key it was, so that no ciphertext opens under two.
        data_key: the data key as the key service encrypted it, where there is one.
    """

    key: str
    algorithm: str
    nonce: str
    salt: str
    commitment: str
    data_key: str = ""


class Header(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a sealed envelope is bound to, and how its content is to be read.

    Attributes:
        queue: the queue's name at SQS, prefix included.
        task, id: of the job inside.
        issued_at, expires_at: seconds since 1970.
        environment: the app's, such as ``"production"``.
        compressed: ``"zlib"``, or empty.
        encrypted: how, or None.
        signed: by which key, or None.
    """

    queue: str
    task: str
    id: str
    issued_at: float
    expires_at: float
    environment: str = ""
    compressed: str = ""
    encrypted: Encrypted | None = None
    signed: Signed | None = None

    def encode(self) -> str:
        """Return the header as it travels."""
        return without_noncharacters(_encoder.encode(self).decode())


class _Wire(msgspec.Struct, omit_defaults=True):
    sqsjobs: int
    header: str
    content: str
    signature: str = ""


_encoder: Final = msgspec.json.Encoder()
_wire_decoder: Final = msgspec.json.Decoder(_Wire)
_header_decoder: Final = msgspec.json.Decoder(Header)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed envelope, its header read and nothing believed yet.

    Attributes:
        header: what `header_text` says.
        header_text, content: as they travel.
        signature: base64url, or empty.
    """

    header: Header
    header_text: str
    content: str
    signature: str = ""

    @classmethod
    def decode(cls, body: str) -> Sealed:
        """Read a message body.

        Raises:
            EnvelopeOverLimit: if it is larger, deeper or of more parts than any may be; it is not parsed.
            InvalidEnvelope: if it is no sealed envelope.
        """
        check_text(body)
        try:
            wire = _wire_decoder.decode(body.encode())
            if len(wire.header) > MAX_HEADER_CHARACTERS or "\n" in wire.header:
                raise InvalidEnvelope(f"the header is one line of up to {MAX_HEADER_CHARACTERS:,} characters")
            header = _header_decoder.decode(wire.header)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as problem:
            raise InvalidEnvelope(f"not a sealed envelope: {problem}") from None
        if wire.sqsjobs != SEALED:
            raise InvalidEnvelope(f"a sealed envelope has version {SEALED}, not {wire.sqsjobs}")
        return cls(header, wire.header, wire.content, wire.signature)

    def encode(self) -> str:
        """Return the message body."""
        wire = _Wire(SEALED, self.header_text, self.content, self.signature)
        return without_noncharacters(_encoder.encode(wire).decode())

    @property
    def signed_bytes(self) -> bytes:
        """What the signature is over."""
        return b"%b%b\n%b" % (_DOMAIN, self.header_text.encode(), self.content.encode())


def bound_bytes(header_text: str) -> bytes:
    """Return what a ciphertext is bound to beside its key: the additional authenticated data of AES-GCM."""
    return _DOMAIN + header_text.encode()


def to_base64(raw: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def from_base64(text: str) -> bytes:
    """Return the bytes that `text` encodes.

    Raises:
        ValueError: if it is not exactly what `to_base64` writes for them: there is one way to write a thing.
    """
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise ValueError("not base64url") from None
    if to_base64(raw) != text:
        raise ValueError("not base64url as it is written without padding")
    return raw
