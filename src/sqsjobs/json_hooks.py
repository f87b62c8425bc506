"""Values that msgspec does not know by itself, to and from JSON: paths, `object`, and pydantic's models."""

from __future__ import annotations

import sys
from pathlib import PurePath
from typing import Any, Final  # Any: what JSON holds

import msgspec

__all__ = ["encoder", "from_json", "is_ours", "is_pydantic", "to_json", "type_name"]


def is_ours(cls: type) -> bool:
    """Whether the hooks here can make a value of that class from JSON."""
    return cls is object or issubclass(cls, PurePath) or is_pydantic(cls)


def is_pydantic(cls: type) -> bool:
    """Whether it is a model of pydantic's. Whoever has one has imported pydantic; nobody else need have it."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(cls, type) and issubclass(cls, pydantic.BaseModel)


def to_json(value: Any) -> Any:
    """Return what stands for `value` in JSON; `TypeError` if nothing does."""
    if isinstance(value, PurePath):
        return str(value)
    if is_pydantic(type(value)):
        return value.model_dump(mode="json", by_alias=True)
    raise TypeError(f"a value of type {type_name(type(value))} has no JSON form")


def from_json(cls: type, value: Any) -> Any:
    """Return the value of class `cls` that `value`, as JSON holds it, stands for; raises what msgspec takes for a misfit."""
    if cls is object:
        return value
    if issubclass(cls, PurePath):
        if not isinstance(value, str):
            raise TypeError(f"Expected `str`, got `{type(value).__name__}`")
        return cls(value)
    return _pydantic_from_json(cls, value)


def _pydantic_from_json(cls: Any, value: Any) -> Any:
    # Through JSON, because that is the mode in which pydantic takes strings for dates even where it is strict.
    try:
        return cls.model_validate_json(msgspec.json.encode(value))
    except sys.modules["pydantic"].ValidationError as error:
        # Without the input: values of arguments belong into no log.
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{cls.__name__}.{place}: {first['msg']}") from None


encoder: Final = msgspec.json.Encoder(enc_hook=to_json)


def type_name(cls: type) -> str:
    """Return the name of a class with its module."""
    return f"{cls.__module__}.{cls.__qualname__}"
