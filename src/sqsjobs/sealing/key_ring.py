"""Keys by their ids: what a message names is looked up here, and nowhere else."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from sqsjobs.errors import ConfigurationError, UntrustedEnvelope

__all__ = ["KeyRing"]


class _Key(Protocol):
    @property
    def id(self) -> str: ...


K = TypeVar("K", bound=_Key)


class KeyRing(Generic[K]):
    """Keys for one purpose, in their order, without those that were revoked.

    Args:
        keys: with ids of their own.
        revoked: ids of keys that are not to be used, whatever keys there are.
        purpose: "signing" or "encryption", for errors.

    Raises:
        ConfigurationError: if no key is left, or two have one id.
    """

    def __init__(self, keys: Iterable[K], *, revoked: Collection[str], purpose: str) -> None:
        self.revoked: frozenset[str] = frozenset(revoked)
        self._purpose = purpose
        kept = [key for key in keys if key.id not in self.revoked]
        self._keys = {key.id: key for key in kept}
        if len(self._keys) < len(kept):
            raise ConfigurationError(f"two {purpose} keys have one id: {', '.join(key.id for key in kept)}")
        if not kept:
            raise ConfigurationError(f"{purpose} needs a key that is not revoked: make one with `sqsjobs keys new`")

    def __iter__(self) -> Iterator[K]:
        return iter(self._keys.values())

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the keys, in their order."""
        return tuple(self._keys)

    def named(self, key_id: str) -> K:
        """Return the key that a message names.

        Raises:
            UntrustedEnvelope: if it was revoked, or is none of these.
        """
        if key_id in self.revoked:
            raise UntrustedEnvelope("revoked-key", f"{self._purpose} key {key_id[:64]!r} was revoked")
        if key_id not in self._keys:
            raise UntrustedEnvelope("unknown-key", f"there is no {self._purpose} key {key_id[:64]!r} here")
        return self._keys[key_id]
