"""What became of every job, checked at the end: nothing lost, one end each, attempts exact, poison in its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.simulation.ledger import Ledger, Run
from tests.simulation.loop import AGREED
from tests.simulation.scenario import PARK_FOR, Play, Scenario
from tests.simulation.stage import RETRIES

from sqsjobs.annotation import ANNOTATION, Annotation
from sqsjobs.job import JobStatus
from sqsjobs.store.base import JobRecord
from sqsjobs.transport.memory_sqs import MemorySQS

__all__ = ["Letter", "check_fates", "letters_in"]

CRASH_LIMIT = 3
_SPARE_DELIVERIES = 10
"""Deliveries beyond max_attempts that count as attempts where no store counts them."""
_NO_RUN_NEEDED = {
    "invalid-envelope",
    "invalid-arguments",
    "unknown-task",
    "unsupported-version",
    "retention",
    "crash-limit",
}


@dataclass(frozen=True, slots=True)
class Letter:
    """A message in a dead-letter queue, and why it is there."""

    job_id: str
    body: str
    annotation: Annotation | None

    @property
    def reason(self) -> str:
        """Why, as its annotation says; "redrive" where SQS itself has moved it."""
        return self.annotation.reason if self.annotation else "redrive"


def letters_in(sqs: MemorySQS, scenario: Scenario, ledger: Ledger) -> list[Letter]:
    """Return the dead letters."""
    letters: list[Letter] = []
    for queue in scenario.queues:
        name, dot, fifo = queue.partition(".")
        for message in sqs.peek(f"{name}-dlq{dot}{fifo}"):
            attribute = message.attributes.get(ANNOTATION)
            annotation = Annotation.decode(str(attribute.value)) if attribute else None
            letters.append(Letter(ledger.job_in(message.body), message.body, annotation))
    return letters


def check_fates(scenario: Scenario, ledger: Ledger, letters: list[Letter]) -> Counter[str]:
    """Check the fates of all jobs and messages of a run that has ended; count the jobs by how they ended."""
    fates = Fates(scenario, ledger, letters)
    fates.check_sends()
    fates.check_foreign()
    for job_id in fates.job_ids():
        fates.check_not_lost(job_id)
        fates.check_attempts(job_id)
        fates.check_letters(job_id)
        if scenario.has_store:
            fates.check_record(job_id)
            fates.check_single_end(job_id)
            fates.check_contained(job_id)
    return Counter(fates.end_of(job_id) or "lost" for job_id in fates.job_ids())


class Fates:
    """The jobs of one run, at its end."""

    def __init__(self, scenario: Scenario, ledger: Ledger, letters: list[Letter]) -> None:
        self._scenario = scenario
        self._ledger = ledger
        self._letters: dict[str, list[Letter]] = {}
        self._foreign = [letter for letter in letters if not letter.job_id]
        for letter in letters:
            self._letters.setdefault(letter.job_id, []).append(letter)
        self._numbers = {job_id: number for number, (_, job_id) in ledger.answers.items()}
        self._plays = {play.number: play for play in scenario.plays}

    def job_ids(self) -> Iterator[str]:
        """Yield the jobs that SQS had."""
        for job_id, copies in self._ledger.copies.items():
            if copies[0].job_id:
                yield job_id

    # I13

    def check_sends(self) -> None:
        """I13: every call has one outcome, and it is true."""
        ledger = self._ledger
        for play in self._scenario.plays:
            outcome, job_id = ledger.answers.get(play.number, ("none", ""))
            arrived = bool(ledger.copies.get(job_id))
            if outcome == "none":
                ledger.break_("I13", f"job {play.number} has no outcome")
            elif outcome == "accepted" and not arrived:
                ledger.break_("I13", f"job {play.number} was accepted, but SQS never had it", job_id)
            elif outcome == "rejected" and arrived:
                ledger.break_("I13", f"job {play.number} was rejected, but SQS had it", job_id)
            elif outcome == "rejected" and job_id:
                self._check_no_record(play.number, job_id)

    def _check_no_record(self, number: int, job_id: str) -> None:
        ledger = self._ledger
        if ledger.writes.get(job_id) and job_id not in ledger.removed and not ledger.store_faults.get(job_id):
            ledger.break_("I13", f"job {number} was rejected, but has a record", job_id)

    # I1

    def check_not_lost(self, job_id: str) -> None:
        """I1: a job that SQS had ended in one of the ways in which jobs end."""
        ledger, runs = self._ledger, self._ledger.runs[job_id]
        if self.end_of(job_id):
            return
        copies = ledger.copies[job_id]
        why = ", ".join(f"{ledger.name(copy.message_id)} {copy.gone}" for copy in copies)
        ledger.break_("I1", f"{ledger.name(job_id)} is lost: {why}, after {len(runs)} runs", job_id)

    def end_of(self, job_id: str) -> str:
        """Return how a job ended; nothing if it came to no end."""
        hows = {run.how for run in self._ledger.runs[job_id]}
        if "returned" in hows:
            return "succeeded"
        if "Discard" in hows:
            return "discarded"
        record = self._record(job_id)
        if record is not None and record.status is JobStatus.CANCELLED:
            return "cancelled"
        if job_id in self._letters:
            return f"dead-lettered ({self._letters[job_id][0].reason})"
        if self._was_discarded(job_id):
            return "discarded when exhausted"
        return "" if all(copy.gone for copy in self._ledger.copies[job_id]) else "still queued"

    def _was_discarded(self, job_id: str) -> bool:
        """Whether it was given up by its task's own policy: rejected, or when its attempts were used up."""
        runs = self._ledger.runs[job_id]
        play = self._play_of(job_id)
        if play is None or play.task != "careless":
            return False
        died = self._claims_that_died(job_id, {run.token for run in runs}) if self._scenario.has_store else 0
        used = max(len(runs) + died, *(run.attempt for run in runs), self._overdelivered(job_id))
        return used >= RETRIES["careless"].max_attempts or any(run.how == "Reject" for run in runs)

    def _was_overdelivered(self, job_id: str) -> bool:
        play = self._play_of(job_id)
        return play is not None and self._overdelivered(job_id) >= RETRIES[play.task].max_attempts

    def _overdelivered(self, job_id: str) -> int:
        """Return how many attempts the deliveries of a job stand for where no store counts them: all but some spare ones."""
        if self._scenario.has_store:
            return 0
        deliveries = (len(self._ledger.receipts[copy.message_id]) for copy in self._ledger.copies[job_id])
        return max(0, max(deliveries, default=0) - _SPARE_DELIVERIES)

    def _play_of(self, job_id: str) -> Play | None:
        number = self._numbers.get(job_id)
        return None if number is None else self._plays[number]

    # I2

    def check_single_end(self, job_id: str) -> None:
        """I2: one recorded end, later epochs only, and no run after it."""
        ledger = self._ledger
        ended_at: float | None = None
        epoch = 0
        for at, record in ledger.writes.get(job_id, []):
            if ended_at is not None:
                ledger.break_("I2", f"{ledger.name(job_id)} was changed after its end: {record.status}", job_id)
            if record.epoch < epoch:
                ledger.break_("I2", f"the epoch of {ledger.name(job_id)} went back to {record.epoch}", job_id)
            epoch = record.epoch
            if record.status.ended:
                ended_at = at
        for run in ledger.runs[job_id]:
            if ended_at is not None and run.started > ended_at + 0.5:
                ledger.break_("I2", f"{ledger.name(job_id)} was run again after its end was recorded", job_id)

    def check_record(self, job_id: str) -> None:
        """I1: the record has ended, as the job did."""
        ledger = self._ledger
        record = self._record(job_id)
        name = ledger.name(job_id)
        hows = {run.how for run in ledger.runs[job_id]}
        if record is None:
            ledger.break_("I1", f"{name} has no record", job_id)
        elif not record.status.ended:
            if all(copy.gone != "retention" for copy in ledger.copies[job_id]):
                ledger.break_("I1", f"the record of {name} says {record.status} for ever", job_id)
        elif record.status is JobStatus.SUCCEEDED and "returned" not in hows:
            ledger.break_("I1", f"{name} is recorded as succeeded and never was", job_id)
        elif record.status is JobStatus.DISCARDED and "Discard" not in hows:
            ledger.break_("I1", f"{name} is recorded as discarded and never was", job_id)
        elif record.dead_lettered and job_id not in self._letters:
            ledger.break_("I1", f"{name} is recorded as dead-lettered, and there is no letter", job_id)

    def _record(self, job_id: str) -> JobRecord | None:
        writes = self._ledger.writes.get(job_id)
        return writes[-1][1] if writes else None

    # I10

    def check_attempts(self, job_id: str) -> None:
        """I10: no more starts than there are attempts, but for those that were given back."""
        ledger = self._ledger
        runs = [run for run in ledger.runs[job_id] if not self._was_given_back(run)]
        if not runs:
            return
        most = RETRIES[runs[0].task].max_attempts
        if not self._scenario.has_store:
            most = (most + _SPARE_DELIVERIES + 1) * len(ledger.copies[job_id])
        if len(runs) > most:
            ledger.break_("I10", f"{ledger.name(job_id)} was started {len(runs)} times, {most} were allowed", job_id)

    def _was_given_back(self, run: Run) -> bool:
        """Whether the attempt did not count in the end, as its worker or, if that was gone by then, the record says."""
        writes = self._ledger.writes.get(run.job_id, ())
        released = any(
            (record.epoch, record.status, record.attempts) == (run.token, JobStatus.QUEUED, run.attempt - 1)
            for _, record in writes
        )
        return released or run.outcome in ("Snoozed", "Interrupted")

    def check_letters(self, job_id: str) -> None:
        """I10, I11: a job is dead-lettered for what it did, not for what was done to it."""
        for letter in self._letters.get(job_id, ()):
            self._check_letter(job_id, letter, self._ledger.runs[job_id])

    def _check_letter(self, job_id: str, letter: Letter, runs: list[Run]) -> None:
        ledger = self._ledger
        name, store = ledger.name(job_id), self._scenario.has_store
        if letter.reason == "crash-limit":
            self._check_crashed(job_id, runs)
        elif letter.reason == "redrive":
            ledger.break_("I10", f"{name} was moved by SQS itself", job_id)
        elif letter.reason not in _NO_RUN_NEEDED and not runs and not self._was_overdelivered(job_id):
            ledger.break_("I10", f"{name} is dead-lettered ({letter.reason}) without a run", job_id)
        elif letter.reason == "exhausted" and store:
            self._check_exhausted(job_id, runs)
        elif letter.reason == "unknown-task":
            self._check_parked(job_id)

    def _check_crashed(self, job_id: str, runs: list[Run]) -> None:
        """A crash is a claim that nobody ended: its machine went, or its lease, or the store's answer did."""
        ledger = self._ledger
        unended = sum(1 for run in runs if run.how == "killed" or run.settled in ("", "leave"))
        crashes = unended + self._claims_that_died(job_id, {run.token for run in runs})
        if crashes < CRASH_LIMIT:
            text = f"{ledger.name(job_id)} is dead-lettered for crashing, but crashed {crashes} times"
            ledger.break_("I11", text, job_id)

    def check_contained(self, job_id: str) -> None:
        """I11: what has taken its workers down as often as is allowed is not run again, and is a dead letter for that.

        It does not matter here what killed a worker: who had its job in hand and did not end it has crashed.
        """
        ledger, crashes = self._ledger, self._crashes(job_id)
        name = ledger.name(job_id)
        if len(crashes) >= CRASH_LIMIT and not self._is_convicted(job_id):
            text = f"{name} crashed {len(crashes)} times, and is {self.end_of(job_id) or 'lost'}"
            ledger.break_("I11", text, job_id)
        for run in ledger.runs[job_id]:
            before = sum(1 for crash in crashes if crash.token < run.token)
            if before >= CRASH_LIMIT:
                ledger.break_("I11", f"{name} was started after {before} crashes", job_id)

    def _crashes(self, job_id: str) -> list[Run]:
        """Return the runs that went with their machines before anybody said in the record what became of them."""
        told = {
            record.epoch for _, record in self._ledger.writes.get(job_id, ()) if record.status is not JobStatus.RUNNING
        }
        return [run for run in self._ledger.runs[job_id] if run.how == "killed" and run.token not in told]

    def _is_convicted(self, job_id: str) -> bool:
        """Whether it is a dead letter for its crashes, or never came to it: its user, or SQS, had ended it before."""
        record = self._record(job_id)
        return (
            any(letter.reason == "crash-limit" for letter in self._letters.get(job_id, ()))
            or (record is not None and record.status is JobStatus.CANCELLED)
            or any(copy.gone == "retention" for copy in self._ledger.copies[job_id])
        )

    def _check_parked(self, job_id: str) -> None:
        """R48: what a worker does not know is kept for others as long as was promised."""
        ledger = self._ledger
        given_up = ledger.letters[job_id][0].at
        first = min(ledger.receipts[copy.message_id][0].at for copy in ledger.copies[job_id])
        if given_up - first < PARK_FOR - 1 - AGREED:
            ledger.break_("I10", f"{ledger.name(job_id)} is given up as unknown after {given_up - first:.0f} s", job_id)

    def _check_exhausted(self, job_id: str, runs: list[Run]) -> None:
        """Attempts that were claimed and never started count: their machine died, or the store's answer did."""
        ledger = self._ledger
        counted = [run for run in runs if run.outcome not in ("Snoozed", "Interrupted")]
        most = RETRIES[runs[0].task].max_attempts
        died = self._claims_that_died(job_id, {run.token for run in runs})
        if len(counted) + died < most:
            text = f"{ledger.name(job_id)} is exhausted after {len(counted)} of {most} attempts, and {died} that died"
            ledger.break_("I10", text, job_id)

    def _claims_that_died(self, job_id: str, started: set[int]) -> int:
        """Count the claims that led to no run, because something befell their claimant or the store."""
        ledger = self._ledger
        writes = ledger.writes[job_id]
        unanswered = [operation for _, operation in ledger.store_faults.get(job_id, ())]
        if unanswered.count("claim") >= 2:  # asked twice, and no answer came
            return len({record.epoch for _, record in writes} - started)
        claims = [(at, record) for at, record in writes if record.status is JobStatus.RUNNING]
        ends = [at for at, _ in claims[1:]] + [ledger.now]
        return sum(
            1
            for (at, record), end in zip(claims, ends, strict=True)
            if record.epoch not in started and self._befell(record.worker or "", at - 1, end)
        )

    def _befell(self, worker: str, begin: float, end: float) -> bool:
        """Whether something befell a worker in that time, be it its own end."""
        ledger = self._ledger
        return bool(ledger.trouble(worker, begin, end)) or begin <= ledger.gone_at.get(worker, begin - 1) <= end

    # Poison

    def check_foreign(self) -> None:
        """What is no job is in the dead-letter queue, with its reason."""
        ledger = self._ledger
        expected = sorted((foreign.body, foreign.reason) for foreign in self._scenario.foreign)
        found = sorted({(letter.body, letter.reason) for letter in self._foreign})
        if sorted(set(expected)) != found:
            ledger.break_("I1", f"the foreign messages {expected} are dead-lettered as {found}")
