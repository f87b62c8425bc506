"""The stores that the conformance suite runs against: a new one needs a line in `STORES`."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.store.samples import FixedClock
from tests.store.servers import moto_url, postgres_url, redis_url

from sqsjobs.clock import Clock
from sqsjobs.store.base import JobStore
from sqsjobs.store.memory import MemoryStore
from sqsjobs.store.sqlite import SqliteStore


def redis_store(directory: Path, clock: Clock) -> JobStore:
    from sqsjobs.store.redis import RedisStore  # noqa: PLC0415 - only where it is tested

    return RedisStore(redis_url(), namespace=secrets.token_hex(4), clock=clock)


def postgres_store(directory: Path, clock: Clock) -> JobStore:
    from sqsjobs.store.postgres import PostgresStore  # noqa: PLC0415 - the same

    store = PostgresStore(postgres_url(), schema=f"s{secrets.token_hex(4)}", clock=clock)
    with asyncio.Runner() as runner:
        runner.run(store.provision())
    return store


def dynamodb_store(directory: Path, clock: Clock) -> JobStore:
    from sqsjobs.store.dynamodb import DynamoStore  # noqa: PLC0415 - the same

    store = DynamoStore(f"jobs-{secrets.token_hex(4)}", endpoint_url=moto_url(), wait=30, clock=clock)
    with asyncio.Runner() as runner:
        runner.run(store.provision())
    return store


STORES: dict[str, Callable[[Path, Clock], JobStore]] = {
    "memory": lambda directory, clock: MemoryStore(clock=clock),
    "sqlite": lambda directory, clock: SqliteStore(directory / "jobs.db", clock=clock),
    "redis": redis_store,
    "postgres": postgres_store,
    "dynamodb": dynamodb_store,
}
"""What makes an unopened store of no records; it skips the test where there is no such server."""


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
