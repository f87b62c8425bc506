"""What is fuzzed: each target takes an input and says in a word what became of it; anything else that it does is a finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from random import Random
from typing import Any, Final
from uuid import UUID

from tests.fuzz import inflating
from tests.fuzz.bombs import bomb_body
from tests.fuzz.corpus import EVIL, JOBS, LAYERS, SEALED, Layered, large_text, many_values
from tests.fuzz.driving import result_of
from tests.fuzz.mutants import argument_mutant, body_mutant, changed_text, sealed_mutant
from tests.fuzz.replies import Reply, large_reply, reply_mutant
from tests.fuzz.wire import feed_reply

from sqsjobs import InvalidArguments, InvalidEnvelope, UnsupportedVersion, task
from sqsjobs.annotation import Annotation
from sqsjobs.job import Job, checked_job_id
from sqsjobs.registry import Registry

__all__ = ["TARGETS", "Forgery", "Target", "bit_flips"]

_ONE_IN: Final = 1000
"""How many inputs there are for one that is large."""
_ONE_BOMB_IN: Final = 50
"""How many compressed inputs there are for one that inflates to megabytes."""


class Forgery(AssertionError):
    """A message was accepted that nobody with the keys has sealed."""


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that is fuzzed.

    Attributes:
        make: returns an input.
        feed: what takes it; returns a word for the tally.
        share: of a hundred inputs.
        materializes: whether it makes Python values of the content, which take more memory than their text.
    """

    make: Callable[[Random], Any]
    feed: Callable[[Any], str]
    share: int
    materializes: bool = False


# The tasks of a worker -------------------------------------------------------------------------------


class Mode(Enum):
    FAST = "fast"
    EXACT = "exact"


@dataclass
class Order:
    id: UUID
    at: datetime
    total: Decimal
    note: str | None = None


@task()
def add(a: int, b: int = 0) -> int:
    return a + b


@task()
def resize(key: str, width: int, modes: list[Mode] = []) -> str:  # noqa: B006 - only declared
    return f"{key}{width}{modes}"


@task()
def book(order: Order, tags: dict[str, int] | None = None, limits: tuple[int, float] = (0, 0.0)) -> None: ...


@task()
def anything(value: Any) -> None: ...


_REGISTRY: Final = Registry()
for _declared in (add, resize, book, anything):
    _REGISTRY.add(_declared)


# The targets -----------------------------------------------------------------------------------------


def _large_or(make: Callable[[Random], str]) -> Callable[[Random], str]:
    def made(chance: Random) -> str:
        return large_text(chance) if not chance.randrange(_ONE_IN) else make(chance)

    return made


def _open(layers: str, body: str, queue: str = "work") -> Job | str:
    """Open a body as a worker does; the job, or in a word why there is none."""
    try:
        job = result_of(LAYERS[layers].open(body, queue=queue, message_id="m" * 36, group="tenant-1"))
    except InvalidEnvelope as problem:
        return _told(problem)
    except UnsupportedVersion:
        return "unsupported-version"
    _check(job)
    return job


def _told(problem: InvalidEnvelope | InvalidArguments) -> str:
    assert len(str(problem)) < 2000, "an error as long as the message"
    return problem.code if isinstance(problem, InvalidEnvelope) else "invalid-arguments"


def _check(job: Job) -> None:
    assert checked_job_id(job.id) == job.id
    assert job.task.isprintable()
    assert 0 < len(job.task) <= 512
    assert job.arguments.startswith(b"{")
    assert 0 <= job.enqueued_at < 1e12
    assert job.attempts >= 0
    assert job.epoch >= 0


def _feed_envelope(body: str) -> str:
    job = _open("plain", body)
    return job if isinstance(job, str) else "accepted"


def _feed_message(body: str) -> str:
    """All that a worker makes of a message before it runs it."""
    job = _open("plain", body)
    if isinstance(job, str):
        return job
    known = _REGISTRY.get(job.task)
    if known is None:
        return "unknown-task"
    assert job.task in {"add", "resize", "book", "anything"}, "a task that nobody has declared"
    return _decoded(known, job.arguments)


def _decoded(known: Any, raw: bytes) -> str:
    try:
        arguments = known.codec.decode_arguments(raw)
    except InvalidArguments as problem:
        return _told(problem)
    return _typed(known.name, arguments)


def _typed(name: str, arguments: Mapping[str, Any]) -> str:
    if name == "add":
        assert all(type(value) is int for value in arguments.values())
    elif name == "resize":
        assert all(isinstance(mode, Mode) for mode in arguments.get("modes", ()))
    elif name == "book":
        assert isinstance(arguments["order"], Order)
        assert isinstance(arguments["order"].id, UUID)
    return "accepted"


