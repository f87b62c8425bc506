"""`Secret[...]` and ``redact=``: what nobody is shown, in types of every shape, in errors and in texts."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypedDict
from urllib.parse import quote

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqsjobs import App, InvalidArguments, Reject, Retry, RetryAfter, Secret, task
from sqsjobs.codec import ResultNotEncodable, TaskCodec
from sqsjobs.errors import ConfigurationError, InvalidResult
from sqsjobs.events import JobDelivered, JobEnded
from sqsjobs.job import Job, JobId
from sqsjobs.outcome import Failed, Rejected, RetryRequested, Succeeded
from sqsjobs.redaction import HIDDEN, Redaction
from sqsjobs.testing import run_job
from sqsjobs.transport.base import Delivery, OutgoingMessage

TOKEN = "tok-5f3a9c"


@dataclass
class Login:
    user: str
    password: Secret[str]
    others: list[Login] = field(default_factory=list)


@attrs.define
class Attrs:
    user: str
    password: Secret[str]


class Struct(msgspec.Struct, tag="s"):
    user: str
    password: Secret[str]


class Row(msgspec.Struct, tag="r", array_like=True):
    user: str
    password: Secret[str]


class Pair(NamedTuple):
    user: str
    password: Secret[str]


class Typed(TypedDict):
    user: str
    password: Secret[str]


class Model(pydantic.BaseModel):
    user: str
    password: Secret[str] = pydantic.Field(alias="pass-word")


class Outer(pydantic.BaseModel):
    logins: list[Model]


SHAPES: list[tuple[Any, Any, Any]] = [
    (Secret[str], TOKEN, HIDDEN),
    (Secret[dict[str, str]], {"a": TOKEN}, HIDDEN),
    (Secret[str] | None, TOKEN, HIDDEN),
    (list[Secret[str]], [TOKEN], [HIDDEN]),
    (tuple[str, Secret[str]], ["a", TOKEN], ["a", HIDDEN]),
    (tuple[Secret[str], ...], [TOKEN], [HIDDEN]),
    (dict[str, Secret[str]], {"a": TOKEN}, {"a": HIDDEN}),
    (dict[Secret[str], int], {TOKEN: 1}, {HIDDEN: 1}),
    (Login, {"user": "a", "password": TOKEN}, {"user": "a", "password": HIDDEN}),
    (Attrs, {"user": "a", "password": TOKEN}, {"user": "a", "password": HIDDEN}),
    (Typed, {"user": "a", "password": TOKEN}, {"user": "a", "password": HIDDEN}),
    (Pair, ["a", TOKEN], ["a", HIDDEN]),
    (Model, {"user": "a", "pass-word": TOKEN}, {"user": "a", "pass-word": HIDDEN}),
    (Outer, {"logins": [{"user": "a", "pass-word": TOKEN}]}, {"logins": [{"user": "a", "pass-word": HIDDEN}]}),
    (Struct, {"type": "s", "user": "a", "password": TOKEN}, {"type": "s", "user": "a", "password": HIDDEN}),
    (Row, ["r", "a", TOKEN], ["r", "a", HIDDEN]),
    (
        list[Login] | None,
        [{"user": "a", "password": "x", "others": [{"user": "b", "password": TOKEN}]}],
        [{"user": "a", "password": HIDDEN, "others": [{"user": "b", "password": HIDDEN}]}],
    ),
]


@pytest.mark.parametrize(("hint", "value", "shown"), SHAPES, ids=[str(hint) for hint, _, _ in SHAPES])
def test_secrets_in_types_of_every_shape(hint, value, shown):
    """S13: what is marked is hidden however deep it lies, and nothing else is."""
    redaction = Redaction({"it": hint, "rest": str})
    assert redaction.shown({"it": value, "rest": "seen"}, known=["it", "rest"]) == {"it": shown, "rest": "seen"}
    hiding = redaction.hiding(json.dumps({"it": value, "rest": "seen"}).encode())
    if TOKEN not in str(shown) and hint != dict[Secret[str], int]:
        assert hiding(f"no {TOKEN} here, seen") == f"no {HIDDEN} here, seen"


@pytest.mark.parametrize("hint", [str, list[str], dict[str, Any], Any])
def test_what_is_not_marked_is_shown(hint):
    redaction = Redaction({"it": hint})
    assert "it" not in redaction
    assert redaction.hiding(b'{"it": "seen"}')("seen") == "seen"


async def pay(login: Login, card: Secret[int], note: str = "", colour: str = "red") -> Secret[str]:
    raise AssertionError


CODEC = TaskCodec.of(pay, "pay", redact=("note",))
GOOD = {"login": {"user": "a", "password": TOKEN}, "card": 4242_4242, "note": "mind"}


def test_arguments_as_they_may_be_shown():
    """S13: marked, and named by redact=."""
    assert CODEC.shown_arguments(json.dumps(GOOD | {"colour": "blue"}).encode()) == {
        "login": {"user": "a", "password": HIDDEN},
        "card": HIDDEN,
        "note": HIDDEN,
        "colour": "blue",
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"login": TOKEN},
        {"login": [TOKEN]},
        {"login": {"user": 3, "passwrod": TOKEN}},
        {"card": TOKEN},
        {"crad": TOKEN},
        {"note": {"deep": [TOKEN]}},
    ],
)
def test_arguments_that_do_not_fit_show_no_secret(wrong):
    """S13: neither in the error nor in what is shown of them, wherever the secret was put by mistake."""
    raw = json.dumps(GOOD | wrong).encode()
    with pytest.raises(InvalidArguments) as problem:
        CODEC.decode_arguments(raw)
    assert TOKEN not in str(problem.value)
    assert TOKEN not in str(CODEC.shown_arguments(raw))


@pytest.mark.parametrize("arguments", [{"login": TOKEN}, {"card": TOKEN}, {"login": Login("a", object())}])  # type: ignore[arg-type]
def test_a_wrong_call_does_not_repeat_a_secret(arguments):
    """S13: the error names the argument."""
    with pytest.raises(InvalidArguments) as problem:
        CODEC.encode_call((), {"login": Login("a", TOKEN), "card": 1} | arguments)
    assert TOKEN not in str(problem.value)
    assert f"argument {next(iter(arguments))!r}" in str(problem.value)


class Chooser(pydantic.BaseModel):
    choice: Secret[str]

    @pydantic.field_validator("choice")
    @classmethod
    def _refuse(cls, choice: str) -> str:
        raise ValueError(f"{choice} is no choice")


def test_a_validator_that_repeats_what_it_refuses():
    """S13: the words of user code are not trusted with a secret."""

    async def choose(chooser: Chooser) -> None: ...

    with pytest.raises(InvalidArguments) as problem:
        TaskCodec.of(choose, "choose").decode_arguments(json.dumps({"chooser": {"choice": TOKEN}}).encode())
    assert TOKEN not in str(problem.value)


def test_a_secret_result():
    """S13: neither shown, nor told of when it does not fit."""
    assert CODEC.shown_result(json.dumps(TOKEN).encode()) == HIDDEN
    with pytest.raises(InvalidResult) as problem:
        CODEC.decode_result(b"17")
    assert "`int`" not in str(problem.value)
    with pytest.raises(ResultNotEncodable) as refused:
        CODEC.encode_result([TOKEN])
    assert TOKEN not in str(refused.value)


def test_redact_names_parameters():
    """A misspelled name would hide nothing, so it is refused when the task is declared."""
    with pytest.raises(ConfigurationError, match="its parameters are login, card, note, colour"):
        task(redact=("pasword",))(pay)
    with pytest.raises(ConfigurationError, match="tuple of parameter names"):
        task(redact="note")(pay)


# Texts ----------------------------------------------------------------------------------------------


@given(st.text(min_size=1).filter(lambda it: it.strip()), st.text(max_size=20), st.text(max_size=20))
def test_no_text_keeps_a_secret(secret, before, after):
    """S13: whatever it is made of, and whatever stands around it (unless it is short and part of a word)."""
    hiding = Redaction({"it": Secret[str]}).hiding(json.dumps({"it": secret}).encode())
    if len(secret) >= 4:
        assert secret not in hiding(f"{before}{secret}{after}").replace(HIDDEN, "")
    assert secret not in hiding(f"{before} {secret} {after}").replace(HIDDEN, "").split(" ") or secret in (
        f"{before} {after}"
    )


@pytest.mark.parametrize(
    "written",
    [
        repr,
        json.dumps,
        lambda it: base64.b64encode(it.encode()).decode(),
        lambda it: base64.urlsafe_b64encode(it.encode()).decode(),
        quote,
    ],
)
def test_a_secret_is_found_as_others_write_it(written):
    """S13: Python, JSON, base64 and URLs."""
    secret = "pass\n'wörd' \"9\" & more"
    text = written(secret)
    hidden = Redaction({"it": Secret[str]}).hiding(json.dumps({"it": secret}).encode())(f"<{text}>")
    assert len(hidden) <= len(HIDDEN) + 8, hidden


def test_bytes_travel_in_base64():
    """S13: and are found as Python shows them."""
    secret = b"\x00key\xff-material"
    raw = json.dumps({"it": base64.b64encode(secret).decode()}).encode()
    hiding = Redaction({"it": Secret[bytes]}).hiding(raw)
    assert hiding(f"bad key {secret!r} or {secret.hex()}") == f"bad key b'{HIDDEN}' or {HIDDEN}"


def test_a_short_secret_does_not_eat_the_text():
    """S13: it is looked for as a word by itself."""
    hiding = Redaction({"pin": Secret[int]}).hiding(b'{"pin": 7}')
    assert hiding("pin 7 of 17, line 77") == f"pin {HIDDEN} of 17, line 77"


# In jobs --------------------------------------------------------------------------------------------

app = App("secrets")


@app.task(retry=Retry(max_attempts=1))
async def fail(token: Secret[str], how: str) -> None:
    match how:
        case "raise":
            raise ValueError(f"{'x' * 3_995}{token} is wrong")
        case "cause":
            raise RuntimeError("outer") from ValueError(token)
        case "reject":
            raise Reject(f"never {token}")
        case "retry":
            raise RetryAfter(1, f"later {token}")


@pytest.mark.parametrize("how", ["raise", "cause", "reject", "retry"])
async def test_errors_of_a_job_show_no_secret(how):
    """S13: neither the message nor the traceback, also where a text is shortened in the middle of it."""
    run = await run_job(fail, TOKEN, how)
    told = repr(run.outcome) + (run.outcome.failure.traceback if isinstance(run.outcome, Failed) else "")
    assert isinstance(run.outcome, Failed | Rejected | RetryRequested)
    assert TOKEN not in told
    assert TOKEN[:6] not in told


def test_events_and_values_do_not_print_what_jobs_hold():
    """S13: an observer may print every event; arguments, headers, results, bodies and handles are not in them."""
    job = Job(JobId("0" * 16), "pay", "q", json.dumps({"a": TOKEN}).encode(), headers={"authorization": TOKEN})
    delivery = Delivery("q", "m", receipt_handle=TOKEN, body=TOKEN)
    values = [
        JobDelivered(job, 1),
        JobEnded(job, 1, Succeeded(TOKEN.encode()), 0.1),
        delivery,
        OutgoingMessage(TOKEN),
        fail.call(TOKEN, "raise"),
    ]
    assert TOKEN not in "".join(map(repr, values))
