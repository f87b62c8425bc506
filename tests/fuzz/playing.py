"""Feeds inputs, one a seed, and finds what must not be: a crash, a forgery, a deed, more time or memory than allowed."""

from __future__ import annotations

import gc
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from tests.fuzz import guard, inflating
from tests.fuzz.allowance import Allowance
from tests.fuzz.corpus import SEALED, UNLOADED
from tests.fuzz.targets import TARGETS, Forgery, Target, bit_flips

__all__ = ["Finding", "Score", "flip_bits", "play", "play_all"]

_LARGE: Final = 32_768
"""Bytes, of an input and what it inflates to, from which on its memory is always measured …"""
_ONE_IN: Final = 20
"""… and one in so many of the others."""
_TRIES: Final = 3
"""How often an input must be too slow: once may be the machine's fault."""

_SHARES: Final = [name for name, target in TARGETS.items() for _ in range(target.share)]


@dataclass(frozen=True, slots=True)
class Finding:
    """An input that did what no input may."""

    seed: int
    target: str
    kind: str
    problem: str
    given: str = field(repr=False)


@dataclass(slots=True)
class Score:
    """What some inputs came to.

    Attributes:
        outcomes: by target and word.
        slowest: seconds of the slowest input of each target.
        greediest: bytes of memory of the greediest one, for each byte of a large input and of what it inflates to.
        measured: inputs whose memory was measured.
        inflated: those of them that were inflated, or would have been but for a limit.
        largest: bytes that came out of the largest one, or the limit that it met.
        seconds: of processor time, that of making the inputs included.
        findings: what must not be.
    """

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=dict)
    greediest: dict[str, float] = field(default_factory=dict)
    measured: int = 0
    inflated: int = 0
    largest: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)

    def add(self, other: Score) -> None:
        """Add another one."""
        self.outcomes += other.outcomes
        self.measured += other.measured
        self.inflated += other.inflated
        self.largest = max(self.largest, other.largest)
        self.seconds += other.seconds
        self.findings += other.findings
        for name, seconds in other.slowest.items():
            self.slowest[name] = max(seconds, self.slowest.get(name, 0.0))
        for name, factor in other.greediest.items():
            self.greediest[name] = max(factor, self.greediest.get(name, 0.0))


def input_of(seed: int, only: str | None = None) -> tuple[str, Any]:
    """Return the target and the input that a seed stands for."""
    chance = Random(seed)
    drawn = chance.choice(_SHARES)
    name = only or drawn
    return name, TARGETS[name].make(chance)


def play_all(seeds: Sequence[int], only: str | None = None) -> Score:
    """Feed the inputs of many seeds."""
    _prepare()
    score, began = Score(), time.thread_time()
    for seed in seeds:
        play(seed, score, only)
    score.seconds = time.thread_time() - began
    return score


def play(seed: int, score: Score, only: str | None = None) -> str:
    """Feed the input of one seed; return the word for it."""
    name, given = input_of(seed, only)
    target = TARGETS[name]
    guard.deeds.clear()
    outcome, seconds, problem = _fed(target, given)
    allowed = Allowance.of(_raw_of(given), inflating.inflated, materializes=target.materializes)
    for _ in range(_TRIES - 1):
        if seconds > allowed.seconds and not problem:
            seconds = min(seconds, _fed(target, given)[1])
    score.outcomes[name, outcome] += 1
    score.slowest[name] = max(seconds, score.slowest.get(name, 0.0))
    for kind, told in (
        *([problem] if problem else []),
        *([("slow", f"{seconds * 1000:.0f} ms")] if seconds > allowed.seconds else []),
        *([("deed", "; ".join(guard.deeds))] if guard.deeds else []),
        *(_greed(name, given, allowed, score) if _is_measured(seed, allowed) else []),
    ):
        score.findings.append(Finding(seed, name, kind, told, _shown(given)))
    return outcome


def _is_measured(seed: int, allowed: Allowance) -> bool:
    return bool(allowed.inflated) or allowed.given >= _LARGE or seed % _ONE_IN == 0


def _fed(target: Target, given: Any) -> tuple[str, float, tuple[str, str] | None]:
    inflating.inflated.clear()
    began = time.thread_time()
    problem = None
    try:
        with guard.guarded():
            outcome = target.feed(given)
    except Forgery as forgery:
        outcome, problem = "FORGED", ("forgery", str(forgery))
    except BaseException as crash:
        outcome, problem = "CRASHED", ("crash", f"{type(crash).__name__}: {crash}"[:2000])
    return outcome, time.thread_time() - began, problem


def _greed(name: str, given: Any, allowed: Allowance, score: Score) -> list[tuple[str, str]]:
    """Measure the memory that an input takes; measuring makes it slow, so it is fed once more for that."""
    tracemalloc.start()
    try:
        _fed(TARGETS[name], given)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    score.measured += 1
    score.inflated += bool(allowed.inflated)
    score.largest = max(score.largest, *(it.held for it in allowed.inflated), 0)
    if allowed.content >= _LARGE:  # what takes less than `_BASE` says little for each of its bytes
        score.greediest[name] = max(most / allowed.content, score.greediest.get(name, 0.0))
    return [("memory", f"{most:,} bytes for {allowed.memory:,}")] if most > allowed.memory else []


def _raw_of(given: Any) -> bytes:
    content = given[1] if isinstance(given, tuple) else given
    return content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")


def _shown(given: Any) -> str:
    shown = ascii(given)
    return shown if len(shown) <= 4000 else f"{shown[:2000]} … {shown[-500:]} ({len(shown):,} characters)"


def flip_bits(places: Sequence[int]) -> Score:
    """Feed sealed messages with every one of their bits flipped; of the same job, sealed anew by each of the layers."""
    _prepare()
    score, began = Score(), time.thread_time()
    genuine = [layered for layered in SEALED if layered.layers not in ("plain", "compressed")]
    for place in places:
        layered = genuine[place % len(genuine)]
        try:
            score.outcomes["every bit", "refused"] += bit_flips(layered)
        except Forgery as forgery:
            score.findings.append(Finding(place, "every bit", "forgery", str(forgery), layered.body))
    score.seconds = time.thread_time() - began
    return score


_prepared = False


def _prepare() -> None:
    """Install the guard, and let everything be imported that is imported when it is first used."""
    global _prepared  # noqa: PLW0603 - once a process
    if _prepared:
        return
    _prepared = True
    inflating.watch()
    warmed = Score()
    for seed in range(-400, 0):
        play(seed, warmed)
    assert UNLOADED.isdisjoint(sys.modules), "an import of what is loaded already is not seen"
    guard.guard_process()
    gc.freeze()
