"""Posts, the answers to them, and how far they may go: values."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from sqsjobs.callbacks.addresses import Network
from sqsjobs.callbacks.lookups import resolved

__all__ = ["Answer", "Post", "Reach", "Resolve"]

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a name, for a port."""


@dataclass(frozen=True, slots=True)
class Post:
    """A callback as it is posted."""

    url: str = field(repr=False)
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the receiver answered: the status, and its Retry-After."""

    status: int
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a post may go.

    Attributes:
        networks: addresses that are allowed beside the public ones.
        timeout: seconds for all of it.
        tls: what certificates are verified by; None for the machine's own authorities.
        resolve: how names become addresses.
    """

    networks: Sequence[Network] = ()
    timeout: float = 15.0
    tls: ssl.SSLContext | None = None
    resolve: Resolve = resolved
