"""``sqsjobs queues``: with the rights of an administrator, which producers and workers do not need."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Parameter

from sqsjobs.app import App
from sqsjobs.cli.console import counted, note, show_json, show_table
from sqsjobs.cli.metrics import costs_at, show_costs, told_cost
from sqsjobs.cli.options import NO_BACKENDS, AppPath, Backends, app_path, open_later
from sqsjobs.transport.base import QueueDescription
from sqsjobs.transport.provision import QueueSpec

__all__ = ["apply_queues", "list_queues", "stats_queues", "wanted_queues"]

_MORE_THAN_ATTEMPTS = 10
"""Deliveries that a message may have beyond its attempts before SQS dead-letters it: releases, polls nobody saw."""

Json = Annotated[bool, Parameter(help="Print JSON.")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How the queues are to be.

    Attributes:
        queue: Another queue than those of the app's tasks. May be repeated.
        max_receive_count: Deliveries after which SQS itself dead-letters a message.
        retention: Seconds that messages are kept; by default as it is, or 4 days.
    """

    queue: Annotated[tuple[str, ...], Parameter(alias="-q")] = ()
    max_receive_count: int = 100
    retention: int | None = None


def apply_queues(
    app: AppPath = "",
    /,
    *,
    dry_run: Annotated[bool, Parameter(alias="-n", help="Only say what would be done.")] = False,
    wanted: Wanted = Wanted(),
    backends: Backends = NO_BACKENDS,
) -> None:
    """Create an app's queues, or bring them to what it needs.

    Each queue of the app's tasks gets a dead-letter queue, a redrive policy,
    encryption by SQS, and a policy that refuses plain HTTP; whatever else it has
    is left alone. Doing it again changes nothing.

        sqsjobs queues apply shop.jobs:app --dry-run
        sqsjobs queues apply shop.jobs:app --max-receive-count 50
    """
    loaded = open_later(app_path(app), backends)
    asyncio.run(_apply(loaded, wanted_queues(loaded, wanted), dry_run=dry_run))


def wanted_queues(app: App, wanted: Wanted | None = None) -> list[QueueSpec]:
    """Return what the queues of an app have to be; those that are named by URL belong to somebody else."""
    wanted = wanted or Wanted()
    names = [name for name in (*app.registry.queues(), *wanted.queue) if "://" not in name]
    most = {name: max((t.retry.max_attempts for t in app.registry if t.queue == name), default=0) for name in names}
    return [
        QueueSpec(
            name,
            max_receive_count=max(wanted.max_receive_count, most[name] + _MORE_THAN_ATTEMPTS),
            retention=wanted.retention,
        )
        for name in most
    ]


async def _apply(app: App, specs: Sequence[QueueSpec], *, dry_run: bool) -> None:
    async with app.queue_admin() as admin:
        changes = await admin.plan(specs)
        for change in changes:
            note(str(change))
        if not changes:
            note(f"nothing to change: {counted(len(specs), 'queue')} checked")
        elif dry_run:
            note(f"{counted(len(changes), 'change')} to make; this was a dry run, so nothing was done")
        else:
            await admin.apply(changes)
            note(f"{counted(len(changes), 'change')} made", "green")


def list_queues(
    app: AppPath = "",
    /,
    *,
    prefix: Annotated[str, Parameter(help="Only names that begin so.")] = "",
    json: Json = False,
    backends: Backends = NO_BACKENDS,
) -> None:
    """List queues by name.

    All that these credentials see in the region; of an app, those with its
    prefix, which is left out.

        sqsjobs queues list
        sqsjobs queues list shop.jobs:app --prefix images
    """
    loaded = open_later(app, backends) if app else _any_app(backends)
    names = asyncio.run(_list(loaded, prefix))
    if json:
        show_json(names)
    else:
        show_table(["QUEUE"], [[name] for name in names])


def _any_app(backends: Backends) -> App:
    """An app of which only the settings matter."""
    return App(
        "sqsjobs",
        endpoint_url=backends.endpoint_url,
        region=backends.region,
        queue_prefix=backends.queue_prefix,
    )


async def _list(app: App, prefix: str) -> list[str]:
    async with app.queue_admin() as admin:
        return await admin.list_queues(prefix)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Costs:
    """Where to read what jobs cost.

    Attributes:
        metrics: Also tell what jobs cost, by the metrics at this URL: a producer's or a worker's. May be repeated.
        request_price: Dollars for a million requests; by default AWS's list price.
    """

    metrics: tuple[str, ...] = ()
    request_price: float | None = None


def stats_queues(
    app: AppPath = "",
    /,
    *,
    queue: Annotated[tuple[str, ...], Parameter(alias="-q", help="Only this queue. May be repeated.")] = (),
    json: Json = False,
    costs: Costs = Costs(),
    backends: Backends = NO_BACKENDS,
) -> None:
    r"""Count the messages of an app's queues, and their dead letters.

    Waiting messages may be received now. Those in flight were received, and run
    or wait for a retry. Delayed ones are not due yet. Dead letters lie in the
    queue's dead-letter queue, where workers put what failed for good, and SQS
    itself what was received more than "max receives" times. The counts are
    SQS's own, and lag by up to a minute.

    What jobs cost only those know who make the requests to SQS: name the URLs
    of their metrics. Producers know what it takes to send a job, workers what
    it takes to work on it; the total is there once both are known. "Empty
    receives" is the part of the receives that brought no message: 0.5 is half.

        sqsjobs queues stats shop.jobs:app
        sqsjobs queues stats shop.jobs:app --queue images --json
        sqsjobs queues stats shop.jobs:app --metrics http://web:9000/metrics \
            --metrics http://worker:9000/metrics
    """
    loaded = open_later(app_path(app), backends)
    told = costs_at(costs.metrics) if costs.metrics else {}
    rows = asyncio.run(_stats(loaded, queue or loaded.registry.queues()))
    cost = {row["queue"]: told_cost(told.get(row["queue"]), costs.request_price) for row in rows if costs.metrics}
    if json:
        show_json([row | cost.get(row["queue"], {}) for row in rows])
        return
    show_table([column.upper() for column in rows[0]] if rows else ["QUEUE"], [list(row.values()) for row in rows])
    if cost:
        sys.stdout.write("\n")
        show_costs(cost)


async def _stats(app: App, queues: Sequence[str]) -> list[dict[str, Any]]:
    async with app.queue_admin() as admin:
        described = await admin.stats(queues)
        urls = [it.dead_letter_queue for it in described if it.dead_letter_queue]
        dead = {it.url: it.visible for it in await admin.stats(urls)}
    return [_row(it, dead.get(it.dead_letter_queue or "")) for it in described]


def _row(queue: QueueDescription, dead: int | None) -> dict[str, Any]:
    return {
        "queue": queue.name,
        "waiting": queue.visible,
        "in flight": queue.in_flight,
        "delayed": queue.delayed,
        "dead letters": dead,
        "max receives": queue.max_receive_count,
    }
