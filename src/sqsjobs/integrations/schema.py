"""What tasks return, as one JSON Schema for an API's description."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_type_hints  # Any: JSON Schema

import msgspec

from sqsjobs.task import Task

__all__ = ["result_schema"]

_REFERENCE = "#/$defs/"


def result_schema(tasks: Iterable[Task[..., Any]]) -> dict[str, Any]:
    """Return the schema of whatever one of `tasks` returns, with all that it refers to in its place.

    A task without a return annotation, or with one that has no schema, may return anything.
    """
    kinds: list[dict[str, Any]] = []
    for task in tasks:
        kind = _schema_of(task)
        if kind not in kinds:
            kinds.append(kind)
    if not kinds or {} in kinds:
        return {}
    return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}


def _schema_of(task: Task[..., Any]) -> dict[str, Any]:
    hints = get_type_hints(task.function, include_extras=True)
    if "return" not in hints:
        return {}
    returned = hints["return"]
    if hasattr(returned, "model_json_schema"):  # a pydantic model, which msgspec does not know
        schema = returned.model_json_schema(mode="serialization")
    else:
        try:
            schema = msgspec.json.schema(returned)
        except TypeError:
            return {}
    inlined: dict[str, Any] = _inlined(schema, schema.get("$defs", {}), ())
    return inlined


def _inlined(schema: Any, definitions: Mapping[str, Any], within: tuple[str, ...]) -> Any:
    """Return `schema` with definitions in place of references to them; what is in itself may be anything there."""
    if isinstance(schema, list):
        return [_inlined(part, definitions, within) for part in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref", "")
    if isinstance(reference, str) and reference.startswith(_REFERENCE):
        name = reference.removeprefix(_REFERENCE)
        return {} if name in within else _inlined(definitions[name], definitions, (*within, name))
    return {key: _inlined(part, definitions, within) for key, part in schema.items() if key != "$defs"}
