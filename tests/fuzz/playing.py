"""Feeds inputs, one a seed, and finds what must not be: a crash, a forgery, a deed, more time or memory than allowed."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from tests.fuzz import guard
from tests.fuzz.corpus import SEALED
from tests.fuzz.targets import TARGETS, Forgery, Target, bit_flips

__all__ = ["LONGEST", "Finding", "Score", "flip_bits", "play", "play_all"]

LONGEST: Final = 0.05
"""Seconds of processor time that one input may take."""
_MEMORY: Final = 4
"""Bytes of memory for each byte of an input that is judged as text …"""
_BASE: Final = 262_144
"""… and these for whatever its size."""
_MOST_MEMORY: Final = 33_554_432
"""Bytes for what is inflated, or made Python values: those are bounded absolutely, by the limits on bytes and items."""
_LARGE: Final = 32_768
"""Bytes of an input from which on its memory is measured."""
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
        greediest: bytes of memory of the greediest one, for each byte of a large input.
        measured: inputs whose memory was measured.
        seconds: of processor time, that of making the inputs included.
        findings: what must not be.
    """

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=dict)
    greediest: dict[str, float] = field(default_factory=dict)
    measured: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)

    def add(self, other: Score) -> None:
        """Add another one."""
        self.outcomes += other.outcomes
        self.measured += other.measured
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
    for _ in range(_TRIES - 1):
        if seconds > LONGEST and not problem:
            seconds = min(seconds, _fed(target, given)[1])
    score.outcomes[name, outcome] += 1
    score.slowest[name] = max(seconds, score.slowest.get(name, 0.0))
    for kind, told in (
        *([problem] if problem else []),
        *([("slow", f"{seconds * 1000:.0f} ms")] if seconds > LONGEST else []),
        *([("deed", "; ".join(guard.deeds))] if guard.deeds else []),
        *_greed(name, target, given, score),
    ):
        score.findings.append(Finding(seed, name, kind, told, _shown(given)))
    return outcome


def _fed(target: Target, given: Any) -> tuple[str, float, tuple[str, str] | None]:
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


def _greed(name: str, target: Target, given: Any, score: Score) -> list[tuple[str, str]]:
    """Measure the memory that a large input takes; measuring makes it slow, so it is fed once more for that."""
    size = len(_text_of(given).encode("utf-8", "surrogatepass")) if len(_text_of(given)) >= _LARGE else 0
    if not size:
        return []
    tracemalloc.start()
    try:
        _fed(target, given)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    score.measured += 1
    score.greediest[name] = max(most / size, score.greediest.get(name, 0.0))
    bounded = target.materializes or name == "compression"
    allowed = max(_MOST_MEMORY, _MEMORY * size) if bounded else _MEMORY * size + _BASE
    return [("memory", f"{most:,} bytes for {size:,}")] if most > allowed else []


def _text_of(given: Any) -> str:
    return given if isinstance(given, str) else given[1]


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
    warmed = Score()
    for seed in range(-400, 0):
        play(seed, warmed)
    guard.guard_process()
    gc.freeze()
