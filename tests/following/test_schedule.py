"""When records are read: soon at first, then seldom, together, and never more than is bearable."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from sqsjobs.following.schedule import MOST_RECORDS, Schedule
from sqsjobs.job import JobId


def jobs(count: int) -> list[JobId]:
    return [JobId(f"job-{n:016d}") for n in range(count)]


def played(schedule: Schedule, until: float, start: float = 0.0) -> list[tuple[float, list[JobId]]]:
    """The reads of a time span, by a clock that jumps from turn to turn."""
    reads = []
    now = start
    while (due := schedule.next_due) is not None and max(now, due) < until:
        now = max(now, due)
        reads.append((now, schedule.take_due(now)))
    return reads


def test_one_job_is_read_at_once_then_after_50_ms_and_every_second_at_last():
    schedule = Schedule(Random(1))
    schedule.add(jobs(1)[0], 0.0)
    times = [at for at, _ in played(schedule, 60)]
    assert times[0] == 0
    assert 0.05 <= times[1] <= 0.0625
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert all(later < 2 * earlier for earlier, later in pairwise(pauses))
    assert all(1.0 <= pause <= 1.25 for pause in pauses[15:])


@given(st.integers(1, 3000), st.integers(0, 1000), st.lists(st.floats(0, 5), max_size=20))
@settings(max_examples=40, deadline=None)
def test_however_many_wait_the_records_read_a_second_are_bounded(count, seed, arrivals):
    """After the first seconds, in which everybody is new; and they are read together."""
    schedule = Schedule(Random(seed))
    for place, job in enumerate(jobs(count)):
        schedule.add(job, arrivals[place % len(arrivals)] if arrivals else 0.0)
    played(schedule, 30)
    reads = played(schedule, 60, 30)
    records = sum(len(due) for _, due in reads)
    assert records <= 30 * max(MOST_RECORDS, 4 / 3 * count) + count
    assert len(reads) <= 30 * 20
    assert {job for _, due in reads for job in due} == set(jobs(count))


def test_a_thousand_are_read_in_a_few_reads():
    schedule = Schedule(Random(1))
    for job in jobs(1000):
        schedule.add(job, 0.0)
    played(schedule, 30)
    assert len(played(schedule, 90, 30)) <= 60


def test_who_is_told_of_is_read_when_it_changes_and_now_and_then():
    schedule = Schedule(Random(1))
    job, other = jobs(2)
    for each in (job, other):
        schedule.add(each, 0.0)
        schedule.told_of(each, told=True)
    assert schedule.take_due(0.0) == [job, other]
    assert len(played(schedule, 29.9)) == 0
    schedule.wake(job, 10.0)
    assert schedule.take_due(10.0) == [job]
    schedule.wake(None, 11.0)
    assert schedule.take_due(11.0) == [job, other]
    assert 2 <= len(played(schedule, 100, 11)) <= 6
    schedule.told_of_none()
    assert len(played(schedule, 200, 100)) > 80


def test_who_is_followed_no_more_is_not_read():
    schedule = Schedule(Random(1))
    (job,) = jobs(1)
    schedule.add(job, 0.0)
    schedule.discard(job)
    schedule.wake(job, 0.0)
    assert (schedule.next_due, schedule.take_due(1.0), len(schedule)) == (None, [], 0)
