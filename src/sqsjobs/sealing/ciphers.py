"""The one door to the package `cryptography`, which comes with the extra ``sqsjobs[crypto]``.

Imported only where a key needs it: HMAC signatures do without.
"""

from __future__ import annotations

from collections.abc import Callable

from sqsjobs.errors import ConfigurationError

try:
    from cryptography.exceptions import InvalidSignature, InvalidTag
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError as missing:
    raise ConfigurationError(
        "encryption, and Ed25519 signatures, need the package cryptography: pip install 'sqsjobs[crypto]'"
    ) from missing

__all__ = ["decrypted", "ed25519_public", "ed25519_signer", "ed25519_verifier", "encrypted"]


def ed25519_public(seed: bytes) -> bytes:
    """Return the public half of a private key."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def ed25519_signer(seed: bytes) -> Callable[[bytes], bytes]:
    """Return what signs a message (RFC 8032)."""
    return Ed25519PrivateKey.from_private_bytes(seed).sign


def ed25519_verifier(public: bytes) -> Callable[[bytes, bytes], bool]:
    """Return what says whether a signature is one of a message."""
    key = Ed25519PublicKey.from_public_bytes(public)

    def verifies(signature: bytes, message: bytes) -> bool:
        try:
            key.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    return verifies


def encrypted(key: bytes, nonce: bytes, content: bytes, bound: bytes) -> bytes:
    """Return `content` by AES-256-GCM, the 16 bytes of the tag at its end; `bound` is authenticated with it."""
    return AESGCM(key).encrypt(nonce, content, bound)


def decrypted(key: bytes, nonce: bytes, ciphertext: bytes, bound: bytes) -> bytes | None:
    """Return what `encrypted` was given, or None if anything of it is not as it was."""
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, bound)
    except (InvalidTag, ValueError):
        return None
