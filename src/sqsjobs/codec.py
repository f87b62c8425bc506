"""Typed arguments and results to and from JSON: msgspec on the function's own annotations.

Arguments travel by name, so a signature can grow a default argument while jobs are queued. They are checked
twice: in the caller, by decoding what was encoded, and in the worker.

Annotations are read when the function is declared; where they name what does not exist yet, at first use.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any, Final  # Any: what JSON holds, and what functions take

import msgspec

from sqsjobs.errors import InvalidArguments, InvalidResult
from sqsjobs.json_hooks import encoder, to_json
from sqsjobs.redaction import Redaction
from sqsjobs.signatures import Decoders, NotYetDefined, checked_signature, decoders_of, positional_names

__all__ = ["ResultNotEncodable", "TaskCodec"]


class ResultNotEncodable(ValueError):
    """Raised when what a task returned has no JSON form, or does not fit its return annotation."""


class TaskCodec:
    """The arguments and the result of one task, to and from JSON. Make it with `of` or `untyped`."""

    def __init__(self, task: str, function: Callable[..., object] | None, redact: Collection[str] = ()) -> None:
        self.task = task
        self._function = function
        self._redact = redact
        self._signature = checked_signature(function, task) if function else None
        self._positional = positional_names(self._signature) if self._signature else ()
        self._decoders: Decoders | None = None

    @classmethod
    def of(cls, function: Callable[..., object], task_name: str, redact: Collection[str] = ()) -> TaskCodec:
        """Return the codec of `function`, whose parameters in `redact` nobody is shown.

        Raises:
            ConfigurationError: if the signature has parameters that cannot travel by name or none of a name in
                `redact`, or an annotation has no JSON form.
        """
        codec = cls(task_name, function, redact)
        with suppress(NotYetDefined):  # a type declared further down; `resolve` is called again at first use
            codec.resolve()
        return codec

    @classmethod
    def untyped(cls, task_name: str) -> TaskCodec:
        """Return the codec of a task whose function is not here: any arguments by name, any result."""
        return cls(task_name, None)

    def resolve(self) -> Decoders:
        """Read the annotations, if that is not done yet, and return what decodes by them.

        Raises:
            ConfigurationError: if one names what does not exist, or has no JSON form.
        """
        if self._decoders is None:
            self._decoders = decoders_of(self._function, self._signature, self.task, self._redact)
        return self._decoders

    @property
    def redaction(self) -> Redaction:
        """What of the arguments and the result nobody is shown."""
        return self.resolve().redaction

    def shown_arguments(self, raw: bytes) -> dict[str, Any]:
        """Return the arguments that `raw`, a JSON object, gives, as JSON holds them and without secrets."""
        given: dict[str, Any] = msgspec.json.decode(raw)
        known = self._signature.parameters if self._signature else given
        try:
            self.decode_arguments(raw)
        except InvalidArguments:
            return self.redaction.shown_unfit(given, known=known)
        return self.redaction.shown(given, known=known)

    def shown_result(self, raw: bytes) -> Any:
        """Return the result that `raw` gives, as JSON holds it and without secrets."""
        return self.redaction.shown_result(msgspec.json.decode(raw))

    def encode_call(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> bytes:
        """Return the arguments of a call by name, as a JSON object; defaults are left to the worker's signature.

        Raises:
            InvalidArguments: if the call does not fit the signature, or a value has no JSON form.
        """
        arguments = self._named(args, kwargs)
        try:
            raw = encoder.encode(arguments)
        except _UNENCODABLE as error:
            self._check_fits(args, kwargs)
            raise InvalidArguments(self.task, _blamed(arguments, error, self.redaction)) from None
        if b"null" in raw:  # what JSON makes of NaN, too
            self._refuse_non_finite(arguments)
        decoders = self._decoders or self.resolve()
        try:
            decoders.check(raw)
        except _UNDECODABLE as error:
            self._check_fits(args, kwargs)
            raise InvalidArguments(self.task, _located(error, decoders.redaction)) from None
        return raw

    def decode_arguments(self, raw: bytes) -> dict[str, Any]:
        """Return the arguments that `raw` gives, by name.

        Raises:
            InvalidArguments: if they do not fit the signature: a wrong type, a missing or an unknown name.
        """
        decoders = self._decoders or self.resolve()
        try:
            return decoders.arguments(raw)
        except _UNDECODABLE as error:
            raise InvalidArguments(self.task, _located(error, decoders.redaction)) from None

    def encode_result(self, value: object) -> bytes:
        """Return `value` as JSON.

        Raises:
            ResultNotEncodable: if it has no JSON form, or does not fit the return annotation.
        """
        try:
            raw = encoder.encode(value)
            if b"null" in raw and _has_non_finite(value):
                raise ValueError("NaN and Infinity have no JSON form")
            self.decode_result(raw)
        except (*_UNENCODABLE, InvalidResult) as error:
            problem = _NOT_SAID if "return" in self.redaction else _explained(error)
            raise ResultNotEncodable(f"the result of task {self.task!r}: {problem}") from None
        return raw

    def decode_result(self, raw: bytes) -> Any:
        """Return the value that `raw` gives, of the type in the return annotation (plain JSON without one).

        Raises:
            InvalidResult: if it does not fit the annotation: worker and caller have different versions of the task.
        """
        decoders = self._decoders or self.resolve()
        try:
            return decoders.result.decode(raw)
        except _UNDECODABLE as error:
            problem = _NOT_SAID if "return" in decoders.redaction else _explained(error)
            raise InvalidResult(self.task, problem) from None

    def _named(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> Mapping[str, object]:
        """Return the arguments by name; the decoder sees whether all are there, at a tenth of what binding them costs."""
        if not args:
            return kwargs
        if self._signature is None:
            raise InvalidArguments(self.task, "its signature is not known here, so its arguments are given by name")
        if len(args) > len(self._positional) or (
            kwargs and not kwargs.keys().isdisjoint(self._positional[: len(args)])
        ):
            self._check_fits(args, kwargs)
        return dict(zip(self._positional, args, strict=False), **kwargs)

    def _check_fits(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> None:
        """Raise `InvalidArguments` in Python's own words if a name is missing, unknown, or given twice."""
        if self._signature:
            try:
                self._signature.bind(*args, **kwargs)
            except TypeError as error:
                raise InvalidArguments(self.task, str(error)) from None

    def _refuse_non_finite(self, arguments: Mapping[str, object]) -> None:
        for name, value in arguments.items():
            if _has_non_finite(value):
                raise InvalidArguments(self.task, f"argument {name!r}: NaN and Infinity have no JSON form")


