"""What the configuration says of callbacks: where they may go, how they are signed, and how often they are tried."""

from __future__ import annotations

import re
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_network
from typing import Final, TypeAlias

from sqsjobs.callbacks.addresses import Network
from sqsjobs.callbacks.destinations import Destination, HostPattern
from sqsjobs.callbacks.lookups import resolved
from sqsjobs.callbacks.posts import Answer, Post, Reach, Resolve
from sqsjobs.callbacks.webhook import Webhook
from sqsjobs.errors import CallbackRefused, ConfigurationError
from sqsjobs.retry import Retry, exponential

__all__ = ["CALLBACK_TASK", "SCHEDULE", "Callbacks", "Deliver", "check_callback"]

CALLBACK_TASK: Final = "sqsjobs.callback"
"""The name of the task whose jobs post callbacks."""

SCHEDULE: Final = Retry(max_attempts=12, backoff=exponential(10, timedelta(hours=2), factor=4))
"""Within seconds at first, and then for up to half a day: 10 s, 40 s, 3 min, 11 min, 43 min and every 2 h, at the longest."""

MAX_RESULT_BYTES: Final = 262_144
"""The largest result of a callback: as text in a message it may have twice as many, encrypted a third more."""

_LONGEST_TIMEOUT: Final = 60.0

_HOSTS_KEY: Final = re.compile(r"(?!\s*(?i:wh(?:sec|sk|pk))_)(.+?)=(wh.*)", re.DOTALL)

Deliver: TypeAlias = Callable[[Post, Reach], Awaitable[Answer]]
"""Takes a callback to its receiver."""


async def over_http(post: Post, reach: Reach) -> Answer:
    """Post over HTTP, as callbacks are; raises what `posted` raises."""
    from sqsjobs.callbacks.posting import posted  # noqa: PLC0415 - with aiohttp

    return await posted(post, reach)


