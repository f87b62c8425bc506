"""What of a task's arguments and result nobody is shown: `Secret[...]` in annotations, ``redact=`` on tasks.

A secret is an ordinary value to the function, to type checkers and on the wire. It is hidden where sqsjobs speaks of
jobs: in errors, log lines, events, records of errors, dead letters' annotations and the command line.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Annotated, Any, Final, TypeAlias, TypeVar  # Any: what JSON holds
from urllib.parse import quote, quote_plus

import msgspec
from msgspec import inspect as types

from sqsjobs.json_hooks import is_pydantic

__all__ = ["HIDDEN", "Redaction", "Secret"]

T = TypeVar("T")

_MARK: Final = {"sqsjobs": "secret"}

Secret: TypeAlias = Annotated[T, msgspec.Meta(extra=_MARK)]
"""Marks a parameter, a field or a return value as one that nobody is shown: ``token: Secret[str]``."""

HIDDEN: Final = "[hidden]"
"""What stands in the place of a secret."""

_WHOLE_WORD_BELOW: Final = 4
"""Characters below which a secret is looked for as a word by itself: a PIN of 7 must not eat every 7."""


class Redaction:
    """What is hidden of one task.

    Args:
        hints: the type of each parameter, and of ``"return"``.
        whole: parameters that are hidden whatever their type.
    """

    def __init__(self, hints: Mapping[str, Any], whole: Collection[str] = ()) -> None:
        nodes = {name: _SECRET if name in whole else types.type_info(hint) for name, hint in hints.items()}
        self._nodes = {name: node for name, node in nodes.items() if _holds_secret(node)}

    def __repr__(self) -> str:
        return f"<Redaction of {', '.join(self._nodes) or 'nothing'}>"

    def __contains__(self, name: str) -> bool:
        """Whether a parameter, or ``"return"``, is a secret or holds one."""
        return name in self._nodes

    @property
    def of_arguments(self) -> bool:
        """Whether anything of the arguments is hidden."""
        return any(name != "return" for name in self._nodes)

    def shown(self, arguments: Mapping[str, Any], *, known: Collection[str]) -> dict[str, Any]:
        """Return arguments, as JSON holds them and as they fit the signature, without the secrets.

        Names that are not `known` to the signature are hidden as well, if anything is: one may be misspelled.
        """
        if not self.of_arguments:
            return dict(arguments)
        return {
            name: _masked(self._nodes.get(name), value, []) if name in known else HIDDEN
            for name, value in arguments.items()
        }

    def shown_unfit(self, arguments: Mapping[str, Any], *, known: Collection[str]) -> dict[str, Any]:
        """Return arguments that do not fit the signature: what should hold a secret is hidden as a whole."""
        return {
            name: value if not self.of_arguments or (name in known and name not in self) else HIDDEN
            for name, value in arguments.items()
        }

    def shown_result(self, value: Any) -> Any:
        """Return a result, as JSON holds it, without its secrets."""
        return _masked(self._nodes.get("return"), value, [])

    def hiding(self, arguments: bytes) -> Callable[[str], str]:
        """Return what takes the secrets of these arguments (one JSON object) out of a text.

        It finds them as they are, and as Python, JSON, URLs and base64 write them; not what was computed from them.
        """
        if not self.of_arguments:
            return _unchanged
        found: list[Any] = []
        values: Mapping[str, Any] = msgspec.json.decode(arguments)
        for name, value in values.items():
            _masked(self._nodes.get(name), value, found)
        pattern = _pattern(form for leaf in found for form in _forms(leaf))
        return lambda text: pattern.sub(HIDDEN, text) if pattern else text


def _unchanged(text: str) -> str:
    return text


# Through types and values at once -------------------------------------------------------------------

_SECRET: Final = types.Metadata(types.AnyType(), extra=_MARK)


def _masked(node: Any, value: Any, found: list[Any]) -> Any:  # noqa: PLR0911 - one per kind of type
    """Return `value`, of the type `node`, without its secrets, which are added to `found`."""
    match node:
        case types.Metadata(extra={"sqsjobs": "secret"}):
            found.extend(_leaves(value))
            return HIDDEN
        case types.Metadata(type=inner):
            return _masked(inner, value, found)
        case types.UnionType(types=members):
            for member in members:
                value = _masked(member, value, found)
            return value
        case types.DictType(key_type=key_type, value_type=value_type) if isinstance(value, dict):
            return {_masked(key_type, key, found): _masked(value_type, it, found) for key, it in value.items()}
        case types.TupleType(item_types=item_types) if isinstance(value, list):
            return [*(_masked(one, it, found) for one, it in zip(item_types, value, strict=False))]
        case types.CollectionType(item_type=item_type) if isinstance(value, list):
            return [_masked(item_type, it, found) for it in value]
        case _ if isinstance(value, dict):
            fields = _fields(node)
            return {name: _masked(fields.get(name), it, found) for name, it in value.items()}
        case _ if isinstance(value, list) and (positions := _positions(node)):
            return [_masked(one, it, found) for one, it in zip(positions, value, strict=False)]
        case _:
            return value


def _fields(node: Any) -> dict[str, Any]:
    """The types of an object's fields, by their names in JSON."""
    if isinstance(node, types.CustomType):
        return _pydantic_fields(node.cls)
    return {field.encode_name: field.type for field in getattr(node, "fields", ())}