def _make_arguments(chance: Random) -> tuple[str, str]:
    job = chance.choice(JOBS)
    name = job.task if chance.random() < 0.9 else "book"
    if not chance.randrange(_ONE_IN):
        return "anything", many_values(chance)
    return name, _large_or(lambda chance: argument_mutant(chance, job))(chance)


def _feed_codec(given: tuple[str, str]) -> str:
    name, text = given
    known = _REGISTRY.get(name)
    return _decoded(known, text.encode("utf-8", "surrogatepass"))


def _make_sealed(*layers: str) -> Callable[[Random], tuple[str, str, str]]:
    corpus = [layered for layered in SEALED if layered.layers in layers]

    def make(chance: Random) -> tuple[str, str, str]:
        layered = chance.choice(corpus)
        body = _large_or(lambda chance: sealed_mutant(chance, layered))(chance)
        return layered.layers, body, "work" if chance.random() < 0.9 else chance.choice(("other", "work.fifo", ""))

    return make


def _feed_sealed(given: tuple[str, str, str]) -> str:
    layers, body, queue = given
    job = _open(layers, body, queue)
    if isinstance(job, str):
        return job
    if queue != "work" or not any(_same(own, job) for own in JOBS):
        raise Forgery(f"{layers}: {job!r}")
    return "accepted as it was sealed"


def _same(own: Job, opened: Job) -> bool:
    fields = ("id", "task", "arguments", "enqueued_at", "epoch", "attempts", "not_before")
    return dict(own.headers) == dict(opened.headers) and all(getattr(own, it) == getattr(opened, it) for it in fields)


def _make_compressed(chance: Random) -> tuple[str, str, str]:
    if chance.randrange(_ONE_BOMB_IN):
        return _MAKE_COMPRESSED(chance)
    return "compressed", bomb_body(chance, chance.choice(_COMPRESSED)), "work"


_MAKE_COMPRESSED: Final = _make_sealed("compressed")
_COMPRESSED: Final = [layered for layered in SEALED if layered.layers == "compressed"]


def _feed_compressed(given: tuple[str, str, str]) -> str:
    """What comes out of the inflater is judged in `inflating`, also where it is refused afterwards."""
    layers, body, queue = given
    job = _open(layers, body, queue)
    if isinstance(job, str):
        return job
    held = sum(it.held for it in inflating.inflated)
    assert len(job.arguments) <= (held or len(body.encode("utf-8", "surrogatepass"))), (
        "arguments of more than was inflated"
    )
    return "accepted, of megabytes" if held >= 1_000_000 else "accepted"


def _make_annotation(chance: Random) -> str:
    note = Annotation(
        "exhausted", "work", "w1", "2026-11-21T12:00:00Z", task="add", job_id=JOBS[0].id, attempts=5, epoch=2
    )
    return changed_text(note.encode(), chance, chance.choice(EVIL))


def _feed_annotation(text: str) -> str:
    try:
        note = Annotation.decode(text)
    except ValueError:
        return "refused"
    assert len(note.encode()) <= 2048
    assert note.encode().isascii()
    return "accepted"


def _make_reply(chance: Random) -> Reply:
    return (reply_mutant if chance.randrange(_ONE_IN) else large_reply)(chance)


TARGETS: Final[Mapping[str, Target]] = {
    "envelope": Target(_large_or(body_mutant), _feed_envelope, 15),
    "message": Target(_large_or(body_mutant), _feed_message, 15, materializes=True),
    "codec": Target(_make_arguments, _feed_codec, 15, materializes=True),
    "signature": Target(_make_sealed("signed", "signed by ed25519"), _feed_sealed, 15),
    "encryption": Target(_make_sealed("encrypted", "encrypted and signed", "all"), _feed_sealed, 15),
    "compression": Target(_make_compressed, _feed_compressed, 10),
    "answer": Target(_make_reply, feed_reply, 10, materializes=True),
    "annotation": Target(_make_annotation, _feed_annotation, 5),
}
"""All of them, by name; their shares are of a hundred."""


def bit_flips(layered: Layered) -> int:
    """Feed `layered` once for every bit of it, that bit flipped; return how many those were.

    Raises:
        Forgery: if one is accepted.
    """
    raw = layered.body.encode()
    for place in range(len(raw)):
        for bit in range(8):
            flipped = raw[:place] + bytes([raw[place] ^ 1 << bit]) + raw[place + 1 :]
            outcome = _open(layered.layers, flipped.decode("utf-8", "surrogateescape"))
            if not isinstance(outcome, str):
                raise Forgery(f"{layered.layers}: byte {place}, bit {bit} of {layered.body!r}")
    return len(raw) * 8
