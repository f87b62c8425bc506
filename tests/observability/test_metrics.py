"""The metrics that events become."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry
from tests.observability.samples import EVERY_KIND, FAILED, JOB, SECRET, poison

from sqsjobs import events as ev
from sqsjobs.observability.metrics import OTHER, UNKNOWN, MetricsObserver, exposition, merged
from sqsjobs.outcome import Succeeded, TimedOut


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def observe(registry):
    return MetricsObserver({"resize"}, {"images"}, registry)


def series(registry: CollectorRegistry) -> int:
    return sum(len(family.samples) for family in registry.collect())


def test_a_job_is_counted_on_its_way(registry, observe):
    observe(ev.JobEnqueued(JOB.id, "resize", "images"))
    observe(ev.JobDelivered(JOB, 3))
    observe(ev.JobStarted(JOB, 1, 3, 0.1))
    labels = {"task": "resize", "queue": "images"}
    for name in ("enqueued", "delivered", "started"):
        assert registry.get_sample_value(f"sqsjobs_jobs_{name}_total", labels) == 1
    assert registry.get_sample_value("sqsjobs_jobs_running", {"queue": "images"}) == 1
    observe(ev.JobEnded(JOB, 1, TimedOut(2.0), 2.0))
    assert registry.get_sample_value("sqsjobs_jobs_ended_total", {**labels, "outcome": "timed_out"}) == 1
    assert registry.get_sample_value("sqsjobs_job_seconds_sum", labels) == 2.0
    assert registry.get_sample_value("sqsjobs_jobs_running", {"queue": "images"}) == 0


def test_receives_beyond_the_attempts_are_seen(registry, observe):
    """R40: deliveries that were no attempts show before the redrive policy bites."""
    observe(ev.JobStarted(JOB, 1, 9, 0.1))
    assert registry.get_sample_value("sqsjobs_job_surplus_receives_sum", {"queue": "images"}) == 8


def test_requests_to_sqs_are_counted_and_measured(registry, observe):
    observe(ev.SqsCalled("SendMessageBatch", "images", 10, 0.02))
    observe(ev.SqsCalled("SendMessageBatch", "images", 10, 0.02, "RequestThrottled"))
    labels = {"operation": "SendMessageBatch", "queue": "images"}
    for outcome in ("ok", "RequestThrottled"):
        assert registry.get_sample_value("sqsjobs_sqs_requests_total", {**labels, "outcome": outcome}) == 1
    assert registry.get_sample_value("sqsjobs_sqs_entries_total", labels) == 20


def test_poison_is_counted_by_reason(registry, observe):
    """S18: per-reason counters."""
    observe(ev.DeadLettered("images", "m1", None, None, "invalid-envelope", SECRET))
    labels = {"queue": "images", "reason": "invalid-envelope"}
    assert registry.get_sample_value("sqsjobs_dead_letters_total", labels) == 1
    assert SECRET not in exposition(registry)


def test_every_kind_of_event_can_be_observed(observe):
    for event in [*EVERY_KIND, FAILED, poison("invalid-envelope")]:
        observe(event)


def test_names_from_messages_make_no_series(registry, observe):
    """S19: 100,000 random names leave the number of time series as it is."""
    observe(ev.JobNotEnqueued("j", "x", "y", "", uncertain=False))
    before = series(registry)
    for number in range(100_000):
        observe(ev.JobNotEnqueued("j", f"task-{number}", f"queue-{number}", "", uncertain=False))
    assert series(registry) == before
    labels = {"task": UNKNOWN, "queue": UNKNOWN, "outcome": "rejected"}
    assert registry.get_sample_value("sqsjobs_jobs_not_enqueued_total", labels) == 100_001


def test_reasons_are_capped(registry, observe):
    """S19: of reasons and error codes a hundred are told apart."""
    for number in range(1000):
        observe(ev.DeadLettered("images", "m", None, None, f"reason-{number}", ""))
    labels = {"queue": "images", "reason": OTHER}
    assert registry.get_sample_value("sqsjobs_dead_letters_total", labels) == 900


def test_processes_are_merged_under_their_names():
    """Each process keeps its own counters, labelled, and each family has one header."""
    texts = {}
    for process in ("0", "1"):
        registry = CollectorRegistry()
        observe = MetricsObserver({"resize"}, {"images"}, registry)
        for _ in range(int(process) + 1):
            observe(ev.JobSettled("images", "m1", JOB.id, "resize", Succeeded(), "delete"))
        texts[process] = exposition(registry)
    text = merged(texts)
    sample = 'sqsjobs_messages_settled_total{disposition="delete",outcome="succeeded",process="%s",queue="images"} %s'
    assert sample % ("0", "1.0") in text
    assert sample % ("1", "2.0") in text
    assert text.count("# TYPE sqsjobs_messages_settled_total counter") == 1
