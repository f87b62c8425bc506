"""What commands read of the metrics that workers and producers serve, and tell of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import urlopen

from sqsjobs.cli.console import note, show_table
from sqsjobs.errors import ConfigurationError
from sqsjobs.observability.costs import QueueCost

__all__ = ["costs_at", "show_costs", "told_cost"]

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


def told_cost(cost: QueueCost | None, price: float | None) -> dict[str, Any]:
    """Return what is told of a queue's cost, at `price` dollars for a million requests or AWS's.

    What a job costs is told by side, and in total only where both sides are known; None is what is not.
    """
    cost = cost or QueueCost("")
    empty = cost.empty_receive_ratio()
    return {
        "requests a job": _by_side(cost, 1.0),
        "dollars a million jobs": _by_side(cost, cost.price(price)),
        "empty receives": None if empty is None else round(empty, 3),
    }


def _by_side(cost: QueueCost, price: float) -> dict[str, float | None]:
    requests = cost.requests_per_job()
    sides: dict[str, float | None] = {"send": requests.get("send"), "work": requests.get("work")}
    sides["total"] = None if None in sides.values() else sum(requests.values())
    return {side: None if per_job is None else round(per_job * price, 3) for side, per_job in sides.items()}


def show_costs(costs: Mapping[str, Mapping[str, Any]]) -> None:
    """Print what was told of each queue's cost, a row for each side, and say where to ask for a side that is missing."""
    rows = [row for queue, cost in costs.items() for row in _rows(queue, cost)]
    show_table(["QUEUE", "SIDE", "REQUESTS A JOB", "DOLLARS A MILLION JOBS", "EMPTY RECEIVES"], rows)
    if any(told == "unknown" for _, _, told, *_ in rows):
        note("producers know what it costs to send, workers to work on it: name the metrics of both with --metrics")


def _rows(queue: str, cost: Mapping[str, Any]) -> Iterator[Sequence[object]]:
    dollars = cost["dollars a million jobs"]
    for side, requests in cost["requests a job"].items():
        empty = cost["empty receives"] if side == "work" else None
        if requests is not None:
            yield queue, side, requests, dollars[side], empty
        elif side != "total":
            yield queue, side, "unknown", "unknown", empty


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
            f"no metrics at {where.geturl()}: {error}. A worker serves them with --metrics-port, a producer's program "
            "as docs/observability.md shows"
        ) from error
