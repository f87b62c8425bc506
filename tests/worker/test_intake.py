"""Who polls and who starts: the plain scheduler, without a worker around it."""

from __future__ import annotations

import math
from itertools import count
from random import Random
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.trials import examples

from sqsjobs.clock import SystemClock
from sqsjobs.transport.base import Delivery
from sqsjobs.worker.held import Held
from sqsjobs.worker.intake import Intake, Poll
from sqsjobs.worker.lease import Lease
from sqsjobs.worker.options import WatchedQueue, WorkerOptions

_ids = count()


def held(queue: str, group: str | None = None, *, granted: float = 0.0) -> Held:
    message_id = str(next(_ids))
    lease = Lease(queue, message_id, "handle", granted, granted + 60, granted + 20, SystemClock())
    return Held(Delivery(queue, message_id, "handle", "{}", group=group), lease)


def intake(*queues: WatchedQueue, **options) -> Intake:
    return Intake(queues, WorkerOptions(**options))


def answer(intake: Intake, poll: Poll, messages: int, *, now: float = 0.0, group: str | None = None) -> list[Held]:
    """Let a poll come back with some messages; they wait for their start."""
    intake.polled(poll, messages, reserved=poll.reserved, seconds=0.01, sent_at=now)
    came = [held(poll.queue.name, group, granted=now) for _ in range(messages)]
    for message in came:
        intake.add(message)
    return came


def start_all(intake: Intake) -> list[Held]:
    return list(iter(intake.start_next, None))


def busy(intake: Intake, name: str) -> None:
    """Make a queue a busy one: its idle poll brought something."""
    (poll,) = [poll for poll in intake.idle_polls(0.0) if poll.queue.name == name]
    answer(intake, poll, poll.limit)
    for started in start_all(intake):
        intake.ended(0.0, 0.0)
        intake.settled(started)


# Polls ------------------------------------------------------------------------------------------------


def test_an_idle_queue_has_one_open_poll_that_holds_no_slot():
    it = intake(WatchedQueue("a"), WatchedQueue("b"), concurrency=5)
    polls = list(it.idle_polls(0.0))
    assert [(poll.queue.name, poll.limit, poll.reserved) for poll in polls] == [("a", 5, 0), ("b", 5, 0)]
    assert list(it.idle_polls(0.0)) == []
    assert list(it.busy_polls(0.0)) == []


def test_no_poll_is_opened_without_a_slot_to_hope_for():
    it = intake(WatchedQueue("a"), concurrency=1)
    (poll,) = it.idle_polls(0.0)
    answer(it, poll, 1)
    assert len(start_all(it)) == 1
    assert it.saturated
    assert [*it.idle_polls(0.0), *it.busy_polls(0.0)] == []


def test_a_busy_queues_poll_reserves_its_slots_first():
    """R22: slots, then messages; what is asked for is never more than what is free."""
    it = intake(WatchedQueue("a"), concurrency=7, prefetch=0)
    busy(it, "a")
    (poll,) = it.busy_polls(0.0)
    assert (poll.limit, poll.reserved) == (7, 7)
    assert list(it.busy_polls(0.0)) == []


def test_the_number_of_polls_grows_while_they_come_back_full_and_shrinks_again():
    it = intake(WatchedQueue("a"), concurrency=100, prefetch=0)
    busy(it, "a")
    widths = []
    for _ in range(6):
        polls = list(it.busy_polls(0.0))
        widths.append(len(polls))
        for poll in polls:
            answer(it, poll, poll.limit)
        for started in start_all(it):
            it.ended(0.0, 0.1)
            it.settled(started)
    assert widths == [1, 2, 8, 10, 10, 10]
    for poll in list(it.busy_polls(0.0)):
        answer(it, poll, 0)
    assert it["a"].window == 1
    assert it["a"].idle


def test_freed_slots_gather_so_that_receives_come_in_tens():
    """One job that ends does not cost one receive."""
    it = intake(WatchedQueue("a"), concurrency=20, prefetch=0)
    busy(it, "a")
    for poll in list(it.busy_polls(0.0)):
        answer(it, poll, poll.limit)
    for poll in list(it.busy_polls(0.0)):
        answer(it, poll, poll.limit)
    assert len(start_all(it)) == 20
    it.ended(1.0, 0.3)
    assert list(it.busy_polls(1.0)) == []
    assert it.look_again_in(1.0) == pytest.approx(0.006, abs=0.006)
    assert [poll.limit for poll in it.busy_polls(1.2)] == [1]


