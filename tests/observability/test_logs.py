"""The log lines that events become."""

from __future__ import annotations

import io
from typing import get_args

import pytest
import structlog
from tests.observability.samples import EVERY_KIND, FAILED, JOB, SECRET, poison

from sqsjobs import events as ev
from sqsjobs.context import JobContext, LeaseState, running_job
from sqsjobs.job import JobId
from sqsjobs.observability.floodgate import Floodgate
from sqsjobs.observability.logs import LogObserver, add_job
from sqsjobs.outcome import Interrupted, Rejected, RetryRequested, Snoozed, Succeeded, TimedOut


@pytest.fixture
def lines():
    with structlog.testing.capture_logs() as captured:
        yield captured


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
@pytest.mark.parametrize("event", EVERY_KIND, ids=lambda event: type(event).__name__)
def test_every_event_has_its_line(event, level):
    """At debug every kind of event is written; at the others only what is that severe."""
    order = ["debug", "info", "warning", "error"]
    written = structlog.testing.CapturingLogger()
    filtering = structlog.make_filtering_bound_logger(level)
    LogObserver(level, logger=structlog.wrap_logger(written, processors=[], wrapper_class=filtering))(event)
    if level == "debug":
        assert len(written.calls) == 1
    assert all(order.index(call.method_name) >= order.index(level) for call in written.calls)


@pytest.mark.parametrize("event", [*EVERY_KIND, FAILED], ids=lambda event: type(event).__name__)
def test_arguments_and_results_are_never_logged(lines, event):
    """S13: not at any level."""
    LogObserver("debug")(event)
    assert SECRET not in repr(lines)


def test_nothing_is_built_for_levels_nobody_reads():
    """An event without a line at this level costs one look into a dictionary."""
    kinds = {type(event) for event in EVERY_KIND}
    assert kinds == set(get_args(ev.Event))
    assert "25 kinds" in repr(LogObserver("debug"))
    assert "2 kinds" in repr(LogObserver("error"))


def test_a_failure_shows_its_error_and_traceback(lines):
    LogObserver()(FAILED)
    (line,) = lines
    assert line["log_level"] == "warning"
    assert (line["error_type"], line["error"]) == ("builtins.ValueError", "no such image")
    assert line["fingerprint"] == "0123456789ab"
    assert "boom" in line["traceback"]


def test_error_text_can_be_left_out(lines):
    """S13: the type and the fingerprint remain."""
    LogObserver(error_text=False)(FAILED)
    assert "no such image" not in repr(lines)
    assert "boom" not in repr(lines)
    assert lines[0]["fingerprint"] == "0123456789ab"


def test_tracebacks_of_one_failure_are_not_repeated_without_end(lines):
    observe = LogObserver(floodgate=Floodgate(limit=2))
    for _ in range(5):
        observe(FAILED)
    assert len(lines) == 5
    assert sum("traceback" in line for line in lines) == 2


@pytest.mark.parametrize(
    ("outcome", "level", "text"),
    [
        (Succeeded(), "info", "job succeeded"),
        (TimedOut(5), "warning", "job timed out"),
        (RetryRequested(5, "busy"), "info", "job asks to be retried"),
        (Snoozed(5), "info", "job snoozed"),
        (Rejected("no"), "warning", "job rejected"),
        (Interrupted(), "info", "job interrupted"),
    ],
)
def test_each_end_of_an_attempt_has_its_words(lines, outcome, level, text):
    LogObserver()(ev.JobEnded(JOB, 2, outcome, 0.1))
    assert [(line["log_level"], line["event"], line["attempt"]) for line in lines] == [(level, text, 2)]


def test_a_poison_flood_is_summed_up(lines):
    """R47, S18: at most so many lines per reason, then one line with the count, told at the next poll."""
    now = 0.0
    observe = LogObserver(floodgate=Floodgate(limit=10, now=lambda: now))
    for _ in range(1000):
        observe(poison("invalid-envelope"))
    observe(poison("invalid-arguments"))
    assert len(lines) == 11
    now = 61.0
    observe(ev.PollCompleted("images", 0, 10.0))
    assert lines[-1]["event"] == "lines left out"
    assert (lines[-1]["reason"], lines[-1]["count"]) == ("invalid-envelope", 990)


def test_the_end_of_the_worker_tells_what_was_left_out(lines):
    observe = LogObserver(floodgate=Floodgate(limit=0))
    observe(poison("invalid-envelope"))
    observe(ev.WorkerStopped("w1", clean=True))
    assert [line["event"] for line in lines] == ["lines left out", "worker stopped"]


def test_long_texts_from_messages_are_shortened(lines):
    LogObserver()(ev.DeadLettered("images", "m1", None, "t" * 5000, "unknown-task", "d" * 5000))
    assert len(lines[0]["task"]) < 210
    assert len(lines[0]["detail"]) < 210


def test_the_stack_of_a_blocked_loop_is_whole(lines):
    """R13: the warning names the task and shows where it stands."""
    LogObserver()(ev.LoopBlocked("resize", 2.0, "File x\n" * 100))
    assert lines[0]["task"] == "resize"
    assert len(lines[0]["traceback"]) == 700


def test_what_a_job_logs_carries_the_job():
    class Held:
        state = LeaseState.HELD

    job = JobContext(JobId("0" * 16), "resize", "images", 2, {}, None, 0.0, None, fencing_token=1, lease=Held())
    stream = io.StringIO()
    structlog.configure(
        [add_job, *structlog.get_config()["processors"]], logger_factory=structlog.PrintLoggerFactory(stream)
    )
    try:
        token = running_job.set(job)
        structlog.get_logger().info("half done")
        running_job.reset(token)
        structlog.get_logger().info("outside")
    finally:
        structlog.reset_defaults()
    inside, outside = stream.getvalue().splitlines()
    assert all(word in inside for word in ("half done", JOB.id, "resize", "images"))
    assert "resize" not in outside


def test_a_job_that_is_dropped_leaves_a_line(lines):
    """R41: with on_exhausted="discard" nothing else would say that a job is gone."""
    LogObserver()(ev.JobSettled("images", "m1", JOB.id, "resize", TimedOut(3), "delete"))
    (line,) = lines
    assert (line["log_level"], line["event"], line["job_id"]) == ("warning", "job dropped", JOB.id)
