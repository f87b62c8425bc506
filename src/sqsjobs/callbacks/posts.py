"""Posts, the answers to them, and how far they may go: values, and the machine's resolver."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from sqsjobs.callbacks.addresses import Network

__all__ = ["Answer", "Post", "Reach", "Resolve", "resolved"]

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


async def resolved(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a name, as the machine's resolver tells them; of an address, itself."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


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