def test_a_pause_holds_all_polls_back_and_says_for_how_long():
    """R37, R44: none of any queue is opened before it is over."""
    it = intake(WatchedQueue("a"), WatchedQueue("b"), concurrency=5)
    it.pause(9.0)
    assert [*it.idle_polls(5.0), *it.busy_polls(5.0)] == []
    assert it.look_again_in(5.0) == 4.0
    assert len(list(it.idle_polls(9.0))) == 2


def ended_at_a_pace(it, *, seconds, pace, jobs=400, began=0.0):
    """Let `jobs` of `seconds` end, `pace` a second; when all have, nothing runs."""
    for number in range(jobs):
        it.running = jobs - number
        it.ended(began + (number + 1) / pace, seconds)


def test_nothing_is_fetched_ahead_where_jobs_take_longer_than_a_second():
    it = intake(WatchedQueue("a"), concurrency=4)
    busy(it, "a")
    ended_at_a_pace(it, seconds=5.0, pace=1000)
    assert sum(poll.limit for poll in it.busy_polls(1000.0)) == 4


@pytest.mark.parametrize(
    ("pace", "ahead"), [(100, 13), (500, 25), (5000, 40)], ids=["slow", "faster", "never more than ten times the slots"]
)
def test_no_more_is_fetched_ahead_than_will_start_within_a_round_trip(pace, ahead):
    """At one and a half times the pace at which jobs have ended, in a round trip of 20 ms, and ten, so that a receive is full."""
    it = intake(WatchedQueue("a"), concurrency=4)
    busy(it, "a")
    ended_at_a_pace(it, seconds=0.0001, pace=pace)
    it["a"].window = 10
    assert sum(poll.limit for poll in it.busy_polls(1000.0)) == 4 + ahead


def test_time_without_jobs_does_not_make_the_pace_slower():
    """Ten come every second, for a queue far away is asked anew only when they are there: they end in 10.1 ms all the same."""
    it = intake(WatchedQueue("a"), concurrency=100)
    busy(it, "a")
    for second in range(5):
        ended_at_a_pace(it, seconds=0.001, pace=990, jobs=10, began=second)
    it["a"].window = 20
    assert sum(poll.limit for poll in it.busy_polls(1000.0)) == 100 + 30 + 10


def test_a_few_short_jobs_say_nothing_about_the_pace():
    it = intake(WatchedQueue("a"), concurrency=100)
    busy(it, "a")
    for second in range(50):
        ended_at_a_pace(it, seconds=0.0001, pace=10_000, jobs=3, began=second)
    it["a"].window = 20
    assert sum(poll.limit for poll in it.busy_polls(1000.0)) == 100 + 10


# Starts -----------------------------------------------------------------------------------------------


def test_two_busy_queues_share_the_starts_by_their_weights():
    """Also where one of them was alone for long: silence gives no claim to what was not used."""
    it = intake(WatchedQueue("a", 3), WatchedQueue("b"), concurrency=6, prefetch=0)
    assert _starts(it, {"a": 0, "b": 10_000}, rounds=300)["a"] == 0
    starts = _starts(it, {"a": 100_000, "b": 100_000}, rounds=400)
    assert starts["a"] / starts["b"] == pytest.approx(3, rel=0.1)
    early = _starts(it, {"a": 100_000, "b": 100_000}, rounds=10)
    assert min(early.values()) > 0


@pytest.mark.parametrize("concurrency", [1, 3, 25])
@pytest.mark.parametrize("weights", [(1, 1), (5, 1), (1, 2, 4)])
def test_weights_hold_whatever_the_concurrency(concurrency, weights):
    queues = [WatchedQueue(f"q{index}", weight) for index, weight in enumerate(weights)]
    it = intake(*queues, concurrency=concurrency, prefetch=0)
    starts = _starts(it, {queue.name: 10**6 for queue in queues}, rounds=600)
    total = sum(starts.values())
    for queue in queues:
        assert starts[queue.name] / total == pytest.approx(queue.weight / sum(weights), abs=0.08)


