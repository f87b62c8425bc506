"""Keys that sign and verify, and their form as text: ``hmac:ID:SECRET``, ``ed25519:ID:SEED``, ``ed25519-public:ID:KEY``.

HMAC-SHA256 needs nothing but Python. Ed25519, with which workers verify what they could not have signed, needs the extra
``sqsjobs[crypto]``.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Protocol

from sqsjobs.errors import ConfigurationError
from sqsjobs.sealing.key_texts import KeyText, checked_key_id
from sqsjobs.sealing.sealed import to_base64

__all__ = ["Ed25519Key", "Ed25519PublicKey", "HmacKey", "SigningKey", "parsed_signing_key"]

_LEAST_SECRET: Final = 32
"""Bytes of the shortest HMAC secret: as many as the tag has (RFC 2104, section 3)."""
_ED25519_BYTES: Final = 32


class SigningKey(Protocol):
    """A key that verifies, and perhaps signs."""

    @property
    def id(self) -> str:
        """Under which messages name it."""
        ...

    @property
    def algorithm(self) -> str:
        """The one algorithm it is for; a message that names another is refused."""
        ...

    @property
    def sign(self) -> Callable[[bytes], bytes] | None:
        """Signs a message; None where the key only verifies."""
        ...

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether `signature` is this key's for `message`; how wrong it is does not show in the time it takes."""
        ...


@dataclass(frozen=True, slots=True)
class HmacKey:
    """A secret shared by those who send and those who work: HMAC-SHA256.

    Args:
        id: under which messages name it.
        secret: at least 32 random bytes.

    Raises:
        ConfigurationError: if the id cannot be, or the secret is too short.
    """

    id: str
    secret: bytes = field(repr=False)
    algorithm: str = field(default="HS256", init=False)

    def __post_init__(self) -> None:
        checked_key_id(self.id)
        if len(self.secret) < _LEAST_SECRET:
            raise ConfigurationError(
                f"signing key {self.id!r} has {len(self.secret)} bytes, and needs {_LEAST_SECRET} random ones: "
                f"make one with `sqsjobs keys new`"
            )

    @classmethod
    def new(cls, key_id: str) -> HmacKey:
        """Make a random one."""
        return cls(key_id, secrets.token_bytes(_LEAST_SECRET))

    @property
    def text(self) -> str:
        """The key as text, secret and all."""
        return f"hmac:{self.id}:{to_base64(self.secret)}"

    def sign(self, message: bytes) -> bytes:
        return hmac.digest(self.secret, message, "sha256")

    def verifies(self, signature: bytes, message: bytes) -> bool:
        return hmac.compare_digest(signature, self.sign(message))


@dataclass(frozen=True)
class Ed25519PublicKey:
    """A public key: who has it can verify, and not sign.

    Args:
        id: under which messages name it.
        key: 32 bytes.

    Raises:
        ConfigurationError: if the id or the key cannot be, or `sqsjobs[crypto]` is not installed.
    """

    id: str
    key: bytes = field(repr=False)
    algorithm: str = field(default="EdDSA", init=False)
    sign: Callable[[bytes], bytes] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        checked_key_id(self.id)
        _check_size(self.id, self.key)
        self.verifies  # noqa: B018 - what is missing is missed here, not at the first message

    @property
    def text(self) -> str:
        """The key as text; it is no secret."""
        return f"ed25519-public:{self.id}:{to_base64(self.key)}"

    @cached_property
    def verifies(self) -> Callable[[bytes, bytes], bool]:
        """Whether a signature is this key's for a message."""
        from sqsjobs.sealing import ciphers  # noqa: PLC0415 - an extra

        return ciphers.ed25519_verifier(self.key)


@dataclass(frozen=True)
class Ed25519Key:
    """A private key: who has it can sign, and verify.

    Args:
        id: under which messages name it; the same as its public half's.
        seed: 32 random bytes.

    Raises:
        ConfigurationError: if the id or the seed cannot be, or `sqsjobs[crypto]` is not installed.
    """

    id: str
    seed: bytes = field(repr=False)
    algorithm: str = field(default="EdDSA", init=False)

    def __post_init__(self) -> None:
        checked_key_id(self.id)
        _check_size(self.id, self.seed)
        self.sign  # noqa: B018 - what is missing is missed here, not at the first message

    @classmethod
    def new(cls, key_id: str) -> Ed25519Key:
        """Make a random one."""
        return cls(key_id, secrets.token_bytes(_ED25519_BYTES))

    @property
    def text(self) -> str:
        """The key as text, secret and all."""
        return f"ed25519:{self.id}:{to_base64(self.seed)}"

    @cached_property
    def public(self) -> Ed25519PublicKey:
        """The half that verifies."""
        from sqsjobs.sealing import ciphers  # noqa: PLC0415 - an extra

        return Ed25519PublicKey(self.id, ciphers.ed25519_public(self.seed))

    @cached_property
    def sign(self) -> Callable[[bytes], bytes]:
        """Signs a message."""
        from sqsjobs.sealing import ciphers  # noqa: PLC0415 - an extra

        return ciphers.ed25519_signer(self.seed)

    def verifies(self, signature: bytes, message: bytes) -> bool:
        return self.public.verifies(signature, message)


def parsed_signing_key(text: str) -> SigningKey:
    """Return the key that `text` writes.

    Raises:
        ConfigurationError: if it is none; the error does not quote it.
    """
    written = KeyText.parse(text, what="signing key", kinds=("hmac", "ed25519", "ed25519-public"))
    match written.kind:
        case "hmac":
            return HmacKey(written.id, written.raw)
        case "ed25519":
            return Ed25519Key(written.id, written.raw)
        case _:
            return Ed25519PublicKey(written.id, written.raw)


def _check_size(key_id: str, raw: bytes) -> None:
    if len(raw) != _ED25519_BYTES:
        raise ConfigurationError(f"Ed25519 key {key_id!r} has {len(raw)} bytes, not {_ED25519_BYTES}")
