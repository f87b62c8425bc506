"""Signing: which keys verify, which one signs, and whether a message must be signed at all."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final

from sqsjobs.errors import ConfigurationError, UntrustedEnvelope
from sqsjobs.sealing.key_ring import KeyRing
from sqsjobs.sealing.sealed import Sealed, Signed, from_base64, to_base64
from sqsjobs.sealing.signing_keys import SigningKey, parsed_signing_key

__all__ = ["Signing"]

_VALID_FOR: Final = timedelta(days=15)
"""As long as the small record of an ended job is kept, so that a replay of it is recognised until it has expired."""


class Signing:
    """The keys with which envelopes are signed and verified.

    To rotate: give the new key to all who verify, behind the old one; then put it first; take the old one away
    when what it has signed has expired.

    Args:
        keys: `HmacKey`, `Ed25519Key`, `Ed25519PublicKey`, or their texts. All verify; the first that can sign does so.
        require_signature: refuse what is not signed. Off only while producers are being taught to sign.
        valid_for: a `timedelta`, or seconds: how long a signature holds; longer than a message may wait in its queue.
        revoked: ids of keys whose signatures are refused, whatever keys there are.

    Raises:
        ConfigurationError: if a key cannot be, there is none, two have one id, or `valid_for` is no time.
    """

    def __init__(
        self,
        keys: Sequence[SigningKey | str],
        *,
        require_signature: bool = True,
        valid_for: timedelta | float = _VALID_FOR,
        revoked: Collection[str] = (),
    ) -> None:
        parsed = [parsed_signing_key(key) if isinstance(key, str) else key for key in keys]
        self._keys = KeyRing(parsed, revoked=revoked, purpose="signing")
        self._signer = next((key for key in self._keys if key.sign), None)
        self.require_signature: bool = require_signature
        self.valid_for: float = valid_for.total_seconds() if isinstance(valid_for, timedelta) else float(valid_for)
        if not 0 < self.valid_for < float("inf"):
            raise ConfigurationError(f"valid_for is a number of seconds above 0, or a timedelta; not {valid_for!r}")

    def __repr__(self) -> str:
        must = "required" if self.require_signature else "not required"
        return f"<Signing: {', '.join(self._keys.ids)}; {self._signer.id if self._signer else 'none'} signs, {must}>"

    @property
    def key_ids(self) -> Sequence[str]:
        """The ids of the keys, in their order."""
        return self._keys.ids

    @property
    def signer(self) -> SigningKey | None:
        """The key that signs, or None where all only verify."""
        return self._signer

    def claim(self) -> Signed:
        """Return what the header says of the signature to come.

        Raises:
            ConfigurationError: if no key can sign.
        """
        if self._signer is None:
            raise ConfigurationError(
                "no key here can sign, all only verify: give the producer a private key (ed25519:…), or an hmac one"
            )
        return Signed(self._signer.id, self._signer.algorithm)

    def signature(self, message: bytes) -> str:
        """Return the signature of the key that `claim` named."""
        assert self._signer is not None
        assert self._signer.sign is not None
        return to_base64(self._signer.sign(message))

    def check(self, sealed: Sealed) -> None:
        """Make sure that `sealed` is as somebody who has one of the keys has sealed it.

        Raises:
            UntrustedEnvelope: if not.
        """
        claimed = sealed.header.signed
        if claimed is None and not sealed.signature:
            return self.check_unsigned()
        if claimed is None or not sealed.signature:
            raise UntrustedEnvelope("bad-signature", "the header and the signature do not belong together")
        self._check_signature(self._key(claimed), sealed)
        return None

    def check_unsigned(self) -> None:
        """Let an envelope without a signature pass.

        Raises:
            UntrustedEnvelope: if a signature is required.
        """
        if self.require_signature:
            raise UntrustedEnvelope("unsigned", "the message is not signed, and this worker requires it")

    def _key(self, claimed: Signed) -> SigningKey:
        key = self._keys.named(claimed.key)
        if claimed.algorithm != key.algorithm:
            raise UntrustedEnvelope(
                "bad-signature", f"key {key.id!r} is for {key.algorithm}, not {claimed.algorithm[:16]!r}"
            )
        return key

    def _check_signature(self, key: SigningKey, sealed: Sealed) -> None:
        try:
            signature = from_base64(sealed.signature)
        except ValueError as problem:
            raise UntrustedEnvelope("bad-signature", f"the signature is {problem}") from None
        if not key.verifies(signature, sealed.signed_bytes):
            raise UntrustedEnvelope("bad-signature", f"the signature is not that of key {key.id!r}")