def _positions(node: Any) -> list[Any]:
    """The types of an object that JSON holds as an array; the tag of a tagged one comes first."""
    tag = [None] if getattr(node, "tag", None) is not None else []
    return [*tag, *(field.type for field in getattr(node, "fields", ()))]


def _pydantic_fields(cls: Any) -> dict[str, Any]:
    if not is_pydantic(cls):
        return {}
    found: dict[str, Any] = {}
    fields: Mapping[str, Any] = cls.model_fields
    for name, field in fields.items():
        node = _SECRET if any(getattr(it, "extra", None) == _MARK for it in field.metadata) else _node(field.annotation)
        found |= {str(alias): node for alias in (name, field.alias, field.serialization_alias) if alias}
    return found


def _node(annotation: Any) -> Any:
    try:
        return types.type_info(annotation)
    except TypeError:  # pydantic takes types that msgspec has no words for
        return None


def _holds_secret(node: Any) -> bool:
    return any(it == _SECRET or getattr(it, "extra", None) == _MARK for it in _reached(node))


def _reached(node: Any) -> Iterator[Any]:
    """Yield every type that `node` is made of, itself included; types may refer to themselves."""
    seen: set[int | type] = set()
    nodes = [node]
    while nodes:
        node = nodes.pop()
        key = node.cls if isinstance(node, types.CustomType) else id(node)
        if isinstance(node, tuple):
            nodes.extend(node)
        elif isinstance(node, types.Type | types.Field) and key not in seen:
            seen.add(key)
            yield node
            nodes.extend(getattr(node, name) for name in node.__struct_fields__)
            nodes.extend(_pydantic_fields(getattr(node, "cls", None)).values())


# Secrets in texts -----------------------------------------------------------------------------------


def _leaves(value: Any) -> Iterator[str]:
    """Yield the texts and numbers in a secret; true, false and null give nothing away."""
    nodes: list[Any] = [value]
    while nodes:
        match nodes.pop():
            case dict() as members:
                nodes += members.values()
            case list() as items:
                nodes += items
            case bool() | None:
                pass
            case leaf:
                yield str(leaf)


def _forms(leaf: str) -> Iterator[str]:
    """Yield how a secret may be written."""
    yield from (leaf, repr(leaf)[1:-1], json.dumps(leaf)[1:-1], quote(leaf, safe=""), quote_plus(leaf))
    encoded = leaf.encode(errors="replace")
    yield from (base64.b64encode(encoded).decode(), base64.urlsafe_b64encode(encoded).decode().rstrip("="))
    try:  # bytes travel in base64
        content = base64.b64decode(leaf, validate=True)
    except (binascii.Error, ValueError):
        return
    yield from (repr(content)[2:-1], content.hex())


def _pattern(forms: Iterable[str]) -> re.Pattern[str] | None:
    longest_first = sorted({form for form in forms if form.strip()}, key=len, reverse=True)
    return re.compile("|".join(map(_alternative, longest_first))) if longest_first else None


def _alternative(form: str) -> str:
    text = re.escape(form)
    return text if len(form) >= _WHOLE_WORD_BELOW else rf"(?<!\w){text}(?!\w)"
