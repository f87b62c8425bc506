"""What `queues stats` tells of costs, by metrics that are served."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import CollectorRegistry

from sqsjobs import events as ev
from sqsjobs.cli.exits import OK, USAGE
from sqsjobs.job import JobId
from sqsjobs.observability.health import HealthServer
from sqsjobs.observability.metrics import MetricsObserver, exposition


class Probe:
    """Serves a text as metrics."""

    def __init__(self, text: str) -> None:
        self._text = text

    def live(self) -> str:
        return ""

    ready = live

    def metrics(self) -> str:
        return self._text


@contextmanager
def served(text: str) -> Iterator[str]:
    with HealthServer(Probe(text), 0, "127.0.0.1") as server:
        yield f"http://127.0.0.1:{server.port}"


@pytest.fixture
def producer() -> str:
    """The metrics of a producer that sent ten jobs at once."""
    registry = CollectorRegistry()
    observe = MetricsObserver({"resize"}, {"images"}, registry)
    observe(ev.SqsCalled("SendMessageBatch", "images", 10, 0.02))
    for number in range(10):
        observe(ev.JobEnqueued(JobId(f"{number:032}"), "resize", "images"))
    return exposition(registry)


def test_costs_stand_beside_the_counts(run_here, shell, producer):
    with served(producer) as url:
        ran = run_here("queues", "stats", shell.app, "--metrics", url, "--json")
    rows = {row["queue"]: row for row in ran.json}
    assert rows["images"]["requests a job"] == 0.1
    assert rows["images"]["dollars a million jobs"] == 0.04
    assert rows["mails"]["requests a job"] is None


def test_a_price_of_ones_own(run_here, shell, producer):
    with served(producer) as url:
        ran = run_here("queues", "stats", shell.app, "-q", "images", "--metrics", url, "--request-price", "10")
    assert ran.code == OK
    assert ran.out.splitlines()[1].split("\t")[-3:] == ["0.1", "", "1.0"]


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("http://127.0.0.1:1", "--metrics-port"),
        ("worker:9000", "http://worker:9000/metrics"),
        ("file:///etc/hosts", "URL"),
    ],
)
def test_metrics_that_are_not_there(run_here, shell, url, hint):
    ran = run_here("queues", "stats", shell.app, "--metrics", url)
    assert ran.code == USAGE
    assert hint in ran.err


def test_what_is_no_metrics(run_here, shell):
    with served("<html> { not") as url:
        ran = run_here("queues", "stats", shell.app, "--metrics", url)
    assert ran.code == USAGE
    assert "no metrics of Prometheus" in ran.err
