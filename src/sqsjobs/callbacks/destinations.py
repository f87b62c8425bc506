"""Where callbacks may go: URLs, taken apart more strictly than anybody does who follows them, and the hosts that are allowed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Self

from sqsjobs.errors import CallbackRefused, ConfigurationError

__all__ = ["MAX_URL_CHARACTERS", "Destination", "HostPattern"]

MAX_URL_CHARACTERS: Final = 2048
"""The longest URL of a callback."""

_PORTS: Final = {"https": 443, "http": 80}
_ORIGIN: Final = r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:(?P<port>[0-9]{1,5}))?"
_URL: Final = re.compile(
    rf"(?P<scheme>https?)://{_ORIGIN}([/?][!-~]*)?",
    re.ASCII | re.IGNORECASE,
)
_PATTERN: Final = re.compile(rf"((?P<scheme>https?)://)?(?P<any>\*\.)?{_ORIGIN}", re.ASCII | re.IGNORECASE)
_NAME: Final = re.compile(
    # The last label begins with a letter: what is all digits, or 0x…, is an address in disguise to some resolvers.
    r"(?=.{1,253}\Z)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a URL leads; its path and query, in which secrets may stand, are no part of it.

    Attributes:
        scheme: ``https``, or ``http``.
        host: a name or an address, in lower case, without brackets.
        port: the URL's, or the scheme's own.
    """

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")

    @classmethod
    def of(cls, url: str) -> Self:
        """Return where `url` leads.

        Raises:
            CallbackRefused: if it is no absolute URL with a host, or has a user, a fragment, or what one parser would take
                for something else than another. The error does not quote it.
        """
        if not isinstance(url, str) or len(url) > MAX_URL_CHARACTERS:
            raise CallbackRefused(f"a callback is a URL of up to {MAX_URL_CHARACTERS:,} characters")
        match = _URL.fullmatch(url)
        host = _host_of(match["host"]) if match else None
        if match is None or host is None or "#" in url or "\\" in url:
            raise CallbackRefused(
                "a callback is a URL such as https://shop.example/hooks/jobs: in ASCII (names in other alphabets as xn--…), "
                "without user, password and fragment"
            )
        scheme = match["scheme"].lower()
        port = int(match["port"] or _PORTS[scheme])
        if not 0 < port < 65536:
            raise CallbackRefused(f"a callback's port is 1 to 65535, not {port}")
        return cls(scheme, host, port)


@dataclass(frozen=True, slots=True)
class HostPattern:
    """Hosts that are allowed: ``shop.example``, ``*.shop.example`` (all below it), ``*`` (all that have a name).

    With a scheme before it, or a port behind it, it is for these; else for https at its own port.
    """

    scheme: str
    host: str
    port: int
    below: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a pattern.

        Raises:
            ConfigurationError: if it is none.
        """
        if text == "*":
            return cls("https", "", 443, below=True)
        match = _PATTERN.fullmatch(text) if isinstance(text, str) else None
        host = _host_of(match["host"]) if match else None
        if match is None or host is None or (match["any"] and _is_address(host)):
            raise ConfigurationError(
                f"{text!r} is no host that callbacks may go to: write shop.example, *.shop.example, "
                f"https://shop.example:8443, or * for every host with a public address"
            )
        scheme = (match["scheme"] or "https").lower()
        return cls(scheme, host, int(match["port"] or _PORTS[scheme]), below=bool(match["any"]))

    def fits(self, destination: Destination) -> bool:
        """Whether a callback to `destination` is allowed by it."""
        return self.covers(HostPattern(destination.scheme, destination.host, destination.port))

    def covers(self, other: HostPattern) -> bool:
        """Whether it is for every host that `other` is for."""
        if (self.scheme, self.port) != (other.scheme, other.port):
            return False
        if not self.below:
            return self.host == other.host and not other.below
        if not self.host:
            return not _is_address(other.host)
        return other.host.endswith(f".{self.host}") or (other.below and other.host == self.host)


def _host_of(text: str) -> str | None:
    """Return a host as it is compared; None for what is neither a name nor an address as it is usually written."""
    host = text.lower()
    if host.startswith("["):
        return host[1:-1] if _is_address(host[1:-1]) else None
    return host if _NAME.fullmatch(host) or _is_address(host) else None


def _is_address(host: str) -> bool:
    try:
        return str(ip_address(host)) == host
    except ValueError:
        return False
