"""``sqsjobs store``: with the rights of an administrator, which producers and workers do not need."""

from __future__ import annotations

import asyncio
from typing import Annotated

from cyclopts import Parameter

from sqsjobs.cli.console import note
from sqsjobs.cli.job import opened_later
from sqsjobs.cli.options import NO_BACKENDS, AppPath, Backends
from sqsjobs.errors import ConfigurationError
from sqsjobs.store.base import JobStore
from sqsjobs.store.provision import Provisioned

__all__ = ["apply_store"]


def apply_store(
    app: AppPath = "",
    /,
    *,
    dry_run: Annotated[bool, Parameter(alias="-n", help="Only say what would be done.")] = False,
    backends: Backends = NO_BACKENDS,
) -> None:
    """Make the tables of the job store, or bring them to this version.

    The job store is that of --store, else of the app, else of SQSJOBS_STORE.
    Stores without tables need nothing. Doing it again changes nothing.

        sqsjobs store apply shop.jobs:app --dry-run
        sqsjobs store apply --store postgresql://sqsjobs@db/jobs
    """
    store = opened_later(app, backends).unopened_store()
    if store is None:
        raise ConfigurationError("no job store: give --store, name one in the app, or set SQSJOBS_STORE")
    asyncio.run(_apply(store, dry_run=dry_run))


async def _apply(store: JobStore, *, dry_run: bool) -> None:
    made = await store.provision(dry_run=dry_run) if isinstance(store, Provisioned) else []
    for line in made:
        note(line)
    if not made:
        note(f"nothing to change: {store!r} is set up")
    elif dry_run:
        note("this was a dry run, so nothing was done")
    else:
        note(f"{store!r} is set up", "green")
