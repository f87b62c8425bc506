"""Records as flat values for stores: numbers, ASCII texts and bytes under the fields' names, and back.

What a field holds that is a value itself becomes a JSON text. It is ASCII, because an error's message may hold
lone surrogates (undecodable file names do), which UTF-8 cannot.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from typing import Any, Final, TypeAlias  # Any: JSON

from sqsjobs.job import JobStatus, Progress
from sqsjobs.outcome import Failure
from sqsjobs.store.base import JobRecord, PastAttempt

__all__ = ["FIELDS", "Flat", "flat", "unflat"]

Flat: TypeAlias = str | bytes | float | int | None
"""What a flattened field holds."""

FIELDS: Final = tuple(field.name for field in fields(JobRecord))
"""The names of a record's fields, in its order."""


def flat(record: JobRecord) -> dict[str, Flat]:
    """Return the fields of `record` as flat values, absent ones as None; `dead_lettered` as a boolean."""
    values: dict[str, Any] = {name: getattr(record, name) for name in FIELDS}
    values["status"] = record.status.value
    values["failure"] = _text(record.failure and asdict(record.failure))
    values["progress"] = _text(record.progress and asdict(record.progress))
    values["history"] = _text([asdict(attempt) for attempt in record.history])
    return values


def unflat(values: Mapping[str, Any]) -> JobRecord:
    """Return the record of flat values; fields that are missing or None are as a new record has them."""
    given = {name: value for name, value in values.items() if value is not None and name in _READ}
    return JobRecord(**{name: _READ[name](value) for name, value in given.items()})


def _text(value: object) -> str | None:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")) if value else None


def _as_it_is(value: Any) -> Any:
    return value


_READ: Final[dict[str, Callable[[Any], Any]]] = dict.fromkeys(FIELDS, _as_it_is) | {
    "status": JobStatus,
    "dead_lettered": bool,
    "failure": lambda text: Failure(**json.loads(text)),
    "progress": lambda text: Progress(**json.loads(text)),
    "history": lambda text: tuple(PastAttempt(**attempt) for attempt in json.loads(text)),
}
