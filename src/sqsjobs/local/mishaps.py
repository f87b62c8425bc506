"""The kinds of faults that the local server knows: what each does, and to which operations it can happen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from sqsjobs.local import spoiling
from sqsjobs.local.spoiling import Spoiling
from sqsjobs.transport.model import NO_FAULT, Fault, Refusal

__all__ = ["KINDS", "Kind", "Mishap"]

_MOST_ENTRIES: Final = 10
_RECEIVES: Final = frozenset({"ReceiveMessage"})
_DELETES: Final = frozenset({"DeleteMessage", "DeleteMessageBatch"})
_BATCHES: Final = frozenset({"SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"})


@dataclass(frozen=True, slots=True)
class Mishap:
    """What goes wrong with one call.

    Attributes:
        kind: its name.
        fault: in SQS itself.
        spoiling: on the way of its answer; None if that arrives as it is.
        seconds: that the spoiling takes, where time plays a part.
        carried_out: whether the operation is carried out at all before its answer is spoiled.
    """

    kind: str = ""
    fault: Fault = NO_FAULT
    spoiling: Spoiling | None = None
    seconds: float = 0.0
    carried_out: bool = True


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    Attributes:
        does: what it does, for the reader of a plan.
        mishap: makes one that takes so many seconds.
        seconds: how long it takes, unless a plan says otherwise; 0 where time plays no part.
        operations: those it can happen to; None for all.
    """

    does: str
    mishap: Callable[[float, Random], Mishap]
    seconds: float = 0.0
    operations: frozenset[str] | None = None

    def can_happen_to(self, operation: str) -> bool:
        """Whether it makes sense for an operation, such as ``"ReceiveMessage"``."""
        return self.operations is None or operation in self.operations


def _refused(shape: str, problem: str) -> Callable[[float, Random], Mishap]:
    return lambda _seconds, _random: Mishap(fault=Fault(before=Refusal(shape, problem)))


def _some_refused(shape: str, problem: str) -> Callable[[float, Random], Mishap]:
    def some(_: float, random: Random) -> Mishap:
        refused = {0, *(n for n in range(1, _MOST_ENTRIES) if random.random() < 0.3)}  # batches of one are met, too
        return Mishap(fault=Fault(entries={n: Refusal(shape, problem) for n in refused}))

    return some


def _faulty(fault: Fault) -> Callable[[float, Random], Mishap]:
    return lambda _seconds, _random: Mishap(fault=fault)


def _spoiled(how: Spoiling, *, carried_out: bool = True) -> Callable[[float, Random], Mishap]:
    return lambda seconds, _: Mishap(spoiling=how, seconds=seconds, carried_out=carried_out)


_BROKEN = "We encountered an internal error. Please try again."
_TOO_FAST = "Rate exceeded"

KINDS: Final[Mapping[str, Kind]] = {
    # SQS itself
    "internal-error": Kind("500 InternalFailure, not carried out", _refused("InternalFailure", _BROKEN)),
    "internal-error-after": Kind("carried out, answered with 500 InternalFailure", _spoiled(spoiling.answer_failure)),
    "unavailable": Kind("503 ServiceUnavailable", _refused("ServiceUnavailable", "Service is unavailable")),
    "throttled": Kind("403 RequestThrottled", _refused("RequestThrottled", _TOO_FAST)),
    "kms-throttled": Kind("400 KMS.ThrottlingException", _refused("KmsThrottled", _TOO_FAST)),
    "expired-token": Kind(
        "403 ExpiredToken: the credentials are over",
        _refused("ExpiredTokenException", "The security token included in the request is expired"),
    ),
    "partial": Kind(
        "some entries of a batch fail with InternalError, the others are carried out",
        _some_refused("InternalError", _BROKEN),
        operations=_BATCHES,
    ),
    "partial-throttled": Kind(
        "some entries of a batch are throttled, the others are carried out",
        _some_refused("RequestThrottled", _TOO_FAST),
        operations=_BATCHES,
    ),
    "duplicate": Kind(
        "what is received stays visible, and is delivered again", _faulty(Fault(duplicate=True)), operations=_RECEIVES
    ),
    "resurrect": Kind(
        "the delete succeeds, and the messages come back when their visibility ends",
        _faulty(Fault(resurrect=True)),
        operations=_DELETES,
    ),
    "latency": Kind(
        "carried out after some seconds", lambda seconds, _: Mishap(fault=Fault(delay=seconds)), seconds=0.5
    ),
    # The way there and back
    "drop-before": Kind("the connection ends, not carried out", _spoiled(spoiling.hang_up, carried_out=False)),
    "drop-after": Kind("carried out, then the connection ends without an answer", _spoiled(spoiling.hang_up)),
    "reset-before": Kind("the connection is reset (RST), not carried out", _spoiled(spoiling.reset, carried_out=False)),
    "reset-after": Kind("carried out, then the connection is reset (RST)", _spoiled(spoiling.reset)),
    "half-open-before": Kind(
        "not carried out and never answered", _spoiled(spoiling.keep_silent, carried_out=False), seconds=60.0
    ),
    "half-open-after": Kind("carried out and never answered", _spoiled(spoiling.keep_silent), seconds=60.0),
    "late": Kind("carried out at once, answered after some seconds", _spoiled(spoiling.answer_late), seconds=0.5),
    "slow": Kind("the answer trickles for some seconds", _spoiled(spoiling.drip), seconds=0.5),
    "truncated-head": Kind("the answer breaks off in its headers", _spoiled(spoiling.stop_in_the_head)),
    "truncated": Kind("the answer breaks off in its body", _spoiled(spoiling.stop_in_the_body)),
    "garbage": Kind("the answer is no HTTP", _spoiled(spoiling.speak_no_http)),
    "html": Kind("a proxy answers 502 in HTML, not carried out", _spoiled(spoiling.answer_html, carried_out=False)),
    "html-200": Kind(
        "a portal answers 200 in HTML, not carried out", _spoiled(spoiling.welcome_html, carried_out=False)
    ),
    "redirect": Kind("307 to another host, not carried out", _spoiled(spoiling.redirect, carried_out=False)),
    "bad-json": Kind("carried out, answered 200 with broken JSON", _spoiled(spoiling.answer_other_json)),
    "too-large": Kind("carried out, answered with 65 MiB", _spoiled(spoiling.swell)),
    # The answer, in a way that is rare and right
    "chunked": Kind("the answer comes in odd chunks, with a trailer", _spoiled(spoiling.answer_in_pieces)),
    "no-length": Kind("the end of the connection ends the answer", _spoiled(spoiling.answer_until_the_end)),
    "early-hints": Kind("an answer that is not final comes first", _spoiled(spoiling.send_first_word)),
    "close": Kind("the connection ends with the answer, as announced", _spoiled(spoiling.announce_the_end)),
    "close-silently": Kind(
        "the connection ends some seconds after the answer, unannounced", _spoiled(spoiling.end_silently), seconds=0.005
    ),
}
"""By name."""
