"""Keys that encrypt, and their form as text: ``aes:ID:SECRET``; ``kms:ID:KEY_ARN`` is in `kms`."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, Self

from sqsjobs.errors import ConfigurationError
from sqsjobs.sealing.key_texts import checked_key_id
from sqsjobs.sealing.sealed import to_base64

__all__ = ["AesKey", "DataKey", "EncryptionKey"]

_AES_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class DataKey:
    """A secret of 32 bytes for some messages, and, where a key service keeps it, its encrypted form in base64url."""

    secret: bytes = field(repr=False)
    wrapped: str = ""


class EncryptionKey(Protocol):
    """A key, or what makes keys. An instance belongs to one event loop; entering it opens what it needs."""

    @property
    def id(self) -> str:
        """Under which messages name it."""
        ...

    @property
    def problem(self) -> str:
        """Why the last call to its key service failed, or empty."""
        ...

    def clone(self) -> EncryptionKey:
        """Return an unopened copy, for another event loop."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc_info: object) -> None: ...

    async def fresh(self, context: Mapping[str, str], size: int) -> DataKey:
        """Return the data key with which `size` bytes are to be encrypted, in `context`.

        Raises:
            KeysUnavailable: if the key service gives none.
        """
        ...

    async def unwrapped(self, wrapped: str, context: Mapping[str, str]) -> bytes | None:
        """Return the secret of the data key `wrapped`, or None if it is none of this key's, in this context.

        Raises:
            KeysUnavailable: if the key service does not say.
        """
        ...


@dataclass(frozen=True, slots=True)
class AesKey:
    """A secret shared by those who send and those who work.

    Args:
        id: under which messages name it.
        secret: 32 random bytes.

    Raises:
        ConfigurationError: if the id or the secret cannot be, or `sqsjobs[crypto]` is not installed.
    """

    id: str
    secret: bytes = field(repr=False)
    problem: str = field(default="", init=False)

    def __post_init__(self) -> None:
        from sqsjobs.sealing import ciphers  # noqa: F401, PLC0415 - an extra; if missing, it is missed here

        checked_key_id(self.id)
        if len(self.secret) != _AES_BYTES:
            raise ConfigurationError(f"AES key {self.id!r} has {len(self.secret)} bytes, not {_AES_BYTES}")

    @classmethod
    def new(cls, key_id: str) -> AesKey:
        """Make a random one."""
        return cls(key_id, secrets.token_bytes(_AES_BYTES))

    @property
    def text(self) -> str:
        """The key as text, secret and all."""
        return f"aes:{self.id}:{to_base64(self.secret)}"

    def clone(self) -> AesKey:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None: ...

    async def fresh(self, context: Mapping[str, str], size: int) -> DataKey:  # noqa: ARG002 - for all of them
        return DataKey(self.secret)

    async def unwrapped(self, wrapped: str, context: Mapping[str, str]) -> bytes | None:  # noqa: ARG002 - in all of them
        return None if wrapped else self.secret
