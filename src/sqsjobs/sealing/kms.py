"""Data keys from AWS KMS, each used for many messages and remembered within bounds.

A producer asks for a data key (`GenerateDataKey`) and uses it for a while; a worker has it decrypted (`Decrypt`) once and
remembers it. The key that encrypts data keys never leaves KMS, and its log names the queue of every call.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias, TypeVar

from sqsjobs.errors import ConfigurationError, KeysUnavailable
from sqsjobs.sealing.encryption_keys import DataKey
from sqsjobs.sealing.key_texts import checked_key_id
from sqsjobs.sealing.sealed import from_base64, to_base64

if TYPE_CHECKING:
    from sqsjobs.sealing.kms_client import KmsClient

__all__ = ["DataKeyCache", "KmsKey"]

T = TypeVar("T")

_Context: TypeAlias = tuple[tuple[str, str], ...]

_LONGEST_WRAPPED: Final = 8192
"""Bytes of the longest encrypted data key: KMS's limit of a ciphertext is 6144."""


@dataclass(frozen=True, slots=True)
class DataKeyCache:
    """For how long and how much a data key is used.

    Attributes:
        age: seconds after which one is neither used nor remembered.
        messages: that are encrypted with one.
        bytes: that are encrypted with one.
        keys: that a worker remembers; the one that was used longest ago is forgotten first.

    Raises:
        ConfigurationError: if a bound is not above 0.
    """

    age: float = 300.0
    messages: int = 10_000
    bytes: int = 1 << 30
    keys: int = 1000

    def __post_init__(self) -> None:
        if not (self.age > 0 and self.messages > 0 and self.bytes > 0 and self.keys > 0):
            raise ConfigurationError(f"every bound of {self!r} is above 0")


@dataclass(slots=True)
class _InUse:
    """A data key that encrypts."""

    key: DataKey = field(repr=False)
    until: float
    messages: int
    bytes: int

    def takes(self, size: int, now: float) -> bool:
        """Count a message of `size` bytes; False if it is one too many."""
        if now >= self.until or not self.messages or self.bytes < size:
            return False
        self.messages -= 1
        self.bytes -= size
        return True


class KmsKey:
    """A symmetric key of AWS KMS, which encrypts data keys.

    Producers need `kms:GenerateDataKey` on it, workers `kms:Decrypt`; those that send jobs anew or from inside jobs both.

    Args:
        id: under which messages name it.
        key_id: its ARN; an alias will do while it leads to one key.
        region: of the key; by default that of the ARN, or the one that is configured.
        endpoint_url: of another server than AWS's.
        cache: how long and how much a data key is used.
        session_factory: makes the `aioboto3.Session` to use; None for the default one.
        now: seconds on a clock that never goes back.

    Raises:
        ConfigurationError: if the id cannot be.
    """

    def __init__(
        self,
        id: str,  # noqa: A002 - as of every key
        key_id: str,
        *,
        region: str | None = None,
        endpoint_url: str | None = None,
        cache: DataKeyCache = DataKeyCache(),
        session_factory: Callable[[], Any] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.id: str = checked_key_id(id)
        self.key_id: str = key_id
        self.problem: str = ""
        self._region = region or _region_of(key_id)
        self._endpoint_url = endpoint_url
        self._cache = cache
        self._session_factory = session_factory
        self._now = now
        self._client: KmsClient | None = None
        self._open = AsyncExitStack()
        self._asking = asyncio.Lock()
        self._in_use: dict[_Context, _InUse] = {}
        self._remembered: OrderedDict[tuple[str, _Context], tuple[bytes, float]] = OrderedDict()

    def __repr__(self) -> str:
        state = f"{len(self._remembered)} data keys remembered" if self._client else "not open"
        return f"<KmsKey {self.id!r}: {self.key_id}, {state}>"

    @property
    def text(self) -> str:
        """The key as text; it is no secret."""
        return f"kms:{self.id}:{self.key_id}"

    def clone(self) -> KmsKey:
        return KmsKey(
            self.id,
            self.key_id,
            region=self._region,
            endpoint_url=self._endpoint_url,
            cache=self._cache,
            session_factory=self._session_factory,
            now=self._now,
        )

    async def __aenter__(self) -> Self:
        from sqsjobs.sealing.kms_client import open_kms  # noqa: PLC0415 - aioboto3 takes most of a second

        opening = open_kms(self._region, self._endpoint_url, self._session_factory)
        self._client = await self._open.enter_async_context(opening)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._client = None
        self._in_use.clear()
        self._remembered.clear()
        await self._open.aclose()

    async def fresh(self, context: Mapping[str, str], size: int) -> DataKey:
        where = tuple(context.items())
        async with self._asking:  # one call for all who wait
            used = self._in_use.get(where)
            if used is None or not used.takes(size, self._now()):
                asked_at = self._now()
                secret, wrapped = await self._told(self._opened().generate(self.key_id, context))
                cache = self._cache
                key = DataKey(secret, to_base64(wrapped))
                used = self._in_use[where] = _InUse(key, asked_at + cache.age, cache.messages - 1, cache.bytes - size)
            return used.key

    async def unwrapped(self, wrapped: str, context: Mapping[str, str]) -> bytes | None:
        where = (wrapped, tuple(context.items()))
        if (secret := self._recalled(where)) is not None:
            return secret
        try:
            raw = from_base64(wrapped)
        except ValueError:
            return None
        if not 0 < len(raw) <= _LONGEST_WRAPPED:
            return None
        async with self._asking:
            if (secret := self._recalled(where)) is not None:
                return secret
            asked_at = self._now()
            secret = await self._told(self._opened().decrypt(self.key_id, raw, context))
            if secret is not None:
                self._remember(where, secret, asked_at)
            return secret

    def _recalled(self, where: tuple[str, _Context]) -> bytes | None:
        secret, until = self._remembered.get(where, (None, 0.0))
        if secret is None:
            return None
        if self._now() >= until:
            del self._remembered[where]
            return None
        self._remembered.move_to_end(where)
        return secret

    def _remember(self, where: tuple[str, _Context], secret: bytes, asked_at: float) -> None:
        self._remembered[where] = secret, asked_at + self._cache.age
        while len(self._remembered) > self._cache.keys:
            self._remembered.popitem(last=False)

    async def _told(self, call: Awaitable[T]) -> T:
        """Await a call, and remember whether it failed."""
        try:
            answer = await call
        except KeysUnavailable as error:
            self.problem = str(error)
            raise
        self.problem = ""
        return answer

    def _opened(self) -> KmsClient:
        if self._client is None:
            raise ConfigurationError(f"key {self.id!r} is not open: use it inside `async with app:`")
        return self._client


def _region_of(key_id: str) -> str | None:
    """Return the region that an ARN names: ``arn:aws:kms:eu-west-1:123456789012:key/…``."""
    parts = key_id.split(":")
    return parts[3] or None if len(parts) > 5 and parts[0] == "arn" else None
