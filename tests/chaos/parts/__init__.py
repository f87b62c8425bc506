"""The parts of the chaos, each a coroutine that makes trouble on a field and returns figures of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.chaos.field import Field
from tests.chaos.parts.fleets import fleets
from tests.chaos.parts.kills import kills
from tests.chaos.parts.pauses import pauses
from tests.chaos.parts.pills import pills
from tests.chaos.parts.stops import LANES, stops
from tests.chaos.parts.weather import weather

__all__ = ["PARTS", "Part"]


@dataclass(frozen=True, slots=True)
class Part:
    """A part.

    Attributes:
        does: what it does, in one line.
        run: does so much of it, and returns its own figures.
        size: in the long form …
        short: … and in the tests.
        unit: of the size.
        stored: whether there is a job store.
        queues: that it needs.
    """

    does: str
    run: Callable[[Field, int], Awaitable[dict[str, object]]]
    size: int
    short: int
    unit: str
    stored: bool = True
    queues: tuple[str, ...] = ("chaos",)


PARTS = {
    "weather": Part("every kind of fault strikes every operation", weather, 40_000, 300, "jobs"),
    "weather-bare": Part("the same without a job store", weather, 10_000, 200, "jobs", stored=False),
    "kills": Part("workers are killed with SIGKILL", kills, 200, 2, "kills"),
    "kills-bare": Part("the same without a job store", kills, 100, 2, "kills", stored=False),
    "stops": Part("workers are stopped with SIGTERM, at any moment", stops, 200, 3, "stops", queues=LANES),
    "pauses": Part("workers are suspended for longer than their lease", pauses, 30, 1, "pauses"),
    "pills": Part("jobs kill the process they run in", pills, 20, 3, "pills"),
    "fleets": Part("supervisors, and the processes under them, are killed", fleets, 10, 1, "kills"),
}
"""By name, in the order in which they run."""