def _starts(it: Intake, backlog: dict[str, int], *, rounds: int) -> dict[str, int]:
    """Serve queues with so many messages for some rounds; in each, half of the running jobs end."""
    random, running, starts = Random(1), [], dict.fromkeys(backlog, 0)
    for now in range(rounds):
        for poll in [*it.idle_polls(now), *it.busy_polls(now)]:
            there = min(poll.limit, backlog[poll.queue.name])
            backlog[poll.queue.name] -= there
            answer(it, poll, there, now=now)
        for started in start_all(it):
            starts[started.delivery.queue] += 1
            running.append(started)
        random.shuffle(running)
        for _ in range(math.ceil(len(running) / 2)):
            ended = running.pop()
            it.ended(now + 0.5, 0.5)
            it.settled(ended)
    for ended in running:
        it.ended(rounds, 0.5)
        it.settled(ended)
    return starts


def test_of_a_group_one_message_runs_at_a_time_and_groups_run_in_parallel():
    """R54."""
    it = intake(WatchedQueue("q.fifo"), concurrency=5, fifo_receive=10)
    first, second, other = held("q.fifo", "a"), held("q.fifo", "a"), held("q.fifo", "b")
    for message in (first, second, other):
        it.add(message)
    assert start_all(it) == [first, other]
    it.ended(0.0, 0.1)
    assert start_all(it) == []  # its delete is not confirmed yet (R57)
    it.settled(first)
    assert start_all(it) == [second]


def test_a_follower_that_is_given_back_does_not_free_its_group():
    """R54: the head still runs."""
    it = intake(WatchedQueue("q.fifo"), concurrency=5, fifo_receive=10)
    head, follower, later = held("q.fifo", "a"), held("q.fifo", "a"), held("q.fifo", "a")
    it.add(head)
    it.add(follower)
    assert start_all(it) == [head]
    assert it.take_waiting() == [follower]
    it.settled(follower)
    it.add(later)
    assert start_all(it) == []


def test_followers_that_wait_for_their_head_leave_the_slots_to_other_groups():
    """Groups run in parallel, however long one head takes."""
    it = intake(WatchedQueue("q.fifo"), concurrency=5, fifo_receive=10, prefetch=0)
    (poll,) = it.idle_polls(0.0)
    answer(it, poll, 5, group="a")
    assert len(start_all(it)) == 1
    (poll,) = [*it.busy_polls(0.0), *it.busy_polls(1.0)]
    assert poll.limit == 4
    answer(it, poll, 0)
    assert len(list(it.idle_polls(1.0))) == 1


def test_a_standard_queue_has_no_groups_to_give_back():
    """A failed job says nothing about those that were fetched with it; nor does a fair queue's tenant."""
    it = intake(WatchedQueue("a"), concurrency=1)
    for group in (None, None, "tenant"):
        it.add(held("a", group))
    assert it.take_group("a", None) == it.take_group("a", "tenant") == []
    assert it.waiting == 3


def test_what_waits_for_too_long_is_taken_out():
    it = intake(WatchedQueue("a"), concurrency=1)
    old, young = held("a", granted=1.0), held("a", granted=5.0)
    it.add(old)
    it.add(young)
    assert it.take_waiting(before=1.0) == [old]
    assert it.waiting == 1
    assert it.take_waiting() == [young]


# Properties -------------------------------------------------------------------------------------------


