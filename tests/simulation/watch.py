"""What is checked while a run goes on: what workers say, against what the ledger knows; and what they leave behind."""

from __future__ import annotations

from collections.abc import Collection
from math import inf

from tests.simulation.ledger import Ledger, Receipt, Run
from tests.simulation.loop import Machine

from sqsjobs import events as ev
from sqsjobs.transport.base import MAX_BATCH_ENTRIES
from sqsjobs.transport.memory_sqs import MemorySQS
from sqsjobs.transport.model import Phase
from sqsjobs.worker.lease import Lease, LeaseBook
from sqsjobs.worker.pace import MOST_AHEAD
from sqsjobs.worker.pipeline import Pipeline
from sqsjobs.worker.worker import Worker

__all__ = ["Watch"]

_TOLERANCE = 0.001
_COPYING = 70.0
"""Seconds for which a worker tries to send a copy."""
_STOPPING = 40.0
"""Seconds that a stop may take: the longest grace, and what is waited for besides."""
_SETTLING = 2.0
"""Seconds that a worker which is leaving waits for the settling of a job that has ended."""
_CLEANING = 2.0
"""Seconds that an interrupted job has to clean up."""
_GIVEN_BACK = "settled: given back"


class Watch:
    """Hears the events of one worker, on its machine."""

    def __init__(self, machine: Machine, sqs: MemorySQS, ledger: Ledger) -> None:
        self._machine = machine
        self._sqs = sqs
        self._ledger = ledger
        self._patient_until = inf
        self.worker: Worker | None = None

    def __call__(self, event: ev.Event) -> None:
        if not self._ledger.is_open:
            return
        match event:
            case ev.LeaseEnded():
                self._lease_ended(event)
            case ev.JobEnded():
                run = self._run_of(event.job.id)
                if run is not None:
                    run.outcome = type(event.outcome).__name__
            case ev.JobSettled():
                self._settled(event)
            case ev.SettleFailed():
                self._settle_failed(event)
            case ev.WorkerStopping():
                self._patient_until = self._ledger.now + event.grace + _CLEANING
            case ev.DeadLettered():
                self._tell(f"dead-letters {self._ledger.name(event.message_id)}: {event.reason}", event)
            case _:
                pass
        if isinstance(event, ev.JobStarted | ev.JobEnded | ev.HeartbeatSent | ev.JobSettled):
            self._check_leases()
            self._check_buffers()

    # What is said

    def _lease_ended(self, event: ev.LeaseEnded) -> None:
        """I7: no lease of a worker that is well is lost."""
        ledger, now = self._ledger, self._ledger.now
        self._tell(f"loses its lease of {ledger.name(event.message_id)}: {event.reason}", event)
        for receipt in self._held(event.message_id):
            receipt.lost, receipt.lost_at = event.reason, now
            if not receipt.over:
                receipt.over, receipt.over_at = f"lease lost: {event.reason}", now
        if not self._excuses(event.message_id):
            text = (
                f"{self._machine.name} lost its lease of {ledger.name(event.message_id)} for no reason: {event.reason}"
            )
            ledger.break_("I7", text, event.message_id)

    def _settle_failed(self, event: ev.SettleFailed) -> None:
        """I7: what a worker that is well settles is settled."""
        name = self._ledger.name(event.message_id)
        self._tell(f"cannot {event.disposition} {name}: {event.problem}", event)
        copied = event.disposition in ("dead-letter", "resend", "leave")
        failing = copied and self._ledger.last_fault(self._machine.name) > self._ledger.now - _COPYING
        if not failing and not self._excuses(event.message_id):
            text = f"{self._machine.name} could not {event.disposition} {name} for no reason: {event.problem}"
            self._ledger.break_("I7", text, event.message_id)

    def _settled(self, event: ev.JobSettled) -> None:
        ledger = self._ledger
        outcome = type(event.outcome).__name__
        delay = f" for {event.delay:.2f} s" if event.delay else ""
        self._tell(f"settles {ledger.name(event.message_id)}: {outcome}, {event.disposition}{delay}", event)
        run = self._run_of(event.job_id or "", event.message_id)
        if run is not None and not run.settled and outcome == run.outcome:
            run.settled, run.settled_at, run.delay = event.disposition, ledger.now, event.delay
        if event.disposition == "hide":
            hidden = self._hidden_last(event.message_id, event.delay)
            if hidden is not None and not hidden.over:
                hidden.over = _GIVEN_BACK if outcome in ("Interrupted", "Unstarted") else "settled: hidden"
                hidden.over_at = ledger.now

    def _hidden_last(self, message_id: str, delay: float) -> Receipt | None:
        """Return the receipt that was settled by hiding it for `delay`.

        Of several that one request was to hide, it is the one that was; if none was, the oldest, which held nothing.
        """
        changed = [receipt for receipt in self._held(message_id) if receipt.changed_at < float("inf")]
        last = max((receipt.changed_at for receipt in changed), default=0.0)
        together = [receipt for receipt in changed if receipt.changed_at == last]
        done = [receipt for receipt in together if receipt.deadline >= last + delay - 1]
        if done:
            return max(done, key=lambda receipt: receipt.deadline)
        return min(together, key=lambda receipt: receipt.number, default=None)

    @property
    def _worker(self) -> Worker:
        assert self.worker is not None
        return self.worker

    @property
    def _pipeline(self) -> Pipeline:
        pipeline = self._worker._pipeline
        assert pipeline is not None
        return pipeline

    def _held(self, message_id: str) -> list[Receipt]:
        return [receipt for receipt in self._ledger.receipts[message_id] if receipt.holder == self._machine.name]

    def _run_of(self, job_id: str, message_id: str = "") -> Run | None:
        for run in reversed(self._ledger.runs.get(job_id, [])):
            if run.machine == self._machine.name and (not message_id or run.message_id == message_id):
                return run
        return None

    def _tell(self, text: str, event: ev.LeaseEnded | ev.JobSettled | ev.SettleFailed | ev.DeadLettered) -> None:
        arrival = self._ledger.arrivals.get(event.message_id)
        self._ledger.tell(self._machine.name, text, event.message_id, arrival.job_id if arrival else "")

    def _excuses(self, message_id: str) -> list[str]:
        """Return what may have made a lease end, or a settling fail."""
        ledger = self._ledger
        held = self._held(message_id)
        faults = [fault for receipt in ledger.receipts[message_id] for fault in receipt.faults]
        since = min((receipt.asked_at for receipt in held), default=0.0)
        gone = ledger.arrivals[message_id].gone
        return faults + ledger.trouble(self._machine.name, since, ledger.now) + ([gone] if gone == "retention" else [])

    # I5

    def _check_leases(self) -> None:
        """I5: a worker never believes longer in a lease than SQS does."""
        book: LeaseBook = self._pipeline.heart._book
        for lease in book.held():
            if not lease.lost and lease.deadline > self._ledger.now:
                self._check_lease(lease)

    def _check_lease(self, lease: Lease) -> None:
        ledger = self._ledger
        receipt = ledger.by_handle[lease.handle]
        newest = ledger.receipts[lease.message_id][-1]
        arrival = ledger.arrivals[lease.message_id]
        if arrival.gone:
            return
        ahead = lease.deadline - newest.due
        if newest is receipt and ahead <= _TOLERANCE:
            return
        if not any(receipt.faults for receipt in ledger.receipts[lease.message_id]):
            text = f"{self._machine.name} believes in its lease of {ledger.message_of(receipt)} {ahead:.3f} s too long"
            ledger.break_("I5", text, lease.message_id, arrival.job_id)

    # I14

    def _check_buffers(self) -> None:
        """I14: what a worker has in hand is what its slots allow, what may be fetched ahead of them, and ten for each queue.

        In FIFO queues it is groups that are counted so, each with what came with its head.
        """
        intake, slots = self._pipeline.intake, self._worker.options.concurrency
        most = (1 + MOST_AHEAD) * slots + MAX_BATCH_ENTRIES * len(intake.queues)
        most *= max(queue.per_receive if queue.fifo else 1 for queue in intake.queues)
        if intake.running > slots:
            self._ledger.break_("I14", f"{self._machine.name} runs {intake.running} jobs in {slots} slots")
        if intake.waiting > most:
            self._ledger.break_("I14", f"{self._machine.name} lets {intake.waiting} messages wait, {most} are allowed")

    # The end of a worker

    def check_left(self, *, clean: bool) -> None:
        """I15: a worker that has stopped leaves no task and no lease behind; where it does, it says so."""
        pipeline = self._pipeline
        ledger, name = self._ledger, self._machine.name
        left = [task.get_name() for task in self._machine.tasks if task.get_name() != name]
        held = [ledger.name(lease.message_id) for lease in pipeline.heart._book.held()]
        if not clean:
            since = ledger.now - _STOPPING
            if not (self._has_runs() or ledger.trouble(name, since, ledger.now) or ledger.last_fault(name) > since):
                ledger.break_("I15", f"{name} has not stopped cleanly, for no reason")
        elif left or held:
            ledger.break_("I15", f"{name} has stopped cleanly, but left {left}, and leases of {held}")

    def _has_runs(self) -> bool:
        """Whether runs go on here, or did until a moment ago, so that their messages were still to be settled."""
        lately = self._ledger.now - _SETTLING
        runs = (run for runs in self._ledger.runs.values() for run in runs)
        return any(run.machine == self._machine.name and run.ended > lately for run in runs)

    def check_released(self, exited_at: float, *, sparing: Collection[str] = (), had_by: float = inf) -> None:
        """I12: nothing of the worker's is hidden any more; only what has its time to wait for is.

        Args:
            exited_at: when the worker had stopped.
            sparing: the messages that may be hidden for longer.
            had_by: it is about what the worker had by that time.
        """
        for receipts in self._ledger.receipts.values():
            receipt = receipts[-1]
            if receipt.holder != self._machine.name or receipt.over not in ("", _GIVEN_BACK):
                continue
            if receipt.message_id not in sparing and receipt.had_at <= had_by and self._is_hidden(receipt):
                self._check_released(receipt, exited_at)

    def unstopped(self) -> set[str]:
        """Return the messages of the runs that did not end though they were asked to: threads, and what will not hear."""
        return {
            run.message_id
            for runs in self._ledger.runs.values()
            for run in runs
            if run.machine == self._machine.name and run.ended > self._patient_until
        }

    def _is_hidden(self, receipt: Receipt) -> bool:
        with self._sqs.use() as model:
            message = model.account.queue(receipt.queue).messages.get(receipt.message_id)
        return message is not None and message.receive_count == receipt.number and message.phase is Phase.IN_FLIGHT

    def _check_released(self, receipt: Receipt, exited_at: float) -> None:
        ledger = self._ledger
        job_id = ledger.arrivals[receipt.message_id].job_id
        since = min(held.at for held in self._held(receipt.message_id))  # what befell its run befell its duplicates
        troubles = ledger.trouble(self._machine.name, receipt.at, exited_at)
        if not (receipt.faults or troubles or ledger.store_failed(job_id, since, exited_at)):
            text = (
                f"{self._machine.name} has stopped, and {ledger.message_of(receipt)} is hidden until {receipt.due:.1f}"
            )
            ledger.break_("I12", text, receipt.message_id, job_id)
