"""A message's own key, made from a data key and a random salt, and a commitment to it.

AES-GCM alone has two weaknesses. With random nonces a key is good for 2^32 messages (NIST SP 800-38D, section 8.3); a key
for every message lifts that. And it does not commit: somebody with two keys can make one ciphertext that opens under both.
HKDF-SHA256 (RFC 5869) therefore gives 64 bytes, the first half the key, the second a commitment to it, which travels in the
header and is compared before anything is decrypted.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from typing import Final, Self

from sqsjobs.errors import UntrustedEnvelope
from sqsjobs.sealing.encryption_keys import DataKey
from sqsjobs.sealing.sealed import Encrypted, from_base64, to_base64

__all__ = ["ALGORITHM", "MessageKey"]

ALGORITHM: Final = "A256GCM"
_NONCE_BYTES: Final = 12
"""96 bits, as GCM wants them."""
_SALT_BYTES: Final = 16
_PURPOSE: Final = b"sqsjobs.2 A256GCM"


@dataclass(frozen=True, slots=True)
class MessageKey:
    """The key of one message; `made` for a new one, `found` for one that has come."""

    nonce: bytes
    key: bytes = field(repr=False)

    @classmethod
    def made(cls, key_id: str, data_key: DataKey) -> tuple[Self, Encrypted]:
        """Make one at random; return what the header says of it, too."""
        salt, nonce = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_NONCE_BYTES)
        key, commitment = _derived(data_key.secret, salt)
        said = Encrypted(
            key=key_id,
            algorithm=ALGORITHM,
            nonce=to_base64(nonce),
            salt=to_base64(salt),
            commitment=to_base64(commitment),
            data_key=data_key.wrapped,
        )
        return cls(nonce, key), said

    @classmethod
    def found(cls, said: Encrypted, secret: bytes) -> Self:
        """Return the one that a header speaks of.

        Raises:
            UntrustedEnvelope: if it was another secret.
        """
        nonce, salt = _bytes_of(said.nonce, _NONCE_BYTES), _bytes_of(said.salt, _SALT_BYTES)
        key, commitment = _derived(secret, salt)
        if not hmac.compare_digest(to_base64(commitment).encode(), said.commitment.encode()):
            raise UntrustedEnvelope("undecryptable", "the commitment is to another key")
        return cls(nonce, key)

    def encrypted(self, content: bytes, bound: bytes) -> str:
        """Return `content` as it travels, bound to `bound`."""
        from sqsjobs.sealing import ciphers  # noqa: PLC0415 - an extra

        return to_base64(ciphers.encrypted(self.key, self.nonce, content, bound))

    def decrypted(self, content: str, bound: bytes) -> bytes:
        """Return what `encrypted` was given.

        Raises:
            UntrustedEnvelope: if anything of it is not as it was.
        """
        from sqsjobs.sealing import ciphers  # noqa: PLC0415 - an extra

        try:
            plain = ciphers.decrypted(self.key, self.nonce, from_base64(content), bound)
        except ValueError:
            plain = None
        if plain is None:
            raise UntrustedEnvelope("undecryptable", "header or content are not as they were encrypted")
        return plain


def _derived(secret: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """Return the key and the commitment: HKDF-SHA256, 64 bytes."""
    extracted = hmac.digest(salt, secret, "sha256")
    key = hmac.digest(extracted, _PURPOSE + b"\x01", "sha256")
    return key, hmac.digest(extracted, key + _PURPOSE + b"\x02", "sha256")


def _bytes_of(text: str, length: int) -> bytes:
    try:
        raw = from_base64(text)
    except ValueError:
        raw = b""
    if len(raw) != length:
        raise UntrustedEnvelope("undecryptable", "the header's nonce or salt cannot be one")
    return raw
