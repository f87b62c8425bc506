"""Records as items of one DynamoDB table: a write a step, on condition of the version that was seen."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any, Final, Self  # Any: botocore has no types

from sqsjobs.batching import Batcher
from sqsjobs.errors import ConfigurationError
from sqsjobs.job import JobId
from sqsjobs.store import rules
from sqsjobs.store.base import JobRecord
from sqsjobs.store.dynamodb.client import DynamoClient, Item, Refused
from sqsjobs.store.dynamodb.items import entry_of, key_id, key_item, put, record_of, update
from sqsjobs.store.dynamodb.listing import Lister
from sqsjobs.store.dynamodb.table import check_table
from sqsjobs.store.ledger import Entry, Key, Listed, Move, Verdict, View, new_version
from sqsjobs.store.listing import JobQuery, Place

__all__ = ["DynamoLedger"]

_READ_NAMES: Final = {f"#{name}": name for name in ("id", "version", "fields", "kept", "unique", "group", "result")}
"""What decisions look at, which is all but the envelope; hundreds of names are words of DynamoDB."""
_READ: Final = ", ".join(_READ_NAMES)


class DynamoLedger:
    """A `Ledger` in one table.

    Args:
        client: not opened yet.
        table: its name.
    """

    def __init__(self, client: DynamoClient, table: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_.-]{3,255}", table):
            raise ConfigurationError(f"{table[:80]!r} is no name of a DynamoDB table: 3 to 255 of A-Z a-z 0-9 _ . -")
        self.client = client
        self.table = table
        self._lister = Lister(client, table, self._records)
        self._closing = AsyncExitStack()

    def __repr__(self) -> str:
        return self.table

    def clone(self) -> DynamoLedger:
        """Return an unopened ledger of the same entries."""
        return DynamoLedger(self.client.clone(), self.table)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opening:
            await opening.enter_async_context(self.client)
            await check_table(self.client, self.table)
            self._reads = await opening.enter_async_context(Batcher(self._read_surely, max_items=100))
            self._glances = await opening.enter_async_context(Batcher(self._read_lately, max_items=100))
            self._closing = opening.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._closing.aclose()

    async def read(self, ids: Sequence[JobId], keys: Sequence[Key] = ()) -> View:
        entries, holders = await asyncio.gather(
            asyncio.gather(*map(self._reads.submit_nowait, ids)), asyncio.gather(*map(self._holder, keys))
        )
        return View(dict(zip(ids, entries, strict=True)) | {it.record.id: it for it in holders if it}) | View(
            holders={key: it.record.id if it else None for key, it in zip(keys, holders, strict=True)}
        )

    async def whole(self, job_id: JobId) -> JobRecord | None:
        item = await self._item(job_id)
        return None if item is None else record_of(item)

    async def newest(self, query: JobQuery, after: Place | None, now: float) -> Listed:
        return await self._lister.newest(query, after, now)

    async def commit(self, moves: Sequence[Move], now: float) -> Verdict:
        taken = [move.after for move in moves if move.after and _takes_key(move)]
        if len(moves) == 1 and not taken:
            verdict = await self._write_one(moves[0])
        else:
            verdict = await self._write_together(moves, taken, now)
        if verdict.done:
            await asyncio.gather(
                *(self._free_key(move.before.record) for move in moves if _frees_key(move) and move.before)
            )
        return verdict

    async def purge(self, now: float) -> int:
        """Do `Ledger.purge`, by reading the whole table; DynamoDB drops expired records by itself within two days."""
        dropped = 0
        start: dict[str, Any] = {}
        while True:
            page: Any = await self.client.call(
                "scan",
                TableName=self.table,
                FilterExpression="attribute_exists(#version)",
                ProjectionExpression=_READ,
                ExpressionAttributeNames=_READ_NAMES,
                ConsistentRead=True,
                **start,
            )
            expired = [move for item in page["Items"] if (move := _expiry(entry_of(item), now))]
            verdicts = await asyncio.gather(*(self.commit([move], now) for move in expired))
            dropped += sum(it.done and move.after is None for it, move in zip(verdicts, expired, strict=True))
            if "LastEvaluatedKey" not in page:
                return dropped
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    async def _write_one(self, move: Move) -> Verdict:
        operation, parameters = _operation(move)
        guessed = move.before is not None and move.before.guessed
        returned = {"ReturnValues": "ALL_NEW"} if guessed else {}
        try:
            answer = await self.client.call(
                operation,
                TableName=self.table,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **parameters,
                **returned,
            )
        except Refused as refused:
            return Verdict(done=False, view=View({move.id: entry_of(refused.item)}) if refused.item else View())
        written = entry_of(answer["Attributes"]) if guessed else move.written
        return Verdict(done=True, view=View({move.id: written}))

    async def _write_together(self, moves: Sequence[Move], taken: Sequence[JobRecord], now: float) -> Verdict:
        if any(move.before and move.before.guessed for move in moves):
            return Verdict(done=False)  # a transaction does not say what it found
        deleted = [move.id for move in moves if move.after is None]
        steps = [_step(*_operation(move)) for move in moves]
        steps += [_taking_key(record, deleted, now) for record in taken]
        steps = [_at(step, self.table) for step in steps]
        try:
            await self.client.call("transact_write_items", TransactItems=steps)
        except Refused:
            return Verdict(done=False)
        return Verdict(done=True, view=View({move.id: move.written for move in moves}))

    async def _free_key(self, record: JobRecord) -> None:
        """Drop the item of a key whose job has ended; one that is left by a crash is dropped by who finds it."""
        await self._drop_key(key_id(record.task, record.unique or ""), record.id)

    async def _drop_key(self, key: str, job_id: str) -> None:
        try:
            await self.client.call(
                "delete_item",
                TableName=self.table,
                Key={"id": {"S": key}},
                ConditionExpression="#job = :job",
                ExpressionAttributeNames={"#job": "job"},
                ExpressionAttributeValues={":job": {"S": job_id}},
            )
        except Refused:
            return  # it has another holder by now

    async def _holder(self, key: Key) -> Entry | None:
        item = await self._item(key_id(*key))
        if item is None:
            return None
        job_id = JobId(item["job"]["S"])
        holder = await self._reads.submit(job_id)
        if holder and not holder.record.status.ended and (holder.record.task, holder.record.unique) == key:
            return holder
        await self._drop_key(key_id(*key), job_id)
        return None

    async def _item(self, item_id: str) -> Item | None:
        answer = await self.client.call(
            "get_item", TableName=self.table, Key={"id": {"S": item_id}}, ConsistentRead=True
        )
        found: Item | None = answer.get("Item")
        return found

    async def _records(self, ids: Sequence[JobId]) -> list[JobRecord]:
        """Read what is listed: it may lag a moment, as the index does that the ids are of, and costs half."""
        entries = await asyncio.gather(*map(self._glances.submit_nowait, ids))
        return [entry.record for entry in entries if entry]

    async def _read_surely(self, ids: list[JobId]) -> list[Entry | None]:
        return await self._read_many(ids, surely=True)

    async def _read_lately(self, ids: list[JobId]) -> list[Entry | None]:
        return await self._read_many(ids, surely=False)

    async def _read_many(self, ids: list[JobId], *, surely: bool) -> list[Entry | None]:
        asked: Any = {
            "Keys": [{"id": {"S": job_id}} for job_id in dict.fromkeys(ids)],
            "ProjectionExpression": _READ,
            "ExpressionAttributeNames": _READ_NAMES,
            "ConsistentRead": surely,
        }
        entries: dict[str, Entry] = {}
        while asked:
            answer = await self.client.call("batch_get_item", RequestItems={self.table: asked})
            entries |= {item["id"]["S"]: entry_of(item) for item in answer["Responses"].get(self.table, ())}
            asked = answer.get("UnprocessedKeys", {}).get(self.table)
        return [entries.get(job_id) for job_id in ids]


def _operation(move: Move) -> tuple[str, dict[str, Any]]:
    if move.after is None:
        return "delete_item", {
            "Key": {"id": {"S": move.id}},
            "ConditionExpression": "#version = :before",
            "ExpressionAttributeNames": {"#version": "version"},
            "ExpressionAttributeValues": {":before": {"S": move.before.version if move.before else ""}},
        }
    if move.before is None:
        return "put_item", {"Item": put(move.after, move.version), "ConditionExpression": "attribute_not_exists(id)"}
    return "update_item", update(move)


_STEPS: Final = {"delete_item": "Delete", "put_item": "Put", "update_item": "Update"}


def _step(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return {_STEPS[operation]: parameters}


def _at(step: dict[str, Any], table: str) -> dict[str, Any]:
    return {name: {"TableName": table} | parameters for name, parameters in step.items()}


def _taking_key(record: JobRecord, deleted: Sequence[JobId], now: float) -> dict[str, Any]:
    holders = {f":job{number}": {"S": job_id} for number, job_id in enumerate([record.id, *deleted])}
    return _step(
        "put_item",
        {
            "Item": key_item(record, now),
            "ConditionExpression": f"attribute_not_exists(id) OR #job IN ({', '.join(holders)})",
            "ExpressionAttributeNames": {"#job": "job"},
            "ExpressionAttributeValues": holders,
        },
    )


def _holds(record: JobRecord | None) -> bool:
    return record is not None and record.unique is not None and not record.status.ended


def _takes_key(move: Move) -> bool:
    return _holds(move.after) and not (move.before and _holds(move.before.record))


def _frees_key(move: Move) -> bool:
    return move.before is not None and _holds(move.before.record) and not _holds(move.after)


def _expiry(entry: Entry, now: float) -> Move | None:
    left = rules.current(entry.record, now)
    if left is entry.record:
        return None
    return Move(entry.record.id, entry, left, "" if left is None else new_version(left))
