"""Arguments and results to and from JSON: what fits, what does not, and who is told."""

# mypy: disable-error-code="empty-body"
# The functions are only declared here.

from __future__ import annotations

import contextlib
import dataclasses
import enum
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TypedDict
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqsjobs.codec import ResultNotEncodable, TaskCodec
from sqsjobs.errors import ConfigurationError, InvalidArguments, InvalidResult


@dataclasses.dataclass
class Box:
    width: int
    height: float = 1.0


@attrs.define
class Crate:
    boxes: list[Box]


class Label(msgspec.Struct, frozen=True):
    text: str
    weight: Decimal


class Colour(enum.Enum):
    RED = "red"


class Address(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    street: str
    since: datetime
    zip_code: int = pydantic.Field(alias="zip")


class Options(TypedDict):
    fast: bool


class Foreign:
    pass


async def everything(
    box: Box, crate: Crate, label: Label, colour: Colour, at: datetime, wait: timedelta, key: UUID, price: Decimal,
    path: Path, address: Address, addresses: list[Address], options: Options, raw: bytes, tags: set[str], note: str | None,
    anything: object,
) -> Crate: ...  # fmt: skip


ADDRESS = Address(street="Main", since=datetime(2024, 1, 1, tzinfo=UTC), zip=1010)
EVERYTHING = {
    "box": Box(3, 2.5),
    "crate": Crate([Box(1)]),
    "label": Label("x", Decimal("1.50")),
    "colour": Colour.RED,
    "at": datetime(2024, 1, 1, tzinfo=UTC),
    "wait": timedelta(seconds=90),
    "key": UUID(int=7),
    "price": Decimal("0.10"),
    "path": Path("/a/b"),
    "address": ADDRESS,
    "addresses": [ADDRESS],
    "options": {"fast": True},
    "raw": b"\x00\xff",
    "tags": {"a", "b"},
    "note": None,
    "anything": [1, "two", {"three": None}],
}


def codec_of(function: Any) -> TaskCodec:
    return TaskCodec.of(function, "a_task")


def test_every_supported_type_comes_back_as_it_was():
    codec = codec_of(everything)
    assert codec.decode_arguments(codec.encode_call((), EVERYTHING)) == EVERYTHING


def test_results_come_back_as_the_return_annotation_says():
    codec = codec_of(everything)
    assert codec.decode_result(codec.encode_result(Crate([Box(1)]))) == Crate([Box(1)])


def resize(bucket: str, key: str = "a.png", *, width: int = 100, loose=None): ...


def test_arguments_travel_by_name_and_defaults_stay_with_the_function():
    codec = codec_of(resize)
    raw = codec.encode_call(("in",), {"width": 5})
    assert msgspec.json.decode(raw) == {"bucket": "in", "width": 5}
    assert codec.decode_arguments(raw) == {"bucket": "in", "width": 5}
    assert codec.decode_arguments(b'{"bucket": "in"}') == {"bucket": "in"}


@pytest.mark.parametrize(
    ("args", "kwargs", "problem"),
    [
        ((), {}, "missing a required argument: 'bucket'"),
        (("a", "b", 3), {}, "too many positional arguments"),
        (("a",), {"colour": 1}, "unexpected keyword argument 'colour'"),
        (("a",), {"bucket": "b"}, "multiple values for argument 'bucket'"),
        (("a",), {"width": "wide"}, "argument 'width': Expected `int`, got `str`"),
        ((1,), {}, "argument 'bucket': Expected `str`, got `int`"),
        (("a",), {"loose": Foreign()}, "argument 'loose': a value of type .*Foreign has no JSON form"),
        (("a",), {"loose": [1.0, float("nan")]}, "argument 'loose': NaN and Infinity"),
        (("a",), {"loose": {"deep": Box(1, float("inf"))}}, "argument 'loose': NaN and Infinity"),
        (("\ud800",), {}, "argument 'bucket': a text with lone surrogates"),
        (("a",), {"width": 10**5000}, "argument 'width': .*4300 digits"),
    ],
)
def test_a_call_that_does_not_fit_names_the_argument(args, kwargs, problem):
    """R31: what JSON or SQS would refuse or change is refused in the caller."""
    with pytest.raises(InvalidArguments, match=problem) as caught:
        codec_of(resize).encode_call(args, kwargs)
    assert caught.value.task == "a_task"


def test_a_value_in_a_circle_is_refused():
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(InvalidArguments, match="argument 'loose': nested too deeply, or in a circle"):
        codec_of(resize).encode_call(("a",), {"loose": loop})


def test_none_where_none_may_be_is_not_taken_for_nan():
    codec = codec_of(resize)
    assert codec.decode_arguments(codec.encode_call(("null",), {"loose": [None]})) == {
        "bucket": "null",
        "loose": [None],
    }


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b'{"bucket": "a", "colour": 1}', "unknown field `colour`"),
        (b"{}", "missing required field `bucket`"),
        (b'{"bucket": 3}', "argument 'bucket': Expected `str`, got `int`"),
        (b'{"bucket": "a"', "truncated"),
        (b"[1]", "Expected `object`, got `array`"),
        (b'{"bucket": "a", "loose": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"bucket": "\xff"}', "utf-8"),
    ],
)
def test_a_message_that_does_not_fit_is_refused_by_the_worker(raw, problem):
    """R49: arguments are strict against the signature."""
    with pytest.raises(InvalidArguments, match=problem):
        codec_of(resize).decode_arguments(raw)


