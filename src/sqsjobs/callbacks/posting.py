"""Posts one callback: the one door of callbacks to the network, imported where the first one is posted.

The name is resolved once, every address of it is checked, and the connection goes to one of those: a name that changes its mind
(DNS rebinding) changes nothing. TLS is still verified for the name. No redirect is followed, no proxy asked, no cookie kept,
nothing of the body read.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, TypeAlias

from sqsjobs.callbacks.addresses import Network, checked_addresses
from sqsjobs.callbacks.destinations import Destination
from sqsjobs.errors import CallbackFailed, CallbackRefused

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from yarl import URL

__all__ = ["Answer", "Post", "Reach", "Resolve", "posted", "resolved"]

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a name, for a port."""

_CONNECT: Final = 5.0
"""Seconds that a connection may take, TLS included."""


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


async def posted(post: Post, reach: Reach) -> Answer:
    """Post, and return what was answered.

    Raises:
        CallbackRefused: if the URL, or an address of its host, is none to post to.
        CallbackFailed: if no answer came.
    """
    from aiohttp import ClientError  # noqa: PLC0415 - heavy
    from yarl import URL  # noqa: PLC0415 - with aiohttp

    to, url = (
        Destination.of(post.url),
        URL(post.url, encoded=True),
    )  # as it was checked: nothing is made nicer on the way
    if (url.host or "").lower() != to.host:  # two readings of one URL: the property test knows of none
        raise CallbackRefused(f"a callback to {to} would go elsewhere")
    try:
        async with asyncio.timeout(reach.timeout):
            addresses = checked_addresses(to.host, await reach.resolve(to.host, to.port), reach.networks)
            async with _session(addresses, reach) as session:
                return await _posted(session, url, post)
    except TimeoutError:
        raise CallbackFailed(f"{to} gave no answer within {reach.timeout:g} s") from None
    except (ClientError, OSError, ValueError) as problem:  # whose texts may have the URL, and so its secrets
        raise CallbackFailed(f"{to} cannot be reached: {_told(problem)}") from None


async def _posted(session: ClientSession, url: URL, post: Post) -> Answer:
    async with session.post(url, data=post.body, headers=post.headers, allow_redirects=False) as answer:
        status, retry_after = answer.status, answer.headers.get("Retry-After")
        answer.close()
    return Answer(status, retry_after)


def _session(addresses: Sequence[str], reach: Reach) -> ClientSession:
    from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector  # noqa: PLC0415 - heavy
    from aiohttp.abc import AbstractResolver, ResolveResult  # noqa: PLC0415

    class Pinned(AbstractResolver):
        """Knows the addresses that were checked, and no others."""

        async def resolve(
            self,
            host: str,
            port: int = 0,
            family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - the addresses are what they are
        ) -> list[ResolveResult]:
            return [
                ResolveResult(
                    hostname=host,
                    host=address,
                    port=port,
                    family=socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET,
                    proto=socket.IPPROTO_TCP,
                    flags=socket.AI_NUMERICHOST,
                )
                for address in addresses
            ]

        async def close(self) -> None:
            """Hold nothing."""

    return ClientSession(
        connector=TCPConnector(resolver=Pinned(), use_dns_cache=False, force_close=True, ssl=reach.tls or True),
        cookie_jar=DummyCookieJar(),
        timeout=ClientTimeout(total=reach.timeout, sock_connect=_CONNECT),
        skip_auto_headers=["Accept", "Accept-Encoding"],
        auto_decompress=False,
        trust_env=False,
    )


def _told(problem: Exception) -> str:
    """Return what went wrong, in words that no URL stands in."""
    cause = getattr(problem, "os_error", problem)
    words = (cause.strerror or "") if isinstance(cause, OSError) else ""
    return f"{type(problem).__name__} ({words})" if words else type(problem).__name__