class Scheduling(RuleBasedStateMachine):
    """Any order of answers, failures, starts, ends and pauses."""

    @initialize(
        weights=st.lists(st.integers(1, 5), min_size=1, max_size=3),
        fifo=st.booleans(),
        concurrency=st.integers(1, 30),
        prefetch=st.sampled_from(["auto", 0]),
        fifo_receive=st.integers(1, 10),
    )
    def build(self, weights, fifo, concurrency, prefetch, fifo_receive):
        queues = [WatchedQueue(f"q{n}" + ".fifo" * (fifo and n == 0), weight) for n, weight in enumerate(weights)]
        self.slots = concurrency
        self.it = intake(*queues, concurrency=concurrency, prefetch=prefetch, fifo_receive=fifo_receive)
        self.now = 0.0
        self.open: list[list[Any]] = []  # [poll, what it still reserves]
        self.running: list[Held] = []
        self.settling: list[Held] = []

    @rule()
    def poll(self):
        for poll in [*self.it.idle_polls(self.now), *self.it.busy_polls(self.now)]:
            assert 1 <= poll.limit <= 10
            assert poll.reserved in (0, poll.limit)
            self.open.append([poll, poll.reserved])

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def answer(self, data):
        poll, reserved = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        messages = data.draw(st.integers(0, poll.limit))
        self.it.polled(poll, messages, reserved=reserved, seconds=0.02, sent_at=self.now)
        for _ in range(messages):
            group = data.draw(st.sampled_from("ab")) if poll.queue.fifo else None
            self.it.add(held(poll.queue.name, group, granted=self.now))

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def fail(self, data):
        poll, reserved = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        self.it.poll_failed(poll, reserved=reserved, paused_until=self.now + 1)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def withdraw(self, data):
        entry = data.draw(st.sampled_from(self.open))
        self.it.withdraw(entry[1])
        entry[1] = 0

    @rule()
    def start(self):
        started = self.it.start_next()
        if started is not None:
            self.running.append(started)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), seconds=st.floats(0, 5))
    def end(self, data, seconds):
        self.settling.append(self.running.pop(data.draw(st.integers(0, len(self.running) - 1))))
        self.it.ended(self.now, seconds)

    @precondition(lambda self: self.settling)
    @rule(data=st.data(), succeeded=st.booleans())
    def settle(self, data, succeeded):
        settled = self.settling.pop(data.draw(st.integers(0, len(self.settling) - 1)))
        if not succeeded:
            for follower in self.it.take_group(settled.delivery.queue, settled.delivery.group):
                self.it.settled(follower)
        self.it.settled(settled)

    @rule(seconds=st.floats(0.001, 40))
    def wait(self, seconds):
        self.now += seconds
        for overdue in self.it.take_waiting(before=self.now - 30):
            self.it.settled(overdue)

    @rule()
    def pause(self):
        self.it.pause(self.now + 5)

    @invariant()
    def no_more_runs_than_there_are_slots(self):
        if hasattr(self, "it"):
            assert self.it.running == len(self.running) <= self.slots

    @invariant()
    def reservations_are_those_of_the_open_polls(self):
        if hasattr(self, "it"):
            assert self.it._reserved == sum(reserved for _, reserved in self.open) >= 0
            assert self.it.open_polls == len(self.open)

    @invariant()
    def what_waits_is_bounded(self):
        if hasattr(self, "it"):
            assert self.it.waiting == sum(len(queue.waiting) for queue in self.it.queues)
            ready = sum(queue.ready for queue in self.it.queues)
            unreserved = sum(poll.limit for poll, reserved in self.open if reserved < poll.limit)
            assert ready + self.it._reserved <= 2 * self.slots + 10 * len(self.it.queues) + unreserved

    @invariant()
    def a_group_runs_once_at_a_time(self):
        if hasattr(self, "it"):
            groups = [
                (it.delivery.queue, it.delivery.group) for it in self.running + self.settling if it.delivery.group
            ]
            assert len(groups) == len(set(groups))

    def teardown(self):
        """Whatever happened: when all is over, nothing is reserved, and every queue can be polled again."""
        if not hasattr(self, "it"):
            return
        while self.open:
            poll, reserved = self.open.pop()
            self.it.polled(poll, 0, reserved=reserved, seconds=0.02, sent_at=self.now)
        while self.running:
            self.settling.append(self.running.pop())
            self.it.ended(self.now, 0.1)
        for settled in self.settling:
            self.it.settled(settled)
        self.it.take_waiting()
        assert (self.it._reserved, self.it.running, self.it.waiting) == (0, 0, 0)
        self.now += 100
        polls = [*self.it.idle_polls(self.now), *self.it.busy_polls(self.now)]
        assert {poll.queue.name for poll in polls if poll.queue.idle} == {
            queue.name for queue in self.it.queues if queue.idle
        }


TestScheduling = Scheduling.TestCase
TestScheduling.settings = examples(60, stateful_step_count=40)