def move(address: Address, crate: Crate | None = None): ...


def test_a_wrong_pydantic_model_is_refused_without_showing_the_value():
    raw = b'{"address": {"street": "secret lane", "since": "never", "zip": 1}}'
    with pytest.raises(
        InvalidArguments, match=r"argument 'address': Address.since: Input should be a valid datetime"
    ) as e:
        codec_of(move).decode_arguments(raw)
    assert "secret" not in str(e.value)
    assert "never" not in str(e.value)


def test_a_problem_deep_inside_an_argument_says_where():
    raw = (
        b'{"address": {"street": "a", "since": "2024-01-01T00:00:00Z", "zip": 1}, "crate": {"boxes": [{"width": "w"}]}}'
    )
    with pytest.raises(
        InvalidArguments, match=r"argument 'crate': Expected `int`, got `str` - at `crate.boxes\[0\].width`"
    ):
        codec_of(move).decode_arguments(raw)


def spread(*parts: str): ...
def positional(part: str, /): ...
def options(**named: str): ...


@pytest.mark.parametrize("function", [spread, positional, options])
def test_parameters_that_have_no_name_of_their_own_are_refused_at_declaration(function):
    with pytest.raises(ConfigurationError, match="arguments travel by name"):
        codec_of(function)


def foreign(part: list[Foreign]): ...
def ambiguous(part: list[int] | set[int]): ...
def returns_foreign() -> Foreign: ...
def lazy(part: Annotated[dict[str, Foreign | None], "metadata"]): ...


@pytest.mark.parametrize("function", [foreign, ambiguous, returns_foreign, lazy])
def test_annotations_without_a_json_form_are_refused_at_declaration(function):
    with pytest.raises(ConfigurationError, match="has no JSON form"):
        codec_of(function)


class Tree(msgspec.Struct):
    branches: list[Tree] = []


def climb(tree: Tree) -> NoReturn: ...


def test_recursive_types_are_understood():
    codec = codec_of(climb)
    assert codec.decode_arguments(codec.encode_call((Tree([Tree()]),), {})) == {"tree": Tree([Tree()])}


def constrained(count: Annotated[int, msgspec.Meta(gt=0)]): ...


