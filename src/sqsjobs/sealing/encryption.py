"""Encryption: which keys decrypt, which one encrypts, and whether a message must be encrypted at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Final, Self

from sqsjobs.errors import UntrustedEnvelope
from sqsjobs.sealing.encryption_keys import AesKey, EncryptionKey
from sqsjobs.sealing.key_ring import KeyRing
from sqsjobs.sealing.key_texts import KeyText
from sqsjobs.sealing.kms import KmsKey
from sqsjobs.sealing.message_key import ALGORITHM, MessageKey
from sqsjobs.sealing.sealed import Encrypted, Header

__all__ = ["Encryption", "parsed_encryption_key"]


class Encryption:
    """The keys with which the content of envelopes is encrypted: AES-256-GCM.

    To rotate: give the new key to all who decrypt, behind the old one; then put it first; take the old one away when
    what it has encrypted is gone.

    Args:
        keys: `AesKey`, `KmsKey`, or their texts. All decrypt; the first encrypts.
        require_encryption: refuse what is not encrypted. Off only while producers are being taught to encrypt.
        revoked: ids of keys with which nothing is decrypted, whatever keys there are.

    Raises:
        ConfigurationError: if a key cannot be, there is none, two have one id, or `sqsjobs[crypto]` is not installed.
    """

    def __init__(
        self,
        keys: Sequence[EncryptionKey | str],
        *,
        require_encryption: bool = True,
        revoked: Collection[str] = (),
    ) -> None:
        from sqsjobs.sealing import ciphers  # noqa: F401, PLC0415 - an extra; if missing, it is missed here

        self.require_encryption: bool = require_encryption
        parsed = [parsed_encryption_key(key) if isinstance(key, str) else key for key in keys]
        self._keys = KeyRing(parsed, revoked=revoked, purpose="encryption")
        self._open = AsyncExitStack()

    def __repr__(self) -> str:
        must = "required" if self.require_encryption else "not required"
        return f"<Encryption: {', '.join(self._keys.ids)}; {must}>"

    @property
    def key_ids(self) -> Sequence[str]:
        """The ids of the keys, in their order; the first encrypts."""
        return self._keys.ids

    @property
    def problem(self) -> str:
        """Why the last call to a key service failed, or empty."""
        return next((key.problem for key in self._keys if key.problem), "")

    def clone(self) -> Encryption:
        """Return an unopened copy, for another event loop."""
        keys = [key.clone() for key in self._keys]
        return Encryption(keys, require_encryption=self.require_encryption, revoked=self._keys.revoked)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opening:
            for key in self._keys:
                await opening.enter_async_context(key)
            self._open = opening.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._open.aclose()

    async def message_key(self, queue: str, environment: str, size: int) -> tuple[MessageKey, Encrypted]:
        """Return the key with which a message of `size` bytes is to be encrypted, and what its header says of it.

        Raises:
            KeysUnavailable: if the key service gives none.
        """
        key = next(iter(self._keys))
        return MessageKey.made(key.id, await key.fresh(_context(queue, environment), size))

    async def found_key(self, header: Header) -> MessageKey | None:
        """Return the key with which a message is to be decrypted, or None if it is not encrypted.

        Raises:
            UntrustedEnvelope: if it must be, or by which key it is cannot be told.
            KeysUnavailable: if the key service does not say.
        """
        said = header.encrypted
        if said is None:
            if self.require_encryption:
                raise UntrustedEnvelope("unencrypted", "the message is not encrypted, and this worker requires it")
            return None
        secret = await self._key(said).unwrapped(said.data_key, _context(header.queue, header.environment))
        if secret is None:
            raise UntrustedEnvelope("undecryptable", "its data key is none of the key that it names")
        return MessageKey.found(said, secret)

    def _key(self, said: Encrypted) -> EncryptionKey:
        if said.algorithm != ALGORITHM:
            raise UntrustedEnvelope("undecryptable", f"there is no encryption {said.algorithm[:16]!r} here")
        return self._keys.named(said.key)


_QUEUE: Final = "sqsjobs:queue"
_ENVIRONMENT: Final = "sqsjobs:environment"


def _context(queue: str, environment: str) -> Mapping[str, str]:
    """What a key service binds a data key to, and writes into its audit log; the jobs that share it share this."""
    return {_QUEUE: queue, _ENVIRONMENT: environment} if environment else {_QUEUE: queue}


def parsed_encryption_key(text: str) -> EncryptionKey:
    """Return the key that `text` writes.

    Raises:
        ConfigurationError: if it is none; the error does not quote it.
    """
    written = KeyText.parse(text, what="encryption key", kinds=("aes", "kms"))
    if written.kind == "aes":
        return AesKey(written.id, written.raw)
    return KmsKey(written.id, written.material)
