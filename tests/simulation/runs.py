"""How the runs of each job follow on each other, checked at the end: why there was more than one, and not two at once."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from itertools import combinations, pairwise

from tests.simulation.ledger import Arrival, Ledger, Run
from tests.simulation.loop import AGREED, BEGINNING
from tests.simulation.scenario import Scenario
from tests.simulation.stage import LONGEST_BACKOFF

__all__ = ["check_runs", "duplicates_of"]

_ASKED_FOR = {"ActFailed", "Snooze", "RetryAfter", "cancelled"}
"""Ends that another run may follow: failures, wishes, timeouts, interruptions."""
_EARLY = 1.0
_CLEAN_UP = 2.0
_WINDOW = 30.0
"""Seconds in which a herd would come."""


def check_runs(scenario: Scenario, ledger: Ledger) -> None:
    """Check the runs of all jobs."""
    for job_id, runs in ledger.runs.items():
        for earlier, later in combinations(runs, 2):
            if scenario.has_store and later.started < earlier.ended:
                _check_overlap(ledger, earlier, later)
        for earlier, later in pairwise(runs):
            _check_not_early(scenario, ledger, earlier, later)
        if runs:
            _check_delay(ledger, job_id, runs[0])
        for run in runs:
            _check_told(scenario, ledger, run)
    if scenario.fifo:
        _check_order(scenario, ledger)
    if scenario.down != (0.0, 0.0):
        _check_storm_of_retries(scenario, ledger)


def duplicates_of(ledger: Ledger, *, has_store: bool) -> Counter[str]:
    """I3: count the runs that nobody had asked for, by cause; one without a cause breaks a promise."""
    causes: Counter[str] = Counter()
    for job_id, runs in ledger.runs.items():
        for earlier, later in pairwise(runs):
            if earlier.how in _ASKED_FOR and earlier.ended <= later.started:
                continue
            cause = next(_causes(ledger, earlier, later, has_store=has_store), "unexplained")
            causes[cause] += 1
            if cause == "unexplained":
                ledger.break_("I3", f"{ledger.name(job_id)} was run again for no reason", job_id)
        _check_enough_causes(ledger, job_id, runs)
    return causes


def _check_enough_causes(ledger: Ledger, job_id: str, runs: list[Run]) -> None:
    """I3: a run that did not delete its message lets it come once more, and so does each fault, and each copy."""
    kept = sum(1 for run in runs if run.settled != "delete" or _had_lost_it(run))
    copies = ledger.copies[job_id]
    faults = sum(len(receipt.faults) for copy in copies for receipt in ledger.receipts[copy.message_id])
    most = len(copies) + kept + faults
    if len(runs) > most:
        text = f"{ledger.name(job_id)} was run {len(runs)} times, and there are reasons for {most}"
        ledger.break_("I3", text, job_id)


def _had_lost_it(run: Run) -> bool:
    """Whether the lease of a run was over when its message was deleted: such a delete may do nothing."""
    return run.receipt is not None and run.receipt.lost_at <= run.settled_at


def _causes(ledger: Ledger, earlier: Run, later: Run, *, has_store: bool) -> Iterator[str]:
    """Yield why `later` may have been started although `earlier` had not asked for it."""
    faults = {fault for receipt in ledger.receipts[earlier.message_id] for fault in receipt.faults}
    lost = earlier.receipt is not None and earlier.receipt.lost_at <= later.started  # such a delete may do nothing
    if earlier.settled != "delete" or earlier.settled_at > later.started or lost:
        yield from _unsettled(ledger, earlier, later, faults, has_store=has_store)
    if len(ledger.copies[earlier.job_id]) > 1:
        yield "ambiguous send, or sent anew"
    if faults & {"duplicate", "resurrect"}:
        yield "SQS delivered twice"
    if "stale handle" in faults:
        yield "stale handle"


def _unsettled(ledger: Ledger, earlier: Run, later: Run, faults: set[str], *, has_store: bool) -> Iterator[str]:
    """Yield why the message of a run that is over is still there."""
    killed = "killed" in ledger.trouble(earlier.machine, earlier.started, later.started)
    if ledger.gone_at.get(earlier.machine, later.started) < later.started:
        yield "crash" if killed else "stop"
    if earlier.receipt is not None and earlier.receipt.lost:
        yield "lost lease"
    if has_store and ledger.store_failed(earlier.job_id, _received(earlier), later.started):
        yield "store away"
    if "delete failed" in faults:
        yield "delete failed"
    yield from ledger.trouble(earlier.machine, earlier.started, later.started)


def _received(run: Run) -> float:
    """Return when the message of a run had come, after which its job was claimed."""
    return run.receipt.at if run.receipt else run.started


def _check_overlap(ledger: Ledger, one: Run, other: Run) -> None:
    """I4: with a store, nobody takes over a job while another still has the right to go on with it."""
    holder, taker = sorted((one, other), key=lambda run: run.token)
    receipt = holder.receipt
    assert receipt is not None
    arrival = ledger.arrivals[holder.message_id]
    deadline = receipt.deadline_at(taker.started)
    if min(receipt.lost_at, deadline, arrival.gone_at) <= taker.started:
        return
    troubles = ledger.trouble(holder.machine, receipt.at, taker.started)
    if holder.message_id == taker.message_id and {"suspended", "cut off"} & set(troubles):
        return  # it could neither extend its lease nor hear that it was over
    if receipt.over_at <= taker.started and "suspended" in troubles:
        return  # given up by a stop, and kept from ending with its process
    if deadline - taker.started <= AGREED:  # by so much the claim may end sooner for the other
        ledger.counts["overlaps by clock skew"] += 1
        return
    if ledger.store_failed(holder.job_id, _received(holder), taker.started):
        ledger.counts["overlaps while the store was away"] += 1
        return
    text = f"{ledger.name(taker.job_id)} starts on {taker.machine} while {holder.machine} runs it"
    ledger.break_("I4", text, taker.job_id)


def _check_told(scenario: Scenario, ledger: Ledger, run: Run) -> None:
    """R16: a run whose lease is lost is told at once, and ends."""
    receipt = run.receipt
    play = next(play for play in scenario.plays if play.number == run.number)
    if receipt is None or receipt.lost_at >= run.ended or run.task == "threaded":
        return
    if any(act.stubborn < 0 for act in play.acts):
        return
    within = _CLEAN_UP + max(act.stubborn for act in play.acts)
    if run.ended - max(receipt.lost_at, run.started) > within and not ledger.trouble(
        run.machine, receipt.lost_at, run.ended
    ):
        ledger.break_("R16", f"{ledger.name(run.job_id)} ran on after its lease was lost", run.job_id)


def _check_not_early(scenario: Scenario, ledger: Ledger, earlier: Run, later: Run) -> None:
    """I8: a retry or a snoozed job does not start before its time."""
    if earlier.settled not in ("hide", "resend") or earlier.outcome == "Interrupted" or later.started < earlier.ended:
        return
    early = min(earlier.ended, earlier.settled_at) + earlier.delay - later.started
    if early <= _EARLY + AGREED:
        return
    doubled = len(ledger.copies[later.job_id]) > 1 or any(
        receipt.faults for receipt in ledger.receipts[earlier.message_id]
    )
    if scenario.has_store or not doubled:
        ledger.break_("I8", f"{ledger.name(later.job_id)} was run again {early:.1f} s early", later.job_id)


def _check_delay(ledger: Ledger, job_id: str, first: Run) -> None:
    """I8: a delayed job does not start before its time."""
    due = min(copy.visible_at for copy in ledger.copies[job_id])
    if first.started < due - _EARLY:
        ledger.break_("I8", f"{ledger.name(job_id)} starts {due - first.started:.1f} s early", job_id)


def _check_order(scenario: Scenario, ledger: Ledger) -> None:
    """I9: a job of a group starts when all that were sent before it have left the queue; they were sent in order."""
    groups: dict[str, list[Arrival]] = {}
    for arrival in ledger.arrivals.values():
        if arrival.group is not None and arrival.queue in scenario.queues:
            groups.setdefault(arrival.group, []).append(arrival)
    for arrivals in groups.values():
        for place, arrival in enumerate(arrivals):
            _check_turn(ledger, arrival, arrivals[:place])
        _check_sent_in_order(scenario, ledger, arrivals)


def _check_turn(ledger: Ledger, arrival: Arrival, before: list[Arrival]) -> None:
    for run in ledger.runs.get(arrival.job_id, ()):
        if run.message_id != arrival.message_id:
            continue
        ahead = [other for other in before if other.gone_at > run.started]
        if ahead:
            names = ", ".join(ledger.name(other.message_id) for other in ahead)
            text = f"{ledger.name(arrival.job_id)} starts before {names} of its group {arrival.group} are done"
            ledger.break_("I9", text, arrival.job_id, *(other.message_id for other in ahead))


def _check_sent_in_order(scenario: Scenario, ledger: Ledger, arrivals: list[Arrival]) -> None:
    at = {play.number: play.at for play in scenario.plays}
    # One whose send is uncertain may arrive at any time: its request may have been slow.
    numbers = {job_id: number for number, (outcome, job_id) in ledger.answers.items() if outcome == "accepted"}
    sent = [numbers[arrival.job_id] for arrival in arrivals if arrival.job_id in numbers]
    for earlier, later in pairwise(sent):
        if at[earlier] == at[later] and later < earlier:
            ledger.break_("I9", f"job {later} of group {arrivals[0].group} arrived after job {earlier}")


def _check_storm_of_retries(scenario: Scenario, ledger: Ledger) -> None:
    """R44: while what they need is down, jobs try less and less often, and when it is back they do not come all at once.

    A job's retries are spread evenly over `LONGEST_BACKOFF` in the end; by chance, thrice as many may come together.
    """
    begin, end = (BEGINNING + moment for moment in scenario.down)
    settled = begin + 2 * LONGEST_BACKOFF
    starts = sorted(run.started for runs in ledger.runs.values() for run in runs if run.started > settled)
    most = 3 * len(scenario.plays) * _WINDOW / (LONGEST_BACKOFF / 2)
    for place, at in enumerate(starts):
        together = bisect_right(starts, at + _WINDOW) - place
        if together > most:
            when = "the recovery" if at + _WINDOW > end else "the outage"
            ledger.break_("R44", f"in {when} {together} jobs start within {_WINDOW:g} s; {most:.0f} would be many")
            return
