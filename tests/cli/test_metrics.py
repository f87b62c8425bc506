"""What `queues stats` tells of costs, by metrics that are served."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from prometheus_client import CollectorRegistry

from sqsjobs import events as ev
from sqsjobs.cli.exits import OK, USAGE
from sqsjobs.job import JobId
from sqsjobs.observability.health import HealthServer
from sqsjobs.observability.metrics import MetricsObserver, exposition
from sqsjobs.outcome import Succeeded


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


@pytest.fixture
def worker() -> str:
    """The metrics of a worker that received and deleted ten jobs at once."""
    registry = CollectorRegistry()
    observe = MetricsObserver({"resize"}, {"images"}, registry)
    observe(ev.SqsCalled("ReceiveMessage", "images", 10, 0.02))
    observe(ev.PollCompleted("images", 10, 0.02))
    observe(ev.SqsCalled("DeleteMessageBatch", "images", 10, 0.02))
    for number in range(10):
        observe(ev.JobSettled("images", "m1", JobId(f"{number:032}"), "resize", Succeeded(), "delete"))
    return exposition(registry)


@pytest.fixture
def costs(run_here, shell):
    """Ask for the costs of queue `images` by metrics; return what was printed."""

    def asked(*texts: str, options: tuple[str, ...] = ()):
        with ExitStack() as stack:
            urls = [stack.enter_context(served(text)) for text in texts]
            named = [word for url in urls for word in ("--metrics", url)]
            return run_here("queues", "stats", shell.app, "-q", "images", *named, *options)

    return asked


def told(ran) -> list[list[str]]:
    """The rows of the table of costs, which follows that of the counts."""
    counts, costs = ran.out.split("\n\n")
    assert counts.startswith("QUEUE\tWAITING\t")
    head, *rows = costs.splitlines()
    assert head.split("\t") == ["QUEUE", "SIDE", "REQUESTS A JOB", "DOLLARS A MILLION JOBS", "EMPTY RECEIVES"]
    return [row.split("\t") for row in rows]


def test_costs_follow_the_counts_by_side_and_in_total(costs, producer, worker):
    ran = costs(producer, worker)
    assert told(ran) == [
        ["images", "send", "0.1", "0.04", ""],
        ["images", "work", "0.2", "0.08", "0.0"],
        ["images", "total", "0.3", "0.12", ""],
    ]
    assert "--metrics" not in ran.err


def test_a_producer_alone_knows_half_of_the_cost(costs, producer):
    ran = costs(producer)
    assert told(ran) == [["images", "send", "0.1", "0.04", ""], ["images", "work", "unknown", "unknown", ""]]
    assert "name the metrics of both with --metrics" in ran.err


def test_a_worker_alone_knows_the_other_half(costs, worker):
    ran = costs(worker)
    assert told(ran) == [["images", "send", "unknown", "unknown", ""], ["images", "work", "0.2", "0.08", "0.0"]]
    assert "name the metrics of both with --metrics" in ran.err


def test_json_has_a_total_only_of_both_sides(costs, producer, worker):
    (whole,) = costs(producer, worker, options=("--json",)).json
    (half,) = costs(worker, options=("--json",)).json
    assert whole["waiting"] == 0
    assert whole["requests a job"] == {"send": 0.1, "work": 0.2, "total": 0.3}
    assert whole["empty receives"] == 0.0
    assert half["requests a job"] == {"send": None, "work": 0.2, "total": None}
    assert half["dollars a million jobs"] == {"send": None, "work": 0.08, "total": None}


def test_queues_that_the_metrics_do_not_know(run_here, shell, producer):
    with served(producer) as url:
        ran = run_here("queues", "stats", shell.app, "-q", "mails", "--metrics", url)
    assert [row[:3] for row in told(ran)] == [["mails", "send", "unknown"], ["mails", "work", "unknown"]]


def test_a_price_of_ones_own(costs, producer, worker):
    ran = costs(producer, worker, options=("--request-price", "10"))
    assert ran.code == OK
    assert [row[3] for row in told(ran)] == ["1.0", "2.0", "3.0"]


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
