"""Prometheus metrics: a reader of the events that counts and measures them.

Label values come from configuration alone: a task or queue that is not known is ``__unknown__``, and of error
codes and reasons only the first hundred are told apart, so no message can make new time series without end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from sqsjobs import events as ev
from sqsjobs.job import Job
from sqsjobs.observability.costs import QueueCost, Sample, costs_of
from sqsjobs.observability.tallies import Tallies

__all__ = ["CONTENT_TYPE", "OTHER", "UNKNOWN", "MetricsObserver", "costs_told", "exposition", "merged"]

UNKNOWN: Final = "__unknown__"
"""The label of a task or queue that is not in the configuration."""
OTHER: Final = "__other__"
"""The label of an error code or reason beyond the first hundred."""
CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
"""The media type of `exposition`."""

_ALL_QUEUES: Final = "*"
_MOST_REASONS: Final = 100
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
_REQUEST_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30)
_SURPLUS: Final = (0, 1, 2, 5, 10, 20, 50, 100)


class MetricsObserver:
    """An observer that keeps the ``sqsjobs_…`` metrics of this process.

    Args:
        tasks: the names that may be a ``task`` label.
        queues: the names that may be a ``queue`` label.
        registry: where the metrics are registered: the process's own by default, so that the metrics of the
            tasks themselves are exposed beside them. One observer per registry.
        request_price: dollars for a million requests, for the estimate of what jobs cost; by default AWS's list price
            for the kind of queue (see `sqsjobs.observability.costs`).
    """

    def __init__(
        self,
        tasks: Container[str],
        queues: Container[str],
        registry: CollectorRegistry = REGISTRY,
        *,
        request_price: float | None = None,
    ) -> None:
        self._tasks = tasks
        self._queues = queues
        self._reasons: set[str] = set()
        tallies = Tallies()
        self._make_metrics(tallies)
        tallies.derive(lambda families: _costs(families, request_price))
        tallies.register(registry)
        self._turn = tallies.turn
        self._readers: dict[type, Callable[[Any], None]] = {
            ev.JobEnqueued: self._job_enqueued,
            ev.JobNotEnqueued: self._job_not_enqueued,
            ev.SqsCalled: self._sqs_called,
            ev.PollCompleted: self._poll_completed,
            ev.PollFailed: self._poll_failed,
            ev.PollPaused: self._poll_paused,
            ev.JobDelivered: self._job_delivered,
            ev.JobStarted: self._job_started,
            ev.JobEnded: self._job_ended,
            ev.JobOverran: self._job_overran,
            ev.JobSettled: self._job_settled,
            ev.DeadLettered: self._dead_lettered,
            ev.SettleFailed: self._settle_failed,
            ev.StoreFailed: self._store_failed,
            ev.HeartbeatSent: self._heartbeat_sent,
            ev.HeartbeatFailed: self._heartbeat_failed,
            ev.LeaseEnded: self._lease_ended,
            ev.LoopBlocked: self._loop_blocked,
            ev.WorkerStarted: self._worker_started,
            ev.WorkerReady: self._worker_ready,
        }
        self.kinds: Collection[type] = self._readers.keys()

    def __call__(self, event: ev.Event) -> None:
        reader = self._readers.get(type(event))
        if reader is not None:
            with self._turn:
                reader(event)

    def __repr__(self) -> str:
        return f"<MetricsObserver of {len(self._readers)} kinds of events>"

    def _make_metrics(self, tallies: Tallies) -> None:
        counter, gauge, histogram = tallies.counters, tallies.gauges, tallies.histograms
        job = ("task", "queue")
        self._requests = counter("sqs_requests", "Requests to SQS.", "operation", "queue", "outcome")
        self._entries = counter("sqs_entries", "Messages carried by requests to SQS.", "operation", "queue")
        self._request_seconds = histogram("sqs_request_seconds", "Time of requests.", _REQUEST_SECONDS, "operation")
        self._enqueued = counter("jobs_enqueued", "Jobs that SQS accepted.", *job)
        self._not_enqueued = counter("jobs_not_enqueued", "Jobs rejected or uncertain.", *job, "outcome")
        self._delivered = counter("jobs_delivered", "Messages that became jobs.", *job)
        self._started = counter("jobs_started", "Attempts that started.", *job)
        self._ended = counter("jobs_ended", "Attempts that ended, by outcome.", *job, "outcome")
        self._job_seconds = histogram("job_seconds", "Time of attempts.", _SECONDS, *job)
        self._wait_seconds = histogram("job_wait_seconds", "From enqueueing to a start.", _SECONDS, *job)
        self._surplus = histogram(
            "job_surplus_receives", "Deliveries of a message beyond its attempts, at each start.", _SURPLUS, "queue"
        )
        self._running = gauge("jobs_running", "Attempts under way.", "queue")
        self._overran = counter("jobs_overran", "Jobs in threads that went on past their timeout.", *job)
        self._settled = counter("messages_settled", "Messages settled.", "queue", "outcome", "disposition")
        self._settle_failures = counter("settle_failures", "Messages not settled.", "queue", "disposition")
        self._dead_letters = counter("dead_letters", "Messages dead-lettered.", "queue", "reason")
        self._store_failures = counter("store_failures", "Failed calls to the job store.", "operation")
        self._polls = counter("polls", "Receives that ended.", "queue", "outcome")
        self._received = counter("messages_received", "Messages received.", "queue")
        self._pauses = counter("poll_pauses", "Pauses of polling.", "queue")
        self._heartbeats = counter("heartbeats", "Requests to extend leases.", "queue", "outcome")
        self._extended = counter("leases_extended", "Leases extended.", "queue")
        self._leases_lost = counter("leases_lost", "Leases lost with the message in hand.", "queue")
        self._blocked = counter("loop_blocked", "Times that the event loop was blocked.", "task")
        self._blocked_seconds = counter("loop_blocked_seconds", "How long it was blocked.", "task")
        self._slots = gauge("slots", "Jobs that may run at once.")
        self._ready = gauge("worker_ready", "1 while the worker can do its work.")

    # Labels -----------------------------------------------------------------------------------------

    def _queue(self, queue: str) -> str:
        return queue if queue in self._queues or queue == _ALL_QUEUES else UNKNOWN

    def _task(self, task: str) -> str:
        return task if task in self._tasks else UNKNOWN

    def _job(self, job: Job | ev.JobEnqueued | ev.JobNotEnqueued) -> tuple[str, str]:
        return self._task(job.task), self._queue(job.queue)

    def _reason(self, reason: str) -> str:
        if reason not in self._reasons:
            if len(self._reasons) >= _MOST_REASONS:
                return OTHER
            self._reasons.add(reason)
        return reason

    # The producer's side ----------------------------------------------------------------------------

    def _job_enqueued(self, event: ev.JobEnqueued) -> None:
        self._enqueued.at(*self._job(event)).inc()

    def _job_not_enqueued(self, event: ev.JobNotEnqueued) -> None:
        self._not_enqueued.at(*self._job(event), "uncertain" if event.uncertain else "rejected").inc()

    def _sqs_called(self, event: ev.SqsCalled) -> None:
        queue = self._queue(event.queue)
        self._requests.at(event.operation, queue, self._reason(event.error) if event.error else "ok").inc()
        self._request_seconds.at(event.operation).observe(event.seconds)
        self._entries.at(event.operation, queue).inc(event.entries)

    # Polling ----------------------------------------------------------------------------------------

    def _poll_completed(self, event: ev.PollCompleted) -> None:
        queue = self._queue(event.queue)
        self._polls.at(queue, "messages" if event.messages else "empty").inc()
        self._received.at(queue).inc(event.messages)

    def _poll_failed(self, event: ev.PollFailed) -> None:
        self._polls.at(self._queue(event.queue), "failed").inc()

    def _poll_paused(self, event: ev.PollPaused) -> None:
        self._pauses.at(self._queue(event.queue)).inc()

    # The life of a job ------------------------------------------------------------------------------

    def _job_delivered(self, event: ev.JobDelivered) -> None:
        self._delivered.at(*self._job(event.job)).inc()

    def _job_started(self, event: ev.JobStarted) -> None:
        task, queue = self._job(event.job)
        self._started.at(task, queue).inc()
        self._wait_seconds.at(task, queue).observe(max(0.0, event.waited))
        self._surplus.at(queue).observe(max(0, event.receive_count - event.attempt))
        self._running.at(queue).inc()

    def _job_ended(self, event: ev.JobEnded) -> None:
        task, queue = self._job(event.job)
        self._ended.at(task, queue, _snake(event.outcome)).inc()
        self._job_seconds.at(task, queue).observe(event.seconds)
        self._running.at(queue).dec()

    def _job_overran(self, event: ev.JobOverran) -> None:
        self._overran.at(*self._job(event.job)).inc()

    def _job_settled(self, event: ev.JobSettled) -> None:
        self._settled.at(self._queue(event.queue), _snake(event.outcome), event.disposition).inc()

    def _dead_lettered(self, event: ev.DeadLettered) -> None:
        self._dead_letters.at(self._queue(event.queue), self._reason(event.reason)).inc()

    def _settle_failed(self, event: ev.SettleFailed) -> None:
        self._settle_failures.at(self._queue(event.queue), event.disposition).inc()

    def _store_failed(self, event: ev.StoreFailed) -> None:
        self._store_failures.at(event.operation).inc()

    # Leases -----------------------------------------------------------------------------------------

    def _heartbeat_sent(self, event: ev.HeartbeatSent) -> None:
        queue = self._queue(event.queue)
        self._heartbeats.at(queue, "ok").inc()
        self._extended.at(queue).inc(event.leases)

    def _heartbeat_failed(self, event: ev.HeartbeatFailed) -> None:
        self._heartbeats.at(self._queue(event.queue), "failed").inc()

    def _lease_ended(self, event: ev.LeaseEnded) -> None:
        self._leases_lost.at(self._queue(event.queue)).inc()

    def _loop_blocked(self, event: ev.LoopBlocked) -> None:
        task = self._task(event.task)
        self._blocked.at(task).inc()
        self._blocked_seconds.at(task).inc(event.seconds)

    # The worker -------------------------------------------------------------------------------------

    def _worker_started(self, event: ev.WorkerStarted) -> None:
        self._slots.at().set(event.concurrency)

    def _worker_ready(self, event: ev.WorkerReady) -> None:
        self._ready.at().set(0 if event.problem else 1)


def _costs(families: Sequence[Metric], price: float | None) -> Iterator[Metric]:
    """Yield what the jobs of each queue have cost since the process began; a side without jobs has no cost yet."""
    sides = ("queue", "side")
    requests = GaugeMetricFamily(
        "sqsjobs_sqs_requests_per_job", "Requests to SQS for each job, by side: a job costs both.", labels=sides
    )
    empty = GaugeMetricFamily("sqsjobs_sqs_empty_receive_ratio", "Receives without messages.", labels=("queue",))
    dollars = GaugeMetricFamily(
        "sqsjobs_sqs_dollars_per_million_jobs",
        "What requests for a million jobs cost, estimated, by side: a job costs both.",
        labels=sides,
    )
    for cost in costs_of(_samples(families)):
        if (ratio := cost.empty_receive_ratio()) is not None:
            empty.add_metric((cost.queue,), ratio)
        for side, per_job in cost.requests_per_job().items():
            requests.add_metric((cost.queue, side), per_job)
            dollars.add_metric((cost.queue, side), per_job * cost.price(price))
    yield from (requests, empty, dollars)


def costs_told(expositions: Iterable[str]) -> Iterator[QueueCost]:
    """Yield what the jobs of each queue cost, by the texts that processes answer to ``GET /metrics``.

    Raises:
        ValueError: if a text is no such answer.
    """
    yield from costs_of(*(_samples(text_string_to_metric_families(text)) for text in expositions))


def _samples(families: Iterable[Metric]) -> Iterator[Sample]:
    return ((sample.name, sample.labels, sample.value) for family in families for sample in family.samples)


_words: dict[type, str] = {}


def _snake(outcome: object) -> str:
    """Return the name of an outcome's class as a label: ``TimedOut`` is ``timed_out``."""
    word = _words.get(type(outcome))
    if word is None:
        word = _words[type(outcome)] = re.sub(r"(?<!^)(?=[A-Z])", "_", type(outcome).__name__).lower()
    return word


def exposition(registry: Collector = REGISTRY) -> str:
    """Return the metrics of a registry in Prometheus's text format."""
    return generate_latest(registry).decode()


def merged(expositions: Mapping[str, str]) -> str:
    """Return the metrics of several processes as one text: every sample is labelled with its process.

    A process that is replaced under the same name begins at zero again, which is what Prometheus's ``rate``
    expects of a restart; nothing of a process that is gone is left over.
    """
    return exposition(_Merged(expositions))


class _Merged(Collector):
    def __init__(self, expositions: Mapping[str, str]) -> None:
        self._expositions = expositions

    def collect(self) -> list[Metric]:
        families: dict[str, Metric] = {}
        for process, text in self._expositions.items():
            for family in text_string_to_metric_families(text):
                whole = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                whole.samples += [
                    sample._replace(labels={**sample.labels, "process": process}) for sample in family.samples
                ]
        return list(families.values())
