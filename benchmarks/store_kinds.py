"""The kinds of job stores that are measured, new and empty, on the servers of the tests.

A real Redis and a real PostgreSQL (without fsync), and moto for DynamoDB, each in a process of its own on this machine.
"""

from __future__ import annotations

import secrets

from tests.store.servers import moto_url, postgres_url, redis_url

from sqsjobs.store.base import JobStore
from sqsjobs.store.opening import open_store
from sqsjobs.store.provision import Provisioned

__all__ = ["STORES", "new_store"]

STORES = ("memory", "sqlite", "redis", "postgres", "dynamodb")


async def new_store(kind: str, directory: str) -> JobStore:
    """Return a new store of that kind, set up; files go into `directory`."""
    name = f"b{secrets.token_hex(4)}"
    match kind:
        case "memory":
            url = "memory://"
        case "sqlite":
            url = f"sqlite:///{directory}/{name}.db"
        case "redis":
            url = f"{redis_url()}?namespace={name}"
        case "postgres":
            url = f"{postgres_url()}?schema={name}"
        case "dynamodb":
            url = f"dynamodb://{name}?endpoint_url={moto_url()}"
        case _:
            raise SystemExit(f"{kind!r} is no kind of job store: there are {', '.join(STORES)}")
    store = open_store(url)
    if isinstance(store, Provisioned):
        await store.provision()
    return store