_UNENCODABLE: Final = (TypeError, ValueError, OverflowError, RecursionError)
"""What encoding raises: no JSON form; lone surrogates, very long integers; too deep, or in a circle."""
_UNDECODABLE: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


# Problems in words ----------------------------------------------------------------------------------

_LONGEST_PROBLEM: Final = 400
_PLACE: Final = re.compile(r"(?s)(.*) - at `\$\.(\w+)(.*)`")
_NOT_SAID: Final = "does not fit its type; it holds a secret, so no more is said"


def _blamed(arguments: Mapping[str, object], error: Exception, redaction: Redaction) -> str:
    """Name the first argument that cannot be encoded."""
    for name, value in arguments.items():
        try:
            encoder.encode(value)
        except _UNENCODABLE as own:
            return f"argument {name!r}: {_NOT_SAID if name in redaction else _explained(own)}"
    return _explained(error)


def _located(error: Exception, redaction: Redaction) -> str:
    match = _PLACE.fullmatch(_explained(error))
    if not match:
        return _explained(error)
    problem, name, rest = match.groups()
    problem = _NOT_SAID if name in redaction else problem
    return f"argument {name!r}: {problem}" + (f" - at `{name}{rest}`" if rest else "")


def _explained(error: Exception) -> str:
    match error:
        case UnicodeEncodeError():
            return "a text with lone surrogates, which UTF-8 does not have"
        case RecursionError():
            return "nested too deeply, or in a circle"
        case InvalidResult():
            return error.problem
        case _:
            return _without_value(str(error))


def _without_value(problem: str) -> str:
    """Leave out what msgspec quotes of an enum's or a literal's value, which belongs into no log; and cut long names."""
    said, at, place = problem.rpartition(" - at `")
    for quoting in ("Invalid enum value", "Invalid value"):
        if (said or place).startswith(quoting):
            return f"{quoting}{at}{place}" if at else quoting
    return (
        problem
        if len(problem) <= _LONGEST_PROBLEM
        else f"{problem[: _LONGEST_PROBLEM // 2]} … {problem[-_LONGEST_PROBLEM // 2 :]}"
    )


def _has_non_finite(value: object) -> bool:
    """Whether a float in `value` is NaN or infinite; msgspec writes those as null."""
    nodes: list[object] = [msgspec.to_builtins(value, enc_hook=to_json)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, float) and not math.isfinite(node):
            return True
        if isinstance(node, dict):
            nodes.extend(node.values())
        elif isinstance(node, list | tuple | set | frozenset):
            nodes.extend(node)
    return False
