"""Entries as rows of PostgreSQL's table, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final  # Any: rows of asyncpg, which has no types

from sqsjobs.store.base import JobRecord
from sqsjobs.store.flat import FIELDS, flat, unflat
from sqsjobs.store.ledger import KEPT, Entry, Move
from sqsjobs.store.postgres.schema import COLUMNS
from sqsjobs.store.unique_keys import key_digest

__all__ = ["columns", "entry", "whole_record"]

_OWN_COLUMN: Final = frozenset(COLUMNS) & frozenset(FIELDS)
"""Fields of a record that have a column of their own; the others share one."""


def columns(moves: Sequence[Move]) -> list[list[object]]:
    """Return what the statement that writes is given: of each move the version before, then its row, by columns."""
    return [list(column) for column in zip(*map(_row, moves), strict=True)]


def entry(row: Mapping[str, Any]) -> Entry:
    """Return the entry in a row, whose envelope says only whether there is one."""
    return Entry(unflat(_fields(row) | {"envelope": KEPT if row["envelope"] else None}), row["version"])


def whole_record(row: Mapping[str, Any]) -> JobRecord:
    """Return the record in a row that has its envelope."""
    envelope = row["envelope"]
    return unflat(_fields(row) | {"envelope": None if envelope is None else json.loads(envelope)})


def _row(move: Move) -> list[object]:
    assert move.after is not None
    record = move.after
    values: dict[str, Any] = flat(record)
    shared = {name: value for name, value in values.items() if name not in _OWN_COLUMN and value is not None}
    keeps_envelope = record.envelope == KEPT
    values |= {
        "version": move.version,
        "unique_key": None if record.unique is None else key_digest(record.task, record.unique),
        "envelope": None if keeps_envelope or record.envelope is None else json.dumps(record.envelope),
        "fields": json.dumps(shared, separators=(",", ":")),
    }
    before = move.before.version if move.before else ""
    return [before, keeps_envelope, not move.is_quiet, *(values[name] for name in COLUMNS)]


def _fields(row: Mapping[str, Any]) -> dict[str, Any]:
    own: dict[str, Any] = {name: row[name] for name in _OWN_COLUMN}
    own |= json.loads(row["fields"])
    return own
