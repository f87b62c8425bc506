"""Where SQS and its queues are: endpoints, names with a prefix, URLs, and who may be talked to without TLS.

Queues and endpoints come from configuration alone, and a signed request must not travel in the clear:
``http://`` is for this machine, or for where the configuration says so in as many words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from sqsjobs.errors import ConfigurationError

__all__ = ["QueueAddress", "SqsEndpoint", "check_url", "dead_letter_name", "is_loopback"]

_NAME: Final = re.compile(r"(?=.{1,80}\Z)[A-Za-z0-9_-]+(\.fifo)?")
"""CreateQueue, `QueueName`: up to 80 characters, the suffix ``.fifo`` included."""
_REGIONAL_HOST: Final = re.compile(r"sqs\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?")


@dataclass(frozen=True, slots=True)
class SqsEndpoint:
    """Who is asked, and as whom.

    Attributes:
        region: of the queues; None for what AWS_REGION or the profile says.
        endpoint_url: of another server than AWS's; on this machine it needs neither credentials nor a region.
        session_factory: makes the `aioboto3.Session` to use, None for the default one. Called at every opening,
            because a session's credentials renew themselves on one event loop alone.
        allow_http: talk plain http to other hosts than this machine (an emulator in a container).

    Raises:
        ConfigurationError: if `endpoint_url` is none that signed requests may be sent to.
    """

    region: str | None = None
    endpoint_url: str | None = None
    session_factory: Callable[[], Any] | None = None  # of aioboto3.Session, which takes most of a second to import
    allow_http: bool = False

    def __post_init__(self) -> None:
        if self.endpoint_url is not None:
            check_url(self.endpoint_url, allow_http=self.allow_http)

    @property
    def local(self) -> bool:
        """Whether it is a server on this machine."""
        return self.endpoint_url is not None and is_loopback(self.endpoint_url)

    def address(self, queue: str, *, prefix: str = "") -> QueueAddress:
        """Return where `queue`, a name (to which `prefix` is added) or a URL, is to be found here.

        Raises:
            ConfigurationError: if it is neither, or a URL that requests to this endpoint cannot reach.
        """
        if "://" not in queue:
            return QueueAddress(_checked_name(prefix + queue))
        check_url(queue, allow_http=self.allow_http)
        host = _REGIONAL_HOST.fullmatch(urlsplit(queue).hostname or "")
        if host and self.region and not self.endpoint_url and host["region"] != self.region:
            raise ConfigurationError(
                f"queue {queue} is in region {host['region']}, but requests go to {self.region}: "
                f"set the region (AWS_REGION) to the queue's"
            )
        return QueueAddress(_checked_name(queue.rstrip("/").rpartition("/")[2]), queue)


@dataclass(frozen=True, slots=True)
class QueueAddress:
    """A queue as SQS is asked for it: by `name` (the prefix included), or at a `url` that is known already."""

    name: str
    url: str | None = None


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is no queue name: SQS takes 1 to 80 letters, digits, hyphens and underscores, "
            f"and the ending '.fifo' for a FIFO queue"
        )
    return name


def check_url(url: str, *, allow_http: bool = False) -> None:
    """Raise `ConfigurationError` unless signed requests may be sent to `url`."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(f"{url!r} is no http(s) URL")
    if parts.scheme == "http" and not allow_http and not is_loopback(url):
        raise ConfigurationError(
            f"{url} would carry signed requests in the clear: use https; plain http is for this machine "
            f"(localhost), or for an emulator elsewhere with allow_http=True"
        )


def is_loopback(url: str) -> bool:
    """Whether `url` leads to this machine by its very name; nothing is resolved."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def dead_letter_name(queue: str) -> str:
    """Return the name of the queue's dead-letter queue: ``x-dlq`` for ``x``, ``x-dlq.fifo`` for ``x.fifo``."""
    stem = queue.removesuffix(".fifo")
    return f"{stem}-dlq{queue[len(stem) :]}"
