"""What jobs cost, as counters tell it."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry
from tests.observability.samples import FAILURE, JOB

from sqsjobs import events as ev
from sqsjobs.observability.costs import FIFO_PRICE, STANDARD_PRICE, QueueCost, costs_of
from sqsjobs.observability.metrics import MetricsObserver, costs_told, exposition, merged
from sqsjobs.outcome import Failed, Succeeded


def observer(registry: CollectorRegistry, **options) -> MetricsObserver:
    return MetricsObserver({"resize"}, {"images", "orders.fifo"}, registry, **options)


def send_ten(observe: MetricsObserver) -> None:
    observe(ev.SqsCalled("SendMessageBatch", "images", 10, 0.02))
    for _ in range(10):
        observe(ev.JobEnqueued(JOB.id, "resize", "images"))


def work_off_ten(observe: MetricsObserver) -> None:
    """A receive that brings nothing, one that brings ten, and one delete."""
    for messages in (0, 10):
        observe(ev.SqsCalled("ReceiveMessage", "images", messages, 0.02))
        observe(ev.PollCompleted("images", messages, 0.02))
    for _ in range(10):
        observe(ev.JobSettled("images", "m1", JOB.id, "resize", Succeeded(), "delete"))
    observe(ev.SqsCalled("DeleteMessageBatch", "images", 10, 0.02))


def test_each_side_of_a_job_has_its_requests_and_its_price():
    registry = CollectorRegistry()
    observe = observer(registry)
    send_ten(observe)
    work_off_ten(observe)
    for side, per_job in (("send", 0.1), ("work", 0.3)):
        labels = {"queue": "images", "side": side}
        assert registry.get_sample_value("sqsjobs_sqs_requests_per_job", labels) == pytest.approx(per_job)
        dollars = registry.get_sample_value("sqsjobs_sqs_dollars_per_million_jobs", labels)
        assert dollars == pytest.approx(per_job * STANDARD_PRICE)
    assert registry.get_sample_value("sqsjobs_sqs_empty_receive_ratio", {"queue": "images"}) == 0.5


def test_a_side_without_jobs_has_no_cost_yet():
    """A producer asks for a queue's address, and works on nothing: that is no cost of a job."""
    registry = CollectorRegistry()
    observe = observer(registry)
    observe(ev.SqsCalled("GetQueueUrl", "images", 0, 0.02))
    send_ten(observe)
    assert registry.get_sample_value("sqsjobs_sqs_requests_per_job", {"queue": "images", "side": "work"}) is None
    assert registry.get_sample_value("sqsjobs_sqs_requests_per_job", {"queue": "images", "side": "send"}) == 0.1
    assert registry.get_sample_value("sqsjobs_sqs_empty_receive_ratio", {"queue": "images"}) is None


def test_a_retry_is_no_second_job():
    """Its requests are the job's, and the message is done once."""
    registry = CollectorRegistry()
    observe = observer(registry)
    observe(ev.SqsCalled("ReceiveMessage", "images", 1, 0.02))
    observe(ev.JobSettled("images", "m1", JOB.id, "resize", Failed(FAILURE), "hide"))
    observe(ev.SqsCalled("ReceiveMessage", "images", 1, 0.02))
    observe(ev.JobSettled("images", "m1", JOB.id, "resize", Succeeded(), "delete"))
    assert registry.get_sample_value("sqsjobs_sqs_requests_per_job", {"queue": "images", "side": "work"}) == 2.0


def resend_four(observe: MetricsObserver) -> None:
    """Four retries that are sent anew, each by a request of its own: no end of a job."""
    for number in range(4):
        observe(ev.SqsCalled("SendMessageBatch", "images", 1, 0.02))
        observe(ev.JobSettled("images", f"m{number}", JOB.id, "resize", Failed(FAILURE), "resend"))


def test_what_a_worker_sends_anew_is_work():
    registry = CollectorRegistry()
    observe = observer(registry)
    resend_four(observe)
    work_off_ten(observe)
    work, send = ({"queue": "images", "side": side} for side in ("work", "send"))
    assert registry.get_sample_value("sqsjobs_sqs_requests_per_job", work) == pytest.approx(0.7)
    assert registry.get_sample_value("sqsjobs_sqs_requests_per_job", send) is None


def test_what_a_worker_sends_anew_stays_work_beside_a_producer():
    producer, worker = CollectorRegistry(), CollectorRegistry()
    send_ten(observer(producer))
    observe = observer(worker)
    resend_four(observe)
    work_off_ten(observe)
    for texts in ([exposition(worker)], [merged({"0": exposition(worker)})]):
        (cost,) = costs_told([exposition(producer), *texts])
        assert cost.requests_per_job() == {"send": pytest.approx(0.1), "work": pytest.approx(0.7)}


def test_a_process_that_enqueues_and_sends_anew_shares_its_sends_out_by_the_message():
    """Twelve jobs and four copies by six requests, four and a half of which count as sends, one and a half as work."""
    registry = CollectorRegistry()
    observe = observer(registry)
    send_ten(observe)
    resend_four(observe)
    observe(ev.SqsCalled("SendMessageBatch", "images", 2, 0.02))
    for _ in range(2):
        observe(ev.JobEnqueued(JOB.id, "resize", "images"))
    work_off_ten(observe)
    (cost,) = costs_told([exposition(registry)])
    assert cost.requests_per_job() == {"send": pytest.approx(4.5 / 12), "work": pytest.approx(0.45)}


def test_a_failed_poll_is_no_receive_that_brought_nothing():
    registry = CollectorRegistry()
    observe = observer(registry)
    observe(ev.PollFailed("images", "away", 1, 1.0))
    work_off_ten(observe)
    assert registry.get_sample_value("sqsjobs_sqs_empty_receive_ratio", {"queue": "images"}) == 0.5


def test_a_price_of_ones_own():
    registry = CollectorRegistry()
    observe = observer(registry, request_price=2.0)
    send_ten(observe)
    labels = {"queue": "images", "side": "send"}
    assert registry.get_sample_value("sqsjobs_sqs_dollars_per_million_jobs", labels) == pytest.approx(0.2)


def test_fifo_queues_have_their_own_price():
    assert QueueCost("orders.fifo").price(None) == FIFO_PRICE
    assert QueueCost("orders").price(None) == STANDARD_PRICE
    assert QueueCost("orders.fifo").price(0.0) == 0.0


def test_processes_are_taken_together():
    """A producer's metrics and those of a supervisor's two workers make one cost."""
    producer, worker, other = CollectorRegistry(), CollectorRegistry(), CollectorRegistry()
    observe = observer(producer)
    for _ in range(2):
        send_ten(observe)
    for registry in (worker, other):
        work_off_ten(observer(registry))
    (cost,) = costs_told([exposition(producer), merged({"0": exposition(worker), "1": exposition(other)})])
    assert cost.requests_per_job() == {"send": pytest.approx(0.1), "work": pytest.approx(0.3)}
    assert cost.empty_receive_ratio() == 0.5


def test_what_is_no_exposition_is_refused():
    with pytest.raises(ValueError):
        list(costs_told(["<html>not found</html> {"]))


def test_counters_without_a_queue_are_passed_over():
    assert list(costs_of([("sqsjobs_store_failures_total", {"operation": "claim"}, 3.0)])) == []
