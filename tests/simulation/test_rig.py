"""The rig itself: bugs are planted into the worker, the store and SQS, and each invariant has to notice its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.simulation.playing import play, play_all, play_side_by_side
from tests.simulation.scenario import Kind
from tests.simulation.tally import told_of

from sqsjobs.job import JobStatus
from sqsjobs.store import rules
from sqsjobs.store.base import JobRecord, Scheduled
from sqsjobs.transport.base import Sent
from sqsjobs.transport.memory import MemoryTransport
from sqsjobs.transport.server_time import ServerTime
from sqsjobs.worker import claims, settler
from sqsjobs.worker.dispatcher import Dispatcher
from sqsjobs.worker.intake import Intake, QueueIntake
from sqsjobs.worker.lease import LeaseBook
from sqsjobs.worker.poller import Poller
from sqsjobs.worker.settler import Settler

_ENOUGH = 40
"""Seeds within which a planted bug has to show."""

Plant = Callable[[pytest.MonkeyPatch], None]


def letters_are_not_sent(patch):
    async def copied(*_: object, **__: object) -> bool:
        return True

    patch.setattr(Settler, "copy_to_dead_letters", copied)


def what_has_ended_is_claimed_again(patch):
    claimed = rules.claimed

    def forgetful(record: Any, request: Any) -> Any:
        ended = record is not None and record.status.ended
        return claimed(replace(record, status=JobStatus.QUEUED) if ended else record, request)

    patch.setattr(rules, "claimed", forgetful)


def deletes_are_only_said(patch):
    delete, asked = Settler.delete, set()

    async def lazy(self: Any, held: Any) -> bool:
        if held.delivery.message_id in asked:
            return await delete(self, held)
        asked.add(held.delivery.message_id)
        return True

    patch.setattr(Settler, "delete", lazy)


def live_claims_are_taken_over(patch):
    claimed = rules.claimed

    def rude(record: Any, request: Any) -> Any:
        running = record is not None and record.status is JobStatus.RUNNING
        return claimed(replace(record, lease_until=0.0) if running else record, request)

    patch.setattr(rules, "claimed", rude)


def deadlines_count_from_the_answer(patch):
    grant = LeaseBook.grant
    patch.setattr(
        LeaseBook, "grant", lambda book, delivery, asked_at: grant(book, delivery, max(asked_at + 1, book._clock.now()))
    )


def leases_do_not_end_by_the_clock(patch):
    patch.setattr(LeaseBook, "expired", lambda _: [])
    patch.setattr(LeaseBook, "is_late", lambda *_: False)


def hearts_stand_still(patch):
    patch.setattr(LeaseBook, "due", lambda _: [])


def delays_are_halved(patch):
    patch.setattr(settler, "whole_seconds", lambda delay: int(delay / 2))


def followers_do_not_wait(patch):
    patch.setattr(QueueIntake, "startable", lambda queue: queue.waiting[0] if queue.waiting else None)


def attempts_are_always_given_back(patch):
    change = claims.Claims._change

    def generous(self: Any, held: Any, outcome: Any, verdict: Any) -> Any:
        return replace(change(self, held, outcome, verdict), attempt_back=True)

    patch.setattr(claims.Claims, "_change", generous)


def every_crash_counts_thrice(patch):
    claimed = rules.claimed

    def severe(record: Any, request: Any) -> Any:
        result = claimed(record, request)
        if record is not None and isinstance(result, JobRecord) and result.crashes > record.crashes:
            return replace(result, crashes=3)
        return result

    patch.setattr(rules, "claimed", severe)


def crashes_never_convict(patch):
    """A pill is run again and again, until its attempts are used up."""
    patch.setattr(Dispatcher, "_is_convicted", lambda *_: False)


def nothing_is_given_back(patch):
    hide = Settler.hide

    async def forgetful(self: Any, held: Any, delay: float) -> bool:
        return await hide(self, held, delay) if delay else True

    patch.setattr(Settler, "hide", forgetful)


def releases_come_three_seconds_late(patch):
    hide = Settler.hide

    async def late(self: Any, held: Any, delay: float) -> bool:
        return await hide(self, held, delay or 3.0)

    patch.setattr(Settler, "hide", late)


def sqs_loses_what_it_has_accepted(patch):
    send = MemoryTransport.send

    async def careless(self: Any, queue: str, messages: Any) -> list[Any]:
        if "dlq" in queue or len(messages) < 2:
            return await send(self, queue, messages)
        return [Sent("00000000-0000-4000-8000-000000000000"), *await send(self, queue, messages[1:])]

    patch.setattr(MemoryTransport, "send", careless)


def slots_are_not_counted(patch):
    patch.setattr(Intake, "saturated", False)


def a_stopped_poller_leaves_something_behind(patch):
    stop = Poller.stop

    def leaky(self: Any) -> None:
        stop(self)
        self.left = asyncio.get_running_loop().create_task(asyncio.sleep(10_000))

    patch.setattr(Poller, "stop", leaky)


def clocks_are_believed(patch):
    """R63: the machines' clocks are up to ten minutes wrong, and nobody looks at SQS's."""
    patch.setattr(ServerTime, "correction", lambda _: 0.0)


def nothing_is_ever_due(patch):
    patch.setattr(rules, "claimed", lambda record, request: Scheduled(request.now + 60))


@pytest.mark.parametrize(
    ("invariant", "kind", "plant"),
    [
        ("I1", "standard", letters_are_not_sent),
        ("I2", "standard", what_has_ended_is_claimed_again),
        ("I3", "without-store", deletes_are_only_said),
        ("I4", "standard", live_claims_are_taken_over),
        ("I4", "contest", clocks_are_believed),
        ("I5", "standard", deadlines_count_from_the_answer),
        ("I6", "standard", leases_do_not_end_by_the_clock),
        ("I7", "standard", hearts_stand_still),
        ("I8", "without-store", delays_are_halved),
        ("I9", "fifo", followers_do_not_wait),
        ("I10", "standard", attempts_are_always_given_back),
        ("I11", "standard", every_crash_counts_thrice),
        ("I11", "standard", crashes_never_convict),
        ("I12", "without-store", nothing_is_given_back),
        ("I12", "without-store", releases_come_three_seconds_late),
        ("I13", "standard", sqs_loses_what_it_has_accepted),
        ("I14", "standard", slots_are_not_counted),
        ("I15", "standard", a_stopped_poller_leaves_something_behind),
        ("I19", "standard", nothing_is_ever_due),
    ],
)
def test_a_planted_bug_is_noticed(monkeypatch, invariant: str, kind: Kind, plant: Plant):
    plant(monkeypatch)
    broken: set[str] = set()
    for seed in range(_ENOUGH):
        broken |= {violation.partition(":")[0] for violation in play(seed, kind).violations}
        if invariant in broken:
            return
    pytest.fail(f"{invariant} held in {_ENOUGH} seeds, although {plant.__name__}; noticed was {sorted(broken)}")


def test_what_is_told_of_a_broken_promise_has_the_end_of_its_trace(monkeypatch):
    nothing_is_ever_due(monkeypatch)
    report = play(0, "standard")
    told = told_of(report, lines=7).splitlines()
    assert told[: len(report.violations)] == list(report.violations)
    assert told[len(report.violations)] == "make simulate SEED=0"
    assert tuple(told[-7:]) == report.trace[-7:]


def test_side_by_side_the_seeds_come_out_the_same():
    alone = {report.seed: report.digest for report in play_all(range(12))}
    assert {report.seed: report.digest for report in play_side_by_side(range(12), None, 2)} == alone
