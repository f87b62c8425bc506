"""The table of the job store in DynamoDB: on demand, with a time to live and two indexes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final  # Any: botocore has no types

from sqsjobs.errors import ConfigurationError, StoreUnavailable
from sqsjobs.store.dynamodb.client import DynamoClient

__all__ = ["check_table", "provide_table"]

_INDEXES: Final = {"by_day": "day", "by_end": "ended"}
_PATIENCE: Final = 120.0
"""Seconds for which a new table, or index, is waited for."""


async def provide_table(client: DynamoClient, table: str, *, dry_run: bool) -> list[str]:
    """Make the table and what it lacks; return what was made, or with `dry_run` would be, a line each."""
    found = await _found(client, table)
    if found is None:
        return await _create(client, table, dry_run=dry_run)
    return await _complete(client, table, found, dry_run=dry_run)


async def check_table(client: DynamoClient, table: str) -> None:
    """Make sure that there is such a table, with our key.

    Raises:
        ConfigurationError: if there is none, or these credentials may not read it.
        StoreError: if it has another key.
    """
    # Workers need no right to describe tables: a read of nothing tells as much.
    await client.call("get_item", TableName=table, Key={"id": {"S": "-"}})


async def _create(client: DynamoClient, table: str, *, dry_run: bool) -> list[str]:
    made = [f"table {table}: on demand, key id, indexes {', '.join(_INDEXES)}", f"table {table}: time to live by ttl"]
    if dry_run:
        return made
    attributes = ("id", "place", *_INDEXES.values())
    await client.call(
        "create_table",
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in attributes],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[_index(name) for name in _INDEXES],
    )
    await _ready(client, table)
    await _expire(client, table)
    return made


async def _complete(client: DynamoClient, table: str, found: Mapping[str, Any], *, dry_run: bool) -> list[str]:
    _check_key(table, found)
    present = {index["IndexName"] for index in found.get("GlobalSecondaryIndexes", ())}
    made = []
    for name in sorted(_INDEXES.keys() - present):
        made.append(f"table {table}: index {name}")
        if not dry_run:
            await _add_index(client, table, name)
    if not await _expires(client, table):
        made.append(f"table {table}: time to live by ttl")
        if not dry_run:
            await _expire(client, table)
    return made


def _check_key(table: str, found: Mapping[str, Any]) -> None:
    if found["KeySchema"] != [{"AttributeName": "id", "KeyType": "HASH"}]:
        raise ConfigurationError(
            f"table {table} is another application's (its key is not id alone): name one of its own"
        )


def _index(name: str) -> dict[str, Any]:
    return {
        "IndexName": name,
        "KeySchema": [
            {"AttributeName": _INDEXES[name], "KeyType": "HASH"},
            {"AttributeName": "place", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }


async def _add_index(client: DynamoClient, table: str, name: str) -> None:
    # DynamoDB makes one index at a time.
    await client.call(
        "update_table",
        TableName=table,
        AttributeDefinitions=[{"AttributeName": it, "AttributeType": "S"} for it in ("id", "place", _INDEXES[name])],
        GlobalSecondaryIndexUpdates=[{"Create": _index(name)}],
    )
    await _ready(client, table)


async def _expires(client: DynamoClient, table: str) -> bool:
    described = (await client.call("describe_time_to_live", TableName=table))["TimeToLiveDescription"]
    return described["TimeToLiveStatus"] in {"ENABLED", "ENABLING"}


async def _expire(client: DynamoClient, table: str) -> None:
    await client.call(
        "update_time_to_live", TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"}
    )


async def _found(client: DynamoClient, table: str) -> Mapping[str, Any] | None:
    answer = await client.call_unless_absent("describe_table", TableName=table)
    return None if answer is None else dict(answer["Table"])


async def _ready(client: DynamoClient, table: str) -> None:
    """Wait until table and indexes can be used; AWS takes some seconds for a new table, and has no event for it."""
    deadline = asyncio.get_running_loop().time() + _PATIENCE
    pause = 0.0
    while asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(pause)
        found = await _found(client, table) or {}
        states = [found.get("TableStatus"), *(it.get("IndexStatus") for it in found.get("GlobalSecondaryIndexes", ()))]
        if set(states) <= {"ACTIVE"}:
            return
        pause = min(2.0, pause + 0.5)
    raise StoreUnavailable(f"table {table} was not ready after {_PATIENCE:g} s: run the command again")
