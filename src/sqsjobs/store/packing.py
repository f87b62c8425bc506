"""The fields of a record as texts and bytes, for databases that have no types, or not ours."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sqsjobs.store.base import JobRecord
from sqsjobs.store.flat import FIELDS, Flat, flat, unflat
from sqsjobs.store.ledger import KEPT

__all__ = ["LIGHT_FIELDS", "SHARED_FIELDS", "packed", "packed_changes", "unpacked"]

SHARED_FIELDS = tuple(name for name in FIELDS if name != "envelope")
"""Fields that decisions look at."""
LIGHT_FIELDS = tuple(name for name in SHARED_FIELDS if name not in {"result", "history"})
"""Fields that lists show."""


def packed(record: JobRecord) -> dict[str, bytes]:
    """Return the fields of `record` that are not None: bytes as they are, all else as JSON in ASCII."""
    return {name: _pack(value) for name, value in flat(record).items() if value is not None}


def packed_changes(before: JobRecord | None, after: JobRecord) -> tuple[dict[str, bytes], list[str]]:
    """Return what makes `after` of `before`: the fields to set, and those to drop."""
    if before is None:
        return packed(after), []
    old, new = flat(before), flat(after)
    changed = [name for name in FIELDS if old[name] != new[name]]
    to_set = {name: _pack(value) for name in changed if (value := new[name]) is not None}
    return to_set, [name for name in changed if name not in to_set]


def unpacked(fields: Mapping[str, bytes], *, keeps_envelope: bool = False) -> JobRecord:
    """Return the record of packed fields, its envelope `KEPT` where it has one that was not read."""
    values = {
        name: value if name == "result" else json.loads(value) for name, value in fields.items() if name in FIELDS
    }
    return unflat(values | ({"envelope": KEPT} if keeps_envelope else {}))


def _pack(value: Flat) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=True).encode("ascii")
