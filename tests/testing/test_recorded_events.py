"""Recorded events: found by what they are about, and waited for on any loop, whatever thread tells them."""

from __future__ import annotations

import asyncio
import threading

import pytest

from sqsjobs.events import Event, JobEnded, JobEnqueued, JobStarted, WorkerStopped
from sqsjobs.job import Job, JobId
from sqsjobs.outcome import Succeeded
from sqsjobs.task import task
from sqsjobs.testing import RecordedEvents

JOB = Job(JobId("0123456789abcdef"), "resize", "images", b"{}")
OTHER = Job(JobId("fedcba9876543210"), "mail", "mail", b"{}")


@task
def resize() -> None: ...


def tell(events: RecordedEvents, *told: Event) -> None:
    for event in told:
        events(event)


def enqueued(job: Job) -> JobEnqueued:
    return JobEnqueued(job.id, job.task, job.queue)


def test_events_are_found_by_kind_task_and_job() -> None:
    events = RecordedEvents()
    started = [JobStarted(JOB, attempt, 1, 0.0) for attempt in (1, 2)]
    tell(events, enqueued(JOB), enqueued(OTHER), *started, JobStarted(OTHER, 1, 1, 0.0))
    assert events.of(JobStarted, task=resize) == started
    assert events.of(JobStarted, task="resize", where=lambda event: event.attempt == 2) == started[1:]
    assert events.of(JobEnqueued, job=OTHER.id) == [enqueued(OTHER)]
    assert len(events) == 5
    events.clear()
    assert not len(events)


async def test_an_event_of_the_past_need_not_be_waited_for() -> None:
    events = RecordedEvents()
    events(enqueued(JOB))
    assert await events.wait_for(JobEnqueued, timeout=0.001) == enqueued(JOB)


async def test_the_wait_ends_when_the_event_comes_from_another_thread() -> None:
    events = RecordedEvents()
    waiting = asyncio.create_task(events.wait_for(JobEnded, task="mail", count=2))
    ended = [JobEnded(job, attempt, Succeeded(), 0.1) for job, attempt in ((OTHER, 1), (JOB, 1), (OTHER, 2))]
    thread = threading.Thread(target=tell, args=(events, *ended))
    await asyncio.sleep(0)
    thread.start()
    assert await waiting == ended[2]
    thread.join()


async def test_several_waits_at_once_each_get_their_event() -> None:
    events = RecordedEvents()
    waits = [asyncio.create_task(events.wait_for(JobEnqueued, job=job.id)) for job in (JOB, OTHER)]
    await asyncio.sleep(0)
    events(enqueued(OTHER))
    events(enqueued(JOB))
    assert await asyncio.gather(*waits) == [enqueued(JOB), enqueued(OTHER)]


async def test_a_wait_in_vain_says_what_came_instead() -> None:
    events = RecordedEvents()
    events(enqueued(JOB))
    with pytest.raises(AssertionError, match=r"0 of 1 awaited WorkerStopped .* told were: .*1 JobEnqueued"):
        await events.wait_for(WorkerStopped, timeout=0.01)


async def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    events = RecordedEvents()
    waiting = asyncio.create_task(events.wait_for(WorkerStopped))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not events._listeners
