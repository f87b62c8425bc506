"""Inputs made of others: byte by byte, value by value, and field by field where a message has layers."""

from __future__ import annotations

import json
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Callable
from random import Random
from typing import Any, Final

from tests.fuzz.corpus import EVIL, EVIL_NAMES, JOBS, NOW, SEALED, Layered

from sqsjobs import HmacKey
from sqsjobs.job import Job

__all__ = ["argument_mutant", "body_mutant", "changed_text", "changed_value", "sealed_mutant", "written"]

_BYTES: Final = (
    '"',
    "\\",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\\u",
    "\\ud800",
    "null",
    "-",
    "1e999",
    "\x00",
    "\ufeff",
    " ",
    "\n",
    "9" * 20,
)
_NUMBERS: Final = (
    0,
    -1,
    1,
    2,
    3,
    2**31,
    2**53 + 1,
    2**63,
    2**64,
    -(2**64),
    10**100,
    0.1,
    -0.0,
    1e308,
    5e-324,
    NOW,
    253_402_300_800,
)
_FORGERS_KEY: Final = HmacKey("2026-11", b"f" * 32)
"""What somebody makes up who does not know the secret of that key."""

Value = Any  # what JSON holds


# Texts


def changed_text(text: str, chance: Random, other: str = "") -> str:
    """Return `text` with up to eight changes."""
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        text = chance.choice(_TEXT_CHANGES)(text, chance, other)
    return text


def _flip(text: str, chance: Random, other: str) -> str:
    raw = bytearray(text.encode("utf-8", "surrogatepass"))
    if raw:
        raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    return raw.decode("utf-8", "replace")


def _cut(text: str, chance: Random, other: str) -> str:
    start, end = _span(text, chance)
    return text[:start] + text[end:]


def _repeat(text: str, chance: Random, other: str) -> str:
    start, end = _span(text, chance)
    return text[:end] + text[start:end] * chance.randrange(1, 5) + text[end:]


def _insert(text: str, chance: Random, other: str) -> str:
    place = chance.randint(0, len(text))
    return (
        text[:place]
        + chance.choice((chance.choice(_BYTES), chance.choice(EVIL), chr(chance.randrange(256))))
        + text[place:]
    )


def _truncate(text: str, chance: Random, other: str) -> str:
    return text[: chance.randint(0, len(text))]


def _splice(text: str, chance: Random, other: str) -> str:
    return text[: chance.randint(0, len(text))] + other[chance.randint(0, len(other)) :]


def _span(text: str, chance: Random) -> tuple[int, int]:
    start = chance.randint(0, len(text))
    return start, min(len(text), start + chance.choice((1, 1, 2, 8, 64)))


_TEXT_CHANGES: Final[tuple[Callable[[str, Random, str], str], ...]] = (
    _flip,
    _flip,
    _cut,
    _repeat,
    _insert,
    _truncate,
    _splice,
)


# Values


