"""What a task's function says of its arguments and its result: its signature, and decoders of its annotations."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Never, NoReturn, get_type_hints  # Any: what JSON holds, and what functions take

import msgspec
from msgspec import inspect as types

from sqsjobs.errors import ConfigurationError
from sqsjobs.json_hooks import from_json, is_ours, type_name
from sqsjobs.redaction import Redaction

__all__ = ["Decoders", "NotYetDefined", "checked_signature", "decoders_of", "positional_names"]

_NOT_BY_NAME: Final[Mapping[object, str]] = {
    inspect.Parameter.POSITIONAL_ONLY: "is positional-only",
    inspect.Parameter.VAR_POSITIONAL: "takes any number of positions",
    inspect.Parameter.VAR_KEYWORD: "takes any name",
}


class NotYetDefined(ConfigurationError):
    """Raised where an annotation names what its module does not define, or not yet."""


@dataclass(frozen=True, slots=True)
class Decoders:
    """What checks arguments in JSON, makes them by name, and makes a result; and what of all that nobody is shown."""

    check: Callable[[bytes], object]
    arguments: Callable[[bytes], dict[str, Any]]
    result: msgspec.json.Decoder[Any]
    redaction: Redaction


def checked_signature(function: Callable[..., object], task: str) -> inspect.Signature:
    """Return the signature of a task's function.

    Raises:
        ConfigurationError: if it has a parameter that cannot travel by name.
    """
    signature = inspect.signature(function)
    for parameter in signature.parameters.values():
        if reason := _NOT_BY_NAME.get(parameter.kind):
            raise ConfigurationError(
                f"task {task!r}: parameter {parameter.name!r} {reason}, but arguments travel by name, each with its type: "
                f"declare every parameter by itself"
            )
    return signature


def positional_names(signature: inspect.Signature) -> tuple[str, ...]:
    """Return the names of the parameters that may be given by their positions, in order."""
    return tuple(it.name for it in signature.parameters.values() if it.kind is it.POSITIONAL_OR_KEYWORD)


def decoders_of(
    function: Callable[..., object] | None, signature: inspect.Signature | None, task: str, redact: Collection[str]
) -> Decoders:
    """Return the decoders of a function's annotations; those of anything where the function is not here.

    Raises:
        NotYetDefined: if an annotation names what does not exist.
        ConfigurationError: if one has no JSON form, or `redact` names no parameter.
    """
    if not function or not signature:
        anything = msgspec.json.Decoder(dict[str, Any]).decode
        return Decoders(anything, anything, msgspec.json.Decoder(Any), Redaction({}))
    hints = dict.fromkeys(signature.parameters, Any) | _type_hints(function, task)
    _check_redacted(redact, signature, task)
    for name, hint in hints.items():
        _refuse_unsupported(hint, task, "the result" if name == "return" else f"parameter {name!r}")
    struct = msgspec.defstruct(
        f"Arguments of {task}",
        [_field(parameter, hints.get(parameter.name, Any)) for parameter in signature.parameters.values()],
        kw_only=True,
        forbid_unknown_fields=True,
    )
    decode = msgspec.json.Decoder(struct, dec_hook=from_json).decode
    given = (
        _given if any(it.default is not it.empty for it in signature.parameters.values()) else msgspec.structs.asdict
    )
    return Decoders(
        decode,
        lambda raw: given(decode(raw)),
        msgspec.json.Decoder(hints.get("return", Any), dec_hook=from_json),
        Redaction(hints, redact),
    )


def _check_redacted(redact: Collection[str], signature: inspect.Signature, task: str) -> None:
    for name in redact:
        if name not in signature.parameters:
            raise ConfigurationError(
                f"task {task!r}: redact names {name!r}, and its parameters are {', '.join(signature.parameters)}"
            )


def _type_hints(function: Callable[..., object], task: str) -> dict[str, Any]:
    try:
        hints = get_type_hints(function, include_extras=True)
    except NameError as error:
        raise NotYetDefined(
            f"task {task!r}: an annotation names {error.name!r}, which its module does not define: "
            f"import it there, not only under TYPE_CHECKING, or define it outside of functions"
        ) from None
    if hints.get("return") in (Never, NoReturn):
        del hints["return"]
    return hints


def _refuse_unsupported(hint: Any, task: str, place: str) -> None:
    try:
        problem = next((type_name(cls) for cls in _foreign_classes(hint)), None)
    except (TypeError, NameError) as error:  # msgspec's words, such as a union of two models; or a model's own hints
        problem = f"{hint} ({error})"
    if problem:
        raise ConfigurationError(
            f"task {task!r}: {place} is annotated with {problem}, which has no JSON form: use builtins, dataclasses, "
            f"attrs, msgspec or pydantic models, enums, datetime, UUID, Decimal, Path, list, dict, or Any"
        )


def _foreign_classes(hint: Any) -> Iterator[type]:
    """Yield the classes in an annotation that neither msgspec nor our hooks can make from JSON."""
    seen: set[int] = set()
    nodes: list[object] = [types.type_info(hint)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, tuple):
            nodes.extend(node)
        elif isinstance(node, types.CustomType):
            if not is_ours(node.cls):
                yield node.cls
        elif isinstance(node, types.Type | types.Field) and id(node) not in seen:
            seen.add(id(node))
            nodes.extend(getattr(node, name) for name in node.__struct_fields__)


def _field(parameter: inspect.Parameter, hint: Any) -> tuple[str, Any] | tuple[str, Any, Any]:
    """Describe a parameter as a field; one with a default is left UNSET, so that the function's own default applies."""
    if parameter.default is parameter.empty:
        return parameter.name, hint
    return parameter.name, hint, msgspec.UNSET


def _given(struct: msgspec.Struct) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(struct).items() if value is not msgspec.UNSET}