@dataclass(frozen=True, kw_only=True)
class Callbacks:
    """Callbacks that an app may be asked for with ``task.using(callback=...)``.

    Args:
        hosts: where they may go: ``shop.example`` (https at port 443), ``*.shop.example`` (all hosts below it),
            ``https://shop.example:8443``, or ``*`` (every host with a public address). All who enqueue or work need them.
        keys: with which they are signed: ``whsec_…`` (a secret), ``whsk_…`` (Ed25519); several while they are exchanged. Those
            for one of the hosts alone are written ``shop.example=whsec_…``. Workers need one for every host, others none.
        queue: where the jobs that post them go; by default to the queue of the job that has ended.
        retry: how often, and when, one is tried again.
        timeout: seconds, or a `timedelta`, for one try: up to 60.
        networks: addresses that are allowed though they are not public, such as ``10.20.0.0/16``; none by default.
        result_bytes: the largest result that a callback carries, up to 262,144; a larger one is left out of it.
        error_text: whether it has the texts of all errors, or only of those that the task wrote for others (`Reject`, `Discard`).
        tls: what certificates are verified by; the machine's authorities by default.
        resolve, deliver: how names become addresses, and posts arrive: for tests.

    Raises:
        ConfigurationError: if one of them cannot be.
    """

    hosts: Sequence[str]
    keys: Sequence[str] = field(default=(), repr=False)
    queue: str | None = None
    retry: Retry = SCHEDULE
    timeout: timedelta | float = 15.0
    networks: Sequence[str] = ()
    result_bytes: int = 65_536
    error_text: bool = False
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    resolve: Resolve = field(default=resolved, repr=False)
    deliver: Deliver = field(default=over_http, repr=False)
    _patterns: tuple[HostPattern, ...] = field(init=False, repr=False)
    _keys: tuple[tuple[HostPattern | None, str], ...] = field(init=False, repr=False)
    _reach: Reach = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.hosts, str) or not self.hosts:
            raise ConfigurationError("Callbacks: hosts is a list of at least one host that callbacks may go to")
        if isinstance(self.keys, str):
            raise ConfigurationError('Callbacks: keys is a list of texts, such as ["whsec_…"]')
        if not isinstance(self.retry, Retry):
            raise ConfigurationError(f"Callbacks: retry is a Retry(...), not {self.retry!r}")
        if not 0 <= self.result_bytes <= MAX_RESULT_BYTES:
            raise ConfigurationError(f"Callbacks: result_bytes is 0 to {MAX_RESULT_BYTES:,}, not {self.result_bytes!r}")
        self._set("_patterns", tuple(HostPattern.parse(host) for host in self.hosts))
        self._set("_keys", tuple(_keyed(text) for text in self.keys))
        self._set("_reach", Reach(self._networks(), self._seconds(), self.tls, self.resolve))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _networks(self) -> tuple[Network, ...]:
        try:
            return tuple(map(ip_network, self.networks))
        except ValueError as problem:
            raise ConfigurationError(f"Callbacks: networks are such as 10.20.0.0/16: {problem}") from None

    def _seconds(self) -> float:
        seconds = self.timeout.total_seconds() if isinstance(self.timeout, timedelta) else float(self.timeout)
        if not 0 < seconds <= _LONGEST_TIMEOUT:
            raise ConfigurationError(f"Callbacks: timeout is up to {_LONGEST_TIMEOUT:g} seconds, not {seconds:g}")
        return seconds

    @property
    def reach(self) -> Reach:
        """How far a post may go."""
        return self._reach

    def check(self, url: str) -> Destination:
        """Return where `url` leads, if callbacks may go there.

        Raises:
            CallbackRefused: if not.
        """
        destination = Destination.of(url)
        if not any(pattern.fits(destination) for pattern in self._patterns):
            raise CallbackRefused(
                f"callbacks may not go to {destination}: the app allows {', '.join(self.hosts)}; "
                f"add it to App(callbacks=Callbacks(hosts=[...])), or to SQSJOBS_CALLBACK_HOSTS"
            )
        return destination

    def check_keys(self) -> None:
        """Make sure that there is a key to sign with for every host that callbacks may go to.

        Raises:
            ConfigurationError: if not; it names the first host without one.
        """
        for text, pattern in zip(self.hosts, self._patterns, strict=True):
            if not any(known is None or known.covers(pattern) for known, _ in self._keys):
                raise ConfigurationError(
                    f"callbacks are signed, and there is no key to do it with for {text}: give the workers "
                    f"Callbacks(keys=[...]), or SQSJOBS_CALLBACK_KEYS=whsec_… (make one with `openssl rand -base64 32`)"
                )

    def webhook(self, destination: Destination) -> Webhook:
        """Return what signs callbacks to `destination`: the keys for its host, or where there are none, those for all.

        Raises:
            ConfigurationError: if there is neither.
        """
        own = [key for pattern, key in self._keys if pattern is not None and pattern.fits(destination)]
        keys = own or [key for pattern, key in self._keys if pattern is None]
        if not keys:
            raise ConfigurationError(f"there is no key to sign a callback to {destination} with: Callbacks(keys=[...])")
        return Webhook(keys)


def check_callback(callbacks: Callbacks | None, url: str) -> None:
    """Make sure that `callbacks`, what the app says of them, allow one to `url`.

    Raises:
        CallbackRefused: if not; the message says what to set.
    """
    if callbacks is None:
        raise CallbackRefused(
            f"this app sends no callbacks, and {Destination.of(url)} is wanted: say where they may go, with "
            f"App(callbacks=Callbacks(hosts=[...])), or SQSJOBS_CALLBACK_HOSTS"
        )
    callbacks.check(url)


def _keyed(text: str) -> tuple[HostPattern | None, str]:
    """Read ``whsec_…``, or ``shop.example=whsec_…``; what begins as a key does is one, and stands in no error as a host."""
    match = _HOSTS_KEY.fullmatch(text) if isinstance(text, str) else None
    host, key = match.groups() if match else (None, text)
    if not Webhook([key]).signs:
        raise ConfigurationError(
            "Callbacks: keys sign, and whpk_… only verifies: it is for receivers; keep its whsk_… here"
        )
    return (HostPattern.parse(host) if host else None), key
