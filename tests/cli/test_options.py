"""Options as values, and the command lines that are made of them for child processes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqsjobs.cli.commands import command_line
from sqsjobs.cli.options import Backends, Logs, as_arguments
from sqsjobs.cli.worker import Platform, Work, watched_queue, worker_command
from sqsjobs.errors import ConfigurationError
from sqsjobs.worker.options import WatchedQueue


def test_defaults_are_left_out():
    assert as_arguments(Work()) == []
    assert as_arguments(Work(queue=("a", "b:2"), burst=True, grace=5.0)) == [
        *("--queue", "a", "--queue", "b:2"),
        "--burst",
        *("--grace", "5.0"),
    ]


works = st.builds(
    Work,
    queue=st.lists(st.sampled_from(["images", "mails:3", "orders.fifo"])).map(tuple),
    concurrency=st.integers(1, 500),
    burst=st.booleans(),
    grace=st.floats(0, 100),
    threads=st.none() | st.integers(1, 9),
    create_queues=st.booleans(),
)
backends = st.builds(
    Backends, endpoint_url=st.none() | st.just("http://127.0.0.1:1"), queue_prefix=st.none() | st.just("")
)


@given(works, st.builds(Platform, metrics_port=st.none() | st.integers(0, 9)), backends, st.builds(Logs))
def test_a_child_gets_the_options_of_its_parent(work: Work, platform: Platform, backends: Backends, logs: Logs):
    """The command line of a child is read as the very options it was made of."""
    words = worker_command("jobs:app", work, platform, backends, logs)[3:]
    _, bound, _ = command_line(words).parse_args([*words, "--supervised", "5"])
    given: dict[str, Any] = bound.arguments
    assert given["app"] == "jobs:app"
    assert given["supervised"] == 5
    assert given.get("work", Work()) == work
    assert given.get("platform", Platform()) == platform
    assert given.get("backends", Backends()) == backends
    assert given.get("logs", Logs()) == logs


@pytest.mark.parametrize(
    ("text", "queue"),
    [
        ("images", WatchedQueue("images")),
        ("images:3", WatchedQueue("images", 3)),
        ("http://127.0.0.1:9324/000000000000/images", WatchedQueue("http://127.0.0.1:9324/000000000000/images")),
        ("http://127.0.0.1:9324/000000000000/images:2", WatchedQueue("http://127.0.0.1:9324/000000000000/images", 2)),
    ],
)
def test_a_queue_may_have_a_weight(text, queue):
    assert watched_queue(text) == queue


def test_a_weight_is_at_least_1():
    with pytest.raises(ConfigurationError, match="weight"):
        watched_queue("images:0")
