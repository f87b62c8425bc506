"""Entries as items of DynamoDB, and back.

An item has the record's ``id``; its ``version``; ``fields``, most of the record as one JSON text, so that it stays below the
1 KB that one write unit carries; and what is compared, searched or large beside that: ``unique``, ``group``, ``envelope`` (and
``kept``, that there is one), ``result``, ``ttl`` (when DynamoDB drops the item), ``day`` and ``place`` (the list of all), ``ended`` (the list of what has
ended and not succeeded). A unique key is an item of its own, ``key#<digest>``, with the ``job`` that has it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sqsjobs.job import JobId, JobStatus
from sqsjobs.store.base import JobRecord
from sqsjobs.store.flat import flat, unflat
from sqsjobs.store.ledger import KEPT, Entry, Move
from sqsjobs.store.listing import Place
from sqsjobs.store.unique_keys import key_digest

__all__ = [
    "ENDED",
    "LARGEST_ENVELOPE",
    "SHARDS",
    "attributes",
    "day_of",
    "entry_of",
    "key_id",
    "key_item",
    "place_text",
    "record_of",
    "update",
]

SHARDS: Final = 8
"""Partitions over which each day of the list is spread: an index takes 1,000 writes a second and partition."""
LARGEST_ENVELOPE: Final = 128 * 1024
"""Bytes of an envelope that is kept; an item has at most 400 KB, and every write of it is paid by its size."""
ENDED: Final = frozenset({JobStatus.FAILED, JobStatus.DISCARDED, JobStatus.CANCELLED})
"""What has a list of its own: the few that did not succeed, so that they are found among the many that did."""

_AFTERLIFE: Final = 3600.0
"""Seconds for which an item outlives its record: it is the stores' clocks that say what is over, and they differ."""
_KEY_TTL: Final = 30 * 24 * 3600.0
"""Seconds that the item of a key is kept; its job is over by then, whatever became of it."""
_BESIDE: Final = frozenset({"id", "unique", "group", "envelope", "result"})


def attributes(record: JobRecord, version: str) -> dict[str, Any]:
    """Return the attributes of a record's item as plain values, absent ones as None."""
    beside = {name: value for name, value in flat(record).items() if name not in _BESIDE and value is not None}
    envelope = record.envelope
    if envelope is not None and len(envelope) > LARGEST_ENVELOPE // 4 and len(envelope.encode()) > LARGEST_ENVELOPE:
        envelope = None
    shard = zlib.crc32(record.id.encode()) % SHARDS
    return {
        "id": record.id,
        "version": version,
        "fields": json.dumps(beside, separators=(",", ":")),
        "unique": None if record.unique is None else json.dumps(record.unique),
        "group": None if record.group is None else json.dumps(record.group),
        "envelope": envelope,
        "kept": None if envelope is None else 1,
        "result": record.result,
        "ttl": None if record.expires_at is None else int(record.expires_at + _AFTERLIFE),
        "day": f"{day_of(record.enqueued_at)}#{shard}",
        "place": place_text(Place(record.enqueued_at, record.id)),
        "ended": f"{record.status.value}#{shard}" if record.status in ENDED else None,
    }


def typed(value: Any) -> dict[str, Any]:
    """Return a plain value with DynamoDB's name of its type."""
    match value:
        case bytes():
            return {"B": value}
        case int():
            return {"N": str(value)}
        case _:
            return {"S": value}


def update(move: Move) -> dict[str, Any]:
    """Return the parameters of UpdateItem that carry out `move`, which has something before and after.

    The version is set in any case: DynamoDB takes no update that sets nothing.
    """
    assert move.before is not None
    assert move.after is not None
    old = attributes(move.before.record, move.before.version)
    new = attributes(move.after, move.version)
    changed = {name: value for name, value in new.items() if old[name] != value or name == "version"}
    names = {f"#{name}": name for name in changed}
    to_set = [f"#{name} = :{name}" for name, value in changed.items() if value is not None]
    to_drop = [f"#{name}" for name, value in changed.items() if value is None]
    return {
        "Key": {"id": {"S": move.id}},
        "UpdateExpression": f"SET {', '.join(to_set)}" + (f" REMOVE {', '.join(to_drop)}" if to_drop else ""),
        "ConditionExpression": "#version = :before",
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": {":before": {"S": move.before.version}}
        | {f":{name}": typed(value) for name, value in changed.items() if value is not None},
    }


def put(record: JobRecord, version: str) -> dict[str, Any]:
    """Return the item of a record that is new."""
    return {name: typed(value) for name, value in attributes(record, version).items() if value is not None}


def key_item(record: JobRecord, now: float) -> dict[str, Any]:
    """Return the item of the unique key of `record`."""
    ttl = int(now + _KEY_TTL)
    return {"id": {"S": key_id(record.task, record.unique or "")}, "job": {"S": record.id}, "ttl": {"N": str(ttl)}}


def key_id(task: str, unique: str) -> str:
    """Return the id of a unique key's item; no job's id has such a character."""
    return f"key#{key_digest(task, unique)}"


def entry_of(item: Mapping[str, Mapping[str, Any]]) -> Entry:
    """Return the entry in an item."""
    record = record_of(item, keeps_envelope=KEPT)
    return Entry(record, item["version"]["S"])


def record_of(item: Mapping[str, Mapping[str, Any]], *, keeps_envelope: str | None = None) -> JobRecord:
    """Return the record in an item, with its envelope, or with `keeps_envelope` in place of one that it has."""
    values: dict[str, Any] = json.loads(item["fields"]["S"])
    values["id"] = JobId(item["id"]["S"])
    for name in ("unique", "group"):
        values[name] = json.loads(item[name]["S"]) if name in item else None
    values["envelope"] = item["envelope"]["S"] if "envelope" in item else None
    if keeps_envelope is not None:
        values["envelope"] = keeps_envelope if "kept" in item else None
    values["result"] = item["result"]["B"] if "result" in item else None
    return unflat(values)


def day_of(date: float) -> str:
    """Return the day (UTC) of a date, as the list of all is parted."""
    return datetime.fromtimestamp(date, UTC).strftime("%Y-%m-%d")


def place_text(place: Place) -> str:
    """Return a place in the list as a text that sorts as it does: dates have a precision of a quarter of a microsecond."""
    return f"{place.enqueued_at:018.7f}#{place.job_id}"
