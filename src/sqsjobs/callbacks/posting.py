"""Posts one callback: the one door of callbacks to the network, imported where the first one is posted.

The name is resolved once, every address of it is checked, and the connection goes to one of those: a name that changes its mind
(DNS rebinding) changes nothing. TLS is still verified for the name. No redirect is followed, no proxy asked, no cookie kept,
nothing of the body read.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from sqsjobs.callbacks.addresses import checked_addresses
from sqsjobs.callbacks.destinations import Destination
from sqsjobs.callbacks.posts import Answer, Post, Reach
from sqsjobs.errors import CallbackFailed, CallbackRefused

__all__ = ["posted"]

_CONNECT: Final = 5.0
"""Seconds that a connection may take."""


async def posted(post: Post, reach: Reach) -> Answer:
    """Post, and return what was answered.

    Raises:
        CallbackRefused: if the URL, or an address of its host, is none to post to.
        CallbackFailed: if no answer came.
    """
    to, url = Destination.of(post.url), _followed(post.url)
    try:
        async with asyncio.timeout(reach.timeout):
            addresses = checked_addresses(to.host, await reach.resolve(to.host, to.port), reach.networks)
            async with _session(addresses, reach) as session:
                return await _posted(session, url, post)
    except TimeoutError:
        raise CallbackFailed(f"{to} gave no answer within {reach.timeout:g} s") from None
    except (ClientError, OSError, ValueError) as problem:  # whose texts may have the URL, and so its secrets
        raise CallbackFailed(f"{to} cannot be reached: {_told(problem)}") from None


def _followed(checked: str) -> URL:
    """Return the URL as it is followed: as it was checked, nothing made nicer on the way."""
    url = URL(checked, encoded=True)
    to = Destination.of(checked)
    if ((url.host or "").lower(), url.port) != (to.host, to.port):  # two readings of one URL; no test has found any
        raise CallbackRefused(f"a callback to {to} would go elsewhere")
    return url


async def _posted(session: ClientSession, url: URL, post: Post) -> Answer:
    async with session.post(url, data=post.body, headers=post.headers, allow_redirects=False) as answer:
        status, retry_after = answer.status, answer.headers.get("Retry-After")
        answer.close()
    return Answer(status, retry_after)


def _session(addresses: Sequence[str], reach: Reach) -> ClientSession:
    return ClientSession(
        connector=TCPConnector(
            resolver=_Pinned(addresses), use_dns_cache=False, force_close=True, ssl=reach.tls or True
        ),
        cookie_jar=DummyCookieJar(),
        timeout=ClientTimeout(total=reach.timeout, sock_connect=_CONNECT),
        skip_auto_headers=["Accept", "Accept-Encoding"],
        auto_decompress=False,
        trust_env=False,
    )


class _Pinned(AbstractResolver):
    """Knows the addresses that were checked, and no others."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

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
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Hold nothing."""


def _told(problem: Exception) -> str:
    """Return what went wrong, in words that no URL stands in."""
    cause = getattr(problem, "os_error", problem)
    words = (cause.strerror or "") if isinstance(cause, OSError) else ""
    return f"{type(problem).__name__} ({words})" if words else type(problem).__name__
