"""What commands read of the metrics that workers and producers serve."""

from __future__ import annotations

from http.client import HTTPException
from typing import Final
from urllib.parse import urlsplit
from urllib.request import urlopen

from sqsjobs.errors import ConfigurationError
from sqsjobs.observability.costs import QueueCost

__all__ = ["costs_at"]

_SECONDS: Final = 5.0
"""How long an answer may take."""
_MOST_BYTES: Final = 16 * 2**20


def costs_at(urls: tuple[str, ...]) -> dict[str, QueueCost]:
    """Return what the jobs of each queue cost, by the metrics served at `urls`, taken together.

    Raises:
        ConfigurationError: if there are none.
    """
    from sqsjobs.observability.metrics import costs_told  # noqa: PLC0415 - with prometheus_client

    texts = {url: _read(url) for url in urls}
    try:
        return {cost.queue: cost for cost in costs_told(texts.values())}
    except ValueError as error:
        raise ConfigurationError(f"what {', '.join(urls)} answers are no metrics of Prometheus: {error}") from error


def _read(url: str) -> str:
    where = urlsplit(url)
    if where.scheme not in ("http", "https") or not where.hostname:
        raise ConfigurationError(f"--metrics is a URL such as http://worker:9000/metrics, not {url!r}")
    if where.path in ("", "/"):
        where = where._replace(path="/metrics")
    try:
        with urlopen(where.geturl(), timeout=_SECONDS) as answer:  # noqa: S310 - see above
            return str(answer.read(_MOST_BYTES).decode())
    except (OSError, HTTPException, ValueError) as error:
        raise ConfigurationError(
            f"no metrics at {where.geturl()}: {error}. A worker serves them with --metrics-port"
        ) from error
