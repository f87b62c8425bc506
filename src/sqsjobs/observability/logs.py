"""Log lines: a reader of the events that writes them, and the context that a job's own lines carry.

Arguments and results are never logged. What comes from messages (names, errors) is shortened here and
escaped by the renderer; what a rogue producer can cause often is limited in the floodgate.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import Any, Final

import structlog

from sqsjobs import events as ev
from sqsjobs.job import Job
from sqsjobs.observability.floodgate import Floodgate, Suppressed
from sqsjobs.observability.levels import LEVELS, LogLevel
from sqsjobs.observability.rendering import add_job, configure_logging
from sqsjobs.outcome import (
    BlobsDown,
    Cancelled,
    Crashed,
    Discarded,
    Failed,
    Failure,
    Interrupted,
    KeysDown,
    LostLease,
    Outcome,
    Overdelivered,
    Poison,
    Rejected,
    RetryRequested,
    Snoozed,
    StoreDown,
    Succeeded,
    TimedOut,
    Unknown,
)

__all__ = ["LogObserver", "add_job", "configure_logging"]

_LONGEST: Final = 200
"""Characters of a text from outside that a line shows."""


class LogObserver:
    """An observer that writes events as log lines through structlog.

    Events whose lines are below `level` cost one look into a dictionary.

    Args:
        level: the least severe lines that are written.
        error_text: whether the message and the traceback of a job's error are shown, or only its type and fingerprint.
        floodgate: how often the same complaint is written, per reason; the rest is summed up.
        logger: a structlog logger; by default that of `configure_logging`.
    """

    def __init__(
        self,
        level: LogLevel = "info",
        *,
        error_text: bool = True,
        floodgate: Floodgate | None = None,
        logger: Any = None,
    ) -> None:
        self._level = LEVELS[level]
        self._error_text = error_text
        self._floodgate = floodgate or Floodgate()
        self._log = logger or structlog.get_logger()
        readers: list[tuple[type, int, Callable[[Any], None]]] = [
            (ev.JobEnqueued, logging.DEBUG, self._job_enqueued),
            (ev.JobNotEnqueued, logging.WARNING, self._job_not_enqueued),
            (ev.WireChosen, logging.INFO, self._wire_chosen),
            (ev.ClockCorrected, logging.WARNING, self._clock_corrected),
            (ev.SqsCalled, logging.DEBUG, self._sqs_called),
            (ev.PollCompleted, logging.WARNING, self._poll_completed),
            (ev.PollFailed, logging.WARNING, self._poll_failed),
            (ev.PollPaused, logging.WARNING, self._poll_paused),
            (ev.JobDelivered, logging.DEBUG, self._job_delivered),
            (ev.JobStarted, logging.DEBUG, self._job_started),
            (ev.JobEnded, logging.WARNING, self._job_ended),
            (ev.JobOverran, logging.WARNING, self._job_overran),
            (ev.JobSettled, logging.WARNING, self._job_settled),
            (ev.DeadLettered, logging.WARNING, self._dead_lettered),
            (ev.SettleFailed, logging.WARNING, self._settle_failed),
            (ev.StoreFailed, logging.WARNING, self._store_failed),
            (ev.HeartbeatSent, logging.DEBUG, self._heartbeat_sent),
            (ev.HeartbeatFailed, logging.WARNING, self._heartbeat_failed),
            (ev.LeaseEnded, logging.WARNING, self._lease_ended),
            (ev.LoopBlocked, logging.WARNING, self._loop_blocked),
            (ev.WorkerStarted, logging.INFO, self._worker_started),
            (ev.WorkerReady, logging.ERROR, self._worker_ready),
            (ev.RedriveTooLow, logging.WARNING, self._redrive_too_low),
            (ev.WorkerStopping, logging.INFO, self._worker_stopping),
            (ev.WorkerStopped, logging.ERROR, self._worker_stopped),
        ]
        self._readers = {event: reader for event, severest, reader in readers if severest >= self._level}
        self.kinds: Collection[type] = self._readers.keys()

    def __call__(self, event: ev.Event) -> None:
        reader = self._readers.get(type(event))
        if reader is not None:
            reader(event)

    def __repr__(self) -> str:
        return f"<LogObserver of {len(self._readers)} kinds of events>"

    # The producer's side ----------------------------------------------------------------------------

    def _job_enqueued(self, event: ev.JobEnqueued) -> None:
        self._log.debug("job enqueued", job_id=event.job_id, task=event.task, queue=event.queue)

    def _job_not_enqueued(self, event: ev.JobNotEnqueued) -> None:
        text = "job may not have been enqueued" if event.uncertain else "job not enqueued"
        self._complain(
            text, event.queue, job_id=event.job_id, task=event.task, queue=event.queue, problem=event.problem
        )

    def _wire_chosen(self, event: ev.WireChosen) -> None:
        if event.lean:
            self._log.debug("sqs reached over the lean path")
        else:
            self._log.info("sqs reached through aioboto3, at more CPU than over the lean path", reason=event.reason)

    def _clock_corrected(self, event: ev.ClockCorrected) -> None:
        self._log.warning(
            "this machine's clock is wrong, so dates are moved to SQS's: see to its time service",
            moved_by_seconds=round(event.seconds, 1),
        )

    def _sqs_called(self, event: ev.SqsCalled) -> None:
        self._log.debug(
            "sqs called",
            operation=event.operation,
            queue=event.queue,
            entries=event.entries,
            seconds=round(event.seconds, 4),
            **({"error": event.error} if event.error else {}),
        )

    # Polling ----------------------------------------------------------------------------------------

    def _poll_completed(self, event: ev.PollCompleted) -> None:
        self._sum_up(self._floodgate.over())  # a poll ends every few seconds whatever happens, so sums are never late
        if self._level <= logging.DEBUG:
            self._log.debug("poll completed", queue=event.queue, messages=event.messages)

    def _poll_failed(self, event: ev.PollFailed) -> None:
        self._complain(
            "poll failed",
            event.queue,
            queue=event.queue,
            problem=event.problem,
            failures=event.failures,
            retry_in=round(event.retry_in, 2),
        )

    def _poll_paused(self, event: ev.PollPaused) -> None:
        self._complain("polling pauses", event.queue, queue=event.queue, reason=event.reason, seconds=event.seconds)

    # The life of a job ------------------------------------------------------------------------------

    def _job_delivered(self, event: ev.JobDelivered) -> None:
        self._log.debug("job delivered", **_named(event.job), receive_count=event.receive_count)

    def _job_started(self, event: ev.JobStarted) -> None:
        self._log.debug("job started", **_named(event.job), attempt=event.attempt, waited=round(event.waited, 3))

    def _job_ended(self, event: ev.JobEnded) -> None:
        severity, text, facts = self._ending(event.outcome)
        if severity >= self._level:
            seconds = round(event.seconds, 3)
            self._log.log(severity, text, **_named(event.job), attempt=event.attempt, seconds=seconds, **facts)

    def _ending(self, outcome: Outcome) -> tuple[int, str, dict[str, object]]:  # noqa: C901, PLR0911 - an arm for each
        match outcome:
            case Succeeded():
                return logging.INFO, "job succeeded", {}
            case Failed(failure=failure):
                return logging.WARNING, "job failed", self._facts(failure)
            case Crashed(failure=failure, crashes=crashes):
                return logging.WARNING, "job took its process down", {**self._facts(failure), "crashes": crashes}
            case TimedOut(after=after):
                return logging.WARNING, "job timed out", {"timeout": after}
            case RetryRequested(delay=delay, reason=reason):
                return logging.INFO, "job asks to be retried", {"delay": delay, "reason": _short(reason)}
            case Snoozed(delay=delay):
                return logging.INFO, "job snoozed", {"delay": delay}
            case Discarded(reason=reason):
                return logging.INFO, "job discarded", {"reason": _short(reason)}
            case Rejected(reason=reason):
                return logging.WARNING, "job rejected", {"reason": _short(reason)}
            case Cancelled():
                return logging.INFO, "job cancelled", {}
            case Interrupted():
                return logging.INFO, "job interrupted", {}
            case LostLease(reason=reason):
                return logging.WARNING, "job lost its lease", {"reason": _short(reason)}
            case _:  # why a delivery led to no run: JobSettled tells
                return logging.DEBUG, "job did not run", {"outcome": type(outcome).__name__}

    def _facts(self, failure: Failure) -> dict[str, object]:
        facts: dict[str, object] = {"error_type": _short(failure.type), "fingerprint": failure.fingerprint}
        if self._error_text:
            facts["error"] = _short(failure.message)
            if failure.traceback and self._floodgate.admits("traceback", failure.fingerprint):
                facts["traceback"] = failure.traceback
        return facts

    def _job_overran(self, event: ev.JobOverran) -> None:
        self._log.warning("job overran its timeout in a thread", **_named(event.job), timeout=event.timeout)

    def _job_settled(self, event: ev.JobSettled) -> None:
        if self._level > logging.DEBUG and isinstance(event.outcome, Succeeded):  # `_job_ended` has told of it
            return
        where = {"queue": event.queue, "job_id": event.job_id, "task": event.task and _short(event.task)}
        match event.outcome:
            case Unknown(code=code, problem=problem) | Poison(code=code, problem=problem):
                self._complain(
                    "message cannot run here",
                    code,
                    **where,
                    message_id=event.message_id,
                    reason=code,
                    problem=problem,
                    disposition=event.disposition,
                    delay=round(event.delay, 2),
                )
            case Failed() | TimedOut() | RetryRequested() | Overdelivered() if event.disposition == "delete":
                self._complain(
                    "job dropped", "on_exhausted", **where, reason="no attempts are left, and it may be discarded"
                )
            case StoreDown(problem=problem):
                self._complain("message given back: no job store", event.queue, **where, problem=problem)
            case BlobsDown(problem=problem):
                self._complain("message given back: no blobs", event.queue, **where, problem=problem)
            case KeysDown(problem=problem):
                self._complain("message given back: no key service", event.queue, **where, problem=problem)
            case Failed() | TimedOut() | Crashed() if event.delay and self._level <= logging.INFO:
                self._log.info("job will be retried", **where, delay=round(event.delay, 2))
            case _ if self._level <= logging.DEBUG:
                self._log.debug("message settled", **where, disposition=event.disposition)
            case _:
                pass

    def _dead_lettered(self, event: ev.DeadLettered) -> None:
        self._complain(
            "message dead-lettered",
            event.reason,
            queue=event.queue,
            message_id=event.message_id,
            job_id=event.job_id,
            task=event.task and _short(event.task),
            reason=event.reason,
            **({"detail": event.detail} if self._error_text else {}),
        )

    def _settle_failed(self, event: ev.SettleFailed) -> None:
        self._complain(
            "message not settled",
            event.disposition,
            queue=event.queue,
            message_id=event.message_id,
            job_id=event.job_id,
            disposition=event.disposition,
            problem=event.problem,
        )

    def _store_failed(self, event: ev.StoreFailed) -> None:
        self._complain("job store failed", event.operation, operation=event.operation, problem=event.problem)

    # Leases -----------------------------------------------------------------------------------------

    def _heartbeat_sent(self, event: ev.HeartbeatSent) -> None:
        self._log.debug("heartbeat sent", queue=event.queue, leases=event.leases)

    def _heartbeat_failed(self, event: ev.HeartbeatFailed) -> None:
        self._complain("heartbeat failed", event.queue, queue=event.queue, leases=event.leases, problem=event.problem)

    def _lease_ended(self, event: ev.LeaseEnded) -> None:
        self._complain(
            "lease lost", event.queue, queue=event.queue, message_id=event.message_id, reason=_short(event.reason)
        )

    def _loop_blocked(self, event: ev.LoopBlocked) -> None:
        self._complain(
            "event loop blocked", event.task, task=event.task, seconds=round(event.seconds, 3), traceback=event.stack
        )

    # The worker -------------------------------------------------------------------------------------

    def _worker_started(self, event: ev.WorkerStarted) -> None:
        self._log.info("worker started", worker=event.worker, queues=event.queues, concurrency=event.concurrency)

    def _worker_ready(self, event: ev.WorkerReady) -> None:
        if event.problem:
            self._log.error("worker not ready", worker=event.worker, problem=_short(event.problem))
        else:
            self._log.info("worker ready", worker=event.worker)

    def _redrive_too_low(self, event: ev.RedriveTooLow) -> None:
        self._log.warning(
            "maxReceiveCount too low: SQS may dead-letter jobs that have attempts left; run `sqsjobs queues apply`",
            queue=event.queue,
            max_receive_count=event.max_receive_count,
            needed=event.needed,
        )

    def _worker_stopping(self, event: ev.WorkerStopping) -> None:
        self._log.info(
            "worker stopping", worker=event.worker, reason=event.reason, in_hand=event.in_hand, grace=event.grace
        )

    def _worker_stopped(self, event: ev.WorkerStopped) -> None:
        self._sum_up(self._floodgate.over(all_windows=True))
        if event.clean:
            self._log.info("worker stopped", worker=event.worker)
        else:
            self._log.error("worker stopped with work left running", worker=event.worker)

    # Floods -----------------------------------------------------------------------------------------

    def _complain(self, text: str, reason: str, /, **facts: object) -> None:
        self._sum_up(self._floodgate.over())
        if self._floodgate.admits(text, reason):
            self._log.warning(
                text, **{name: fact if name == "traceback" else _short(fact) for name, fact in facts.items()}
            )

    def _sum_up(self, suppressed: list[Suppressed]) -> None:
        for flood in suppressed:
            text, *reason = flood.key
            self._log.warning(
                "lines left out", of=text, reason=" ".join(reason), count=flood.count, within=flood.seconds
            )


def _named(job: Job) -> dict[str, str]:
    return {"job_id": job.id, "task": job.task, "queue": job.queue}


def _short(fact: Any) -> Any:
    return f"{fact[:_LONGEST]}…" if isinstance(fact, str) and len(fact) > _LONGEST else fact