def test_constraints_in_annotations_hold():
    with pytest.raises(InvalidArguments, match="argument 'count': Expected `int` >= 1"):
        codec_of(constrained).encode_call((0,), {})


def early(later: Later) -> Later: ...


early_codec = TaskCodec.of(early, "early")


def missing(part: Nowhere): ...  # type: ignore[name-defined]  # noqa: F821


class Later(msgspec.Struct):
    n: int


def test_a_task_can_be_declared_before_the_types_it_names():
    assert early_codec.decode_arguments(early_codec.encode_call((Later(1),), {})) == {"later": Later(1)}


def test_an_annotation_that_is_never_defined_is_named_at_first_use():
    codec = codec_of(missing)
    with pytest.raises(ConfigurationError, match="names 'Nowhere', which its module does not define"):
        codec.resolve()
    with pytest.raises(ConfigurationError, match="'Nowhere'"):
        codec.encode_call((1,), {})


def counts() -> int: ...
def unannotated(): ...
def returns_none() -> None: ...


@pytest.mark.parametrize(
    ("function", "value", "problem"),
    [
        (counts, "seven", "Expected `int`, got `str`"),
        (unannotated, Foreign(), "no JSON form"),
        (unannotated, {"a": float("nan")}, "NaN and Infinity"),
        (unannotated, "\udfff", "lone surrogates"),
        (returns_none, 3, "Expected `null`, got `int`"),
    ],
)
def test_a_result_that_does_not_fit_is_refused_in_the_worker(function, value, problem):
    """R51."""
    with pytest.raises(ResultNotEncodable, match=problem):
        codec_of(function).encode_result(value)


def test_a_recorded_result_of_another_version_is_a_typed_error():
    with pytest.raises(InvalidResult, match="Expected `int`, got `str`"):
        codec_of(counts).decode_result(b'"seven"')


def test_the_untyped_codec_takes_any_names_and_no_positions():
    codec = TaskCodec.untyped("elsewhere")
    assert codec.decode_arguments(codec.encode_call((), {"a": 1, "b": [None]})) == {"a": 1, "b": [None]}
    assert codec.decode_result(b'{"x": 1}') == {"x": 1}
    with pytest.raises(InvalidArguments, match="given by name"):
        codec.encode_call((1,), {})
    with pytest.raises(InvalidArguments, match="argument 'a': NaN"):
        codec.encode_call((), {"a": float("nan")})


def test_pydantic_is_not_needed(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydantic", None)
    codec = codec_of(resize)
    assert codec.decode_arguments(codec.encode_call(("a",), {})) == {"bucket": "a"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_any_json_value_survives(value):
    codec = codec_of(resize)
    assert codec.decode_arguments(codec.encode_call(("b",), {"loose": value}))["loose"] == value


@given(st.binary(max_size=60))
def test_any_bytes_decode_or_are_refused(raw):
    codec = codec_of(resize)
    with contextlib.suppress(InvalidArguments):
        codec.decode_arguments(raw)


def test_an_error_does_not_quote_what_was_sent():
    """S13, S15: neither an enum's value nor a literal's, nor a name without end; `make fuzz` saw errors as long as messages."""

    def paint(color: Colour, mood: Literal["calm", "wild"] = "calm") -> None: ...

    codec = TaskCodec.of(paint, "paint")
    secret = "hunter2 - at `$.color`" * 1000
    for arguments, problem in (
        ({"color": secret}, "task 'paint': argument 'color': Invalid enum value"),
        ({"color": "red", "mood": secret}, "task 'paint': argument 'mood': Invalid enum value"),
    ):
        with pytest.raises(InvalidArguments) as caught:
            codec.decode_arguments(msgspec.json.encode(arguments))
        assert str(caught.value) == problem
    with pytest.raises(InvalidArguments, match="unknown field") as caught:
        codec.decode_arguments(msgspec.json.encode({"color": "red", "x" * 100_000: 1}))
    assert len(str(caught.value)) < 500