def _value(chance: Random, depth: int = 0) -> Value:
    kind = chance.randrange(9 if depth < 4 else 5)
    if kind == 0:
        return chance.choice(_NUMBERS)
    if kind == 1:
        return chance.choice(EVIL)
    if kind == 2:
        return chance.choice((None, True, False, "", "add", "anything", "work"))
    if kind == 3:
        return chance.randbytes(chance.randrange(24)).decode("latin-1")
    if kind == 4:
        return chance.choice(("a" * 600, "9" * 4000, "x" * 65, "2026-11-21T12:00:00+99:99", "-P1Y", "NaN", "1e400"))
    if kind == 5:
        return [_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    if kind == 6:
        return {chance.choice(EVIL): _value(chance, depth + 1)}
    if kind == 7:
        nested: Value = 1
        for _ in range(chance.choice((3, 63, 64, 65, 200))):
            nested = [nested]
        return nested
    return {"a": _value(chance, depth + 1), "b": _value(chance, depth + 1)}


def changed_value(value: Value, chance: Random) -> Value:
    """Return a JSON value with one node of it changed."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        name = chance.choice(list(value))
        action = chance.randrange(8)
        changed = dict(value)
        if action == 0:
            del changed[name]
        elif action == 1:
            changed[chance.choice((*EVIL[:6], "task", "args", "id", "new", name.upper(), ""))] = changed.pop(name)
        elif action == 2:
            changed[name] = _value(chance)
        else:
            changed[name] = changed_value(value[name], chance)
        return changed
    if isinstance(value, list) and value and chance.random() < 0.8:
        place = chance.randrange(len(value))
        return [*value[:place], changed_value(value[place], chance), *value[place + 1 :]]
    return _value(chance)


def written(value: Value, chance: Random) -> str:
    """Write JSON in one of the ways in which people do."""
    text = json.dumps(value, ensure_ascii=chance.random() < 0.5, indent=chance.choice((None, None, None, 1)))
    if isinstance(value, dict) and value and chance.random() < 0.1:  # a key twice
        name = chance.choice(list(value))
        text = text[:-1].rstrip() + f", {json.dumps(name)}: {json.dumps(_value(chance))}}}"
    return text


# Messages


def body_mutant(chance: Random) -> str:
    """Return a body that is almost a plain envelope."""
    body = _plain(chance)
    if chance.random() < 0.03:
        return written({**json.loads(body), "task": chance.choice(EVIL_NAMES)}, chance)
    if chance.random() < 0.5:
        return changed_text(body, chance, _plain(chance))
    value = json.loads(body)
    for _ in range(chance.choice((1, 1, 2, 4))):
        value = changed_value(value, chance)
    return written(value, chance)


def argument_mutant(chance: Random, job: Job) -> str:
    """Return a text that is almost the arguments of `job`."""
    arguments = job.arguments.decode()
    if chance.random() < 0.4:
        return changed_text(arguments, chance, chance.choice(JOBS).arguments.decode())
    value = json.loads(arguments)
    for _ in range(chance.choice((1, 1, 2, 3))):
        value = changed_value(value, chance)
    return written(value, chance)


def _plain(chance: Random) -> str:
    return chance.choice([layered for layered in SEALED if layered.layers == "plain"]).body


def sealed_mutant(chance: Random, layered: Layered) -> str:
    """Return a body that is almost one that somebody with the keys has sealed."""
    other = chance.choice(SEALED)
    if chance.random() < 0.35 or layered.layers == "plain":
        return changed_text(layered.body, chance, other.body)
    wire = json.loads(layered.body)
    return written(chance.choice(_WIRE_CHANGES)(wire, chance, other), chance)


def _change_header(wire: Value, chance: Random, other: Layered) -> Value:
    header = changed_value(json.loads(wire["header"]), chance)
    return {**wire, "header": json.dumps(header, separators=chance.choice(((",", ":"), (", ", ": "))))}


def _change_header_text(wire: Value, chance: Random, other: Layered) -> Value:
    return {**wire, "header": changed_text(wire["header"], chance)}


def _change_content(wire: Value, chance: Random, other: Layered) -> Value:
    return {**wire, "content": changed_text(wire["content"], chance)}


def _take_from_other(wire: Value, chance: Random, other: Layered) -> Value:
    theirs = json.loads(other.body)
    name = chance.choice(("header", "content", "signature", "sqsjobs"))
    return {**wire, name: theirs.get(name, "")}


def _strip(wire: Value, chance: Random, other: Layered) -> Value:
    header = {**json.loads(wire["header"])}
    header.pop(chance.choice(("signed", "encrypted", "compressed", "environment")), None)
    stripped = {**wire, "header": json.dumps(header)}
    if chance.random() < 0.7:
        stripped.pop("signature", None)
    return stripped


def _unwrap(wire: Value, chance: Random, other: Layered) -> Value:
    """The plain envelope beside, or in place of, what was sealed."""
    plain = json.loads(_plain(chance))
    return chance.choice((plain, {**wire, **plain}, {**plain, **wire}, {**wire, "content": json.dumps(plain)}))


def _forge(wire: Value, chance: Random, other: Layered) -> Value:
    """Signed by one who does not know the key, over contents of his own."""
    header = json.loads(wire["header"])
    header["signed"] = {
        "key": chance.choice(("2026-11", "web-1", "")),
        "algorithm": chance.choice(("HS256", "EdDSA", "none", "")),
    }
    text = json.dumps(header)
    content = chance.choice((wire["content"], _plain(chance), json.loads(other.body).get("content", "{}")))
    tag = _FORGERS_KEY.sign(f"sqsjobs.2\n{text}\n{content}".encode("utf-8", "surrogatepass"))
    return {**wire, "header": text, "content": content, "signature": _base64(tag)}


def _compress(wire: Value, chance: Random, other: Layered) -> Value:
    """A compressed content that is not quite one, or is far too much of one."""
    raw = chance.choice(
        (bytes(chance.randrange(300_000)), chance.randbytes(200), _plain(chance).encode(), b"[" * 100_000)
    )
    small = bytearray(zlib.compress(raw, chance.choice((1, 9))))
    if chance.random() < 0.4 and small:
        small[chance.randrange(len(small))] ^= 1 << chance.randrange(8)
    header = {**json.loads(wire["header"]), "compressed": chance.choice(("zlib", "zlib", "zlib", "gzip", "", None))}
    return {**wire, "header": json.dumps(header), "content": _base64(bytes(small))}


def _base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


_WIRE_CHANGES: Final[tuple[Callable[[Value, Random, Layered], Value], ...]] = (
    _change_header,
    _change_header_text,
    _change_content,
    _take_from_other,
    _strip,
    _unwrap,
    _forge,
    _compress,
    lambda wire, chance, _: changed_value(wire, chance),
)
