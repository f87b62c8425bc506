"""The stores that the conformance suite runs against: a new one needs a line in `STORES`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.store.samples import FixedClock

from sqsjobs.clock import Clock
from sqsjobs.store.base import JobStore
from sqsjobs.store.memory import MemoryStore
from sqsjobs.store.sqlite import SqliteStore

STORES: dict[str, Callable[[Path, Clock], JobStore]] = {
    "memory": lambda directory, clock: MemoryStore(clock=clock),
    "sqlite": lambda directory, clock: SqliteStore(directory / "jobs.db", clock=clock),
}


@pytest.fixture
def clock():
    return FixedClock()


@pytest.fixture(params=STORES)
def unopened(request, tmp_path, clock):
    """A store of no records, not opened yet."""
    return STORES[request.param](tmp_path, clock)


@pytest.fixture
async def store(unopened):
    async with unopened:
        yield unopened
