"""The numbers behind the metrics, kept as plain Python and read by prometheus_client when somebody scrapes them.

A counter of prometheus_client's own costs a lock and several calls at every count, and one event is several counts; here
one lock serves a whole event, and a count is an addition.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Generic, Protocol, TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

__all__ = ["Count", "Counters", "Gauges", "Histogram", "Histograms", "Tallies"]


class Count:
    """A number that goes up, or up and down."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, by: float = 1.0) -> None:
        """Add `by`."""
        self.value += by

    def dec(self) -> None:
        """Take one away."""
        self.value -= 1.0

    def set(self, value: float) -> None:
        """Replace it."""
        self.value = value


class Histogram:
    """How many values were at most each bound, and their sum."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count `value` into its bucket."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    @property
    def sum(self) -> float:
        """The sum of all values."""
        return self._sum

    def buckets(self) -> list[tuple[str, float]]:
        """Return the cumulative counts, as Prometheus has them."""
        bounds = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        return [(bound, float(count)) for bound, count in zip(bounds, accumulate(self._counts), strict=True)]


T = TypeVar("T", Count, Histogram)


class _Family(ABC, Generic[T]):
    """One metric: a tally for each combination of labels that has come up. Without labels there is one from the start."""

    def __init__(self, name: str, text: str, labels: Sequence[str]) -> None:
        self._name = f"sqsjobs_{name}"
        self._text = text
        self._labels = labels
        self._tallies: dict[tuple[str, ...], T] = {} if labels else {(): self._new()}

    def at(self, *labels: str) -> T:
        """Return the tally of these labels."""
        tally = self._tallies.get(labels)
        if tally is None:
            tally = self._tallies[labels] = self._new()
        return tally

    @abstractmethod
    def _new(self) -> T: ...

    @abstractmethod
    def collect(self) -> Metric:
        """Return what there is now."""


class Counters(_Family[Count]):
    """A metric that only rises."""

    def _new(self) -> Count:
        return Count()

    def collect(self) -> Metric:
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for labels, tally in self._tallies.items():
            family.add_metric(labels, tally.value)
        return family


class Gauges(_Family[Count]):
    """A metric that rises and falls."""

    def _new(self) -> Count:
        return Count()

    def collect(self) -> Metric:
        family = GaugeMetricFamily(self._name, self._text, labels=self._labels)
        for labels, tally in self._tallies.items():
            family.add_metric(labels, tally.value)
        return family


class Histograms(_Family[Histogram]):
    """A metric of how values are spread."""

    def __init__(self, name: str, text: str, labels: Sequence[str], bounds: Sequence[float]) -> None:
        self._bounds = bounds
        super().__init__(name, text, labels)

    def _new(self) -> Histogram:
        return Histogram(self._bounds)

    def collect(self) -> Metric:
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        for labels, tally in self._tallies.items():
            family.add_metric(labels, tally.buckets(), tally.sum)
        return family


class _Collectable(Protocol):
    def collect(self) -> Metric: ...


F = TypeVar("F", bound=_Collectable)


class Tallies(Collector):
    """All metrics of one observer, as prometheus_client collects them.

    Attributes:
        turn: to be held while something is counted, since events come from several threads.
    """

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self._families: list[_Collectable] = []
        self._derivations: list[Callable[[Sequence[Metric]], Iterable[Metric]]] = []

    def register(self, registry: CollectorRegistry) -> None:
        """Let `registry` collect them.

        Raises:
            ValueError: if one of its metrics has a name that is there already.
        """
        registry.register(self)

    def counters(self, name: str, text: str, *labels: str) -> Counters:
        """Make a metric that only rises."""
        return self._kept(Counters(name, text, labels))

    def gauges(self, name: str, text: str, *labels: str) -> Gauges:
        """Make a metric that rises and falls."""
        return self._kept(Gauges(name, text, labels))

    def histograms(self, name: str, text: str, bounds: Sequence[float], *labels: str) -> Histograms:
        """Make a metric of how values are spread; `bounds` rise."""
        return self._kept(Histograms(name, text, labels, bounds))

    def derive(self, derivation: Callable[[Sequence[Metric]], Iterable[Metric]]) -> None:
        """Expose, too, what `derivation` makes of all metrics whenever they are collected."""
        self._derivations.append(derivation)

    def describe(self) -> Iterator[Metric]:
        yield from self.collect()

    def collect(self) -> Iterator[Metric]:
        with self.turn:
            families = [family.collect() for family in self._families]
        yield from families
        for derivation in self._derivations:
            yield from derivation(families)

    def _kept(self, family: F) -> F:
        self._families.append(family)
        return family
