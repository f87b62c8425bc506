"""From an open client of aioboto3 to the lean path: what only aioboto3 can do, and otherwise where to, trusting whom.

What botocore was told by environment, profile and session has many sources, and it alone knows them all. So it is
the opened client that is read, some of it by names that botocore keeps to itself: a client that does not look
as expected is one that the lean path cannot stand in for.
"""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from sqsjobs.transport.server_time import ServerTime
from sqsjobs.transport.wire.client import HOT, CredentialSource, LeanClient
from sqsjobs.transport.wire.pool import Connections, Origin
from sqsjobs.transport.wire.signing import Credentials, Signer

__all__ = ["SessionCredentials", "obstacle", "open_lean"]

HOOKS: Final = (
    "provide-client-params",
    "before-parameter-build",
    "before-call",
    "request-created",
    "choose-signer",
    "before-sign",
    "before-send",
    "response-received",
    "before-parse",
    "after-call",
)
"""The events by which a session's owner sees or changes requests and answers (boto3's guide, "Extensibility")."""
OWN_LISTENERS: Final = frozenset({"aiobotocore.signers", "botocore.handlers", "botocore.useragent"})
"""The modules of botocore that listen to them for every client; its monitoring does where the environment says so."""

_BETWEEN_RENEWALS: Final = 5.0


def obstacle(client: Any) -> str | None:
    """Say what the lean path cannot do of what `client` is configured to do; None if it can do it all."""
    try:
        return next(_obstacles(client), None)
    except AttributeError as error:
        return f"a client unlike those of aioboto3 15 ({error})"


def _obstacles(client: Any) -> Iterator[str]:
    http, config = client._endpoint.http_session, client.meta.config  # noqa: SLF001 - see the module's docstring
    url = urlsplit(client.meta.endpoint_url)
    if not hasattr(http, "_get_ssl_context"):
        yield f"an HTTP session of its own kind ({type(http).__name__})"
    if http._proxy_config.proxy_url_for(client.meta.endpoint_url):  # noqa: SLF001
        yield f"a proxy for {url.hostname}"
    if http._cert_file:  # noqa: SLF001
        yield "a client certificate"
    if config.connector_args.keys() - {"keepalive_timeout"}:
        yield "connector arguments"
    if config.signature_version != "v4":
        yield f"signature version {config.signature_version}"
    if "-iso" in client.meta.region_name and (config.use_fips_endpoint or config.use_dualstack_endpoint):
        yield "a FIPS or dual-stack endpoint of an isolated region"  # where meta.endpoint_url is not what is used
    if url.path.strip("/") or url.query or "@" in url.netloc:
        yield "an endpoint with more to it than host and port"
    if foreign := _foreign_hooks(client):
        yield f"a handler for {foreign[0]} that is not botocore's own"


def _foreign_hooks(client: Any) -> list[str]:
    """Return the events that others than botocore itself listen to."""
    listeners = client.meta.events._emitter._handlers  # noqa: SLF001 - botocore lists no listeners
    return [
        f"{hook}.sqs.{operation}"
        for hook, operation in product(HOOKS, HOT)
        for listener in listeners.prefix_search(f"{hook}.sqs.{operation}")
        if getattr(listener, "__module__", None) not in OWN_LISTENERS
    ]


@asynccontextmanager
async def open_lean(
    client: Any,
    credentials: CredentialSource,
    connections: int,
    *,
    connect_timeout: float,
    trusted: str,
    server_time: ServerTime | None = None,
) -> AsyncIterator[LeanClient]:
    """Open the lean path to where `client` sends, with a pool of up to `connections`.

    Args:
        client: of aioboto3, with no `obstacle`.
        credentials: whom requests are signed as.
        connections: at once.
        connect_timeout: seconds.
        trusted: path of the certificates to trust.
        server_time: hears the dates of answers.

    Raises:
        OSError: if they cannot be read.
    """
    url = urlsplit(client.meta.endpoint_url)
    secure = url.scheme == "https"
    tls = await asyncio.to_thread(_context, trusted) if secure else None
    origin = Origin(url.hostname or "", url.port or (443 if secure else 80), tls)
    pool = Connections(origin, connections, connect_timeout=connect_timeout)
    try:
        yield LeanClient(pool, Signer(origin.header, client.meta.region_name), credentials, server_time)
    finally:
        await pool.aclose()


def _context(trusted: str) -> ssl.SSLContext:
    return _context_of(trusted, Path(trusted).stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _context_of(trusted: str, _version: int) -> ssl.SSLContext:
    """Return one context for all clients: reading the certificates takes 20 to 40 ms, and a megabyte each time."""
    return ssl.create_default_context(cafile=trusted)


class SessionCredentials:
    """The credentials of a session of aioboto3, which renew themselves.

    Args:
        found: what `aioboto3.Session.get_credentials` returns.
    """

    def __init__(self, found: Any) -> None:
        self._found = found
        self._frozen: tuple[Any, ...] | None = None
        self._credentials: Credentials
        self._refused_at = -math.inf

    async def current(self) -> Credentials:
        """Return the credentials, renewed if need be. It raises what botocore does where that fails."""
        frozen = await self._found.get_frozen_credentials()
        if frozen != self._frozen:
            self._credentials = Credentials(frozen.access_key, frozen.secret_key, frozen.token)
            self._frozen = frozen
        return self._credentials

    def refused(self) -> None:
        """Have them renewed before the next request, since SQS takes them no more, whatever their date says.

        At most once in five seconds: several requests are refused together, and another renewal may not help. What
        cannot be renewed, such as the keys of a user, stays as it is.
        """
        now, renewable = time.monotonic(), getattr(self._found, "_expiry_time", None) is not None
        if renewable and now >= self._refused_at + _BETWEEN_RENEWALS:
            self._refused_at = now
            self._found._expiry_time = datetime.now(UTC)  # noqa: SLF001 - see the module's docstring
