"""Workers that are killed, and workers that are stopped, in the middle of their jobs."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter

import pytest
from tests.process import jobs
from tests.process.rig import TOKEN, Ground

from sqsjobs import App
from sqsjobs.job import JobStatus


async def test_kill_9_in_the_middle_of_200_jobs_loses_none_and_completes_none_twice(field: Ground, app: App) -> None:
    """R1: the messages of a killed worker are visible again within a lease, and run on another worker."""
    victim = await field.worker("--visibility", "5", "--concurrency", "20")
    handles = await app.enqueue_many(jobs.work.call(n, seconds=0.1 + n % 7 * 0.05, token=TOKEN) for n in range(200))
    await field.reports.until(lambda reports: reports.count("start") >= reports.count("end") + 10 >= 70)
    victim.send(signal.SIGKILL)
    await victim.ended()
    killed_at = time.time()
    running = {report.facts for report in field.reports.of("start")} - field.reports.ended()
    await field.worker("--visibility", "5", "--concurrency", "20")
    await field.reports.until(lambda reports: len(reports.ended()) == 200)
    for handle in handles:
        await handle.result(timeout=20)
    again = [report for report in field.reports.of("start") if report.facts in running and report.at > killed_at]
    assert {report.facts for report in again} == running
    assert max(report.at for report in again) - killed_at < 5 + 1 + 4  # lease, poll, start of the other worker
    records = [await handle.record() for handle in handles]
    assert {record.status for record in records} == {JobStatus.SUCCEEDED}
    assert all(record.epoch == record.attempts for record in records)
    crashes = Counter(record.crashes for record in records)
    assert set(crashes) == {0, 1}
    assert len(running) <= crashes[1] <= 2 * 20  # what ran, and what had ended but was not recorded yet (R2)
    field.workers[1].send(signal.SIGTERM)
    assert await field.workers[1].ended() == 0
    assert not field.server.sqs.peek("work")


async def test_sigterm_gives_back_every_unfinished_message_and_burns_no_attempt(field: Ground, app: App) -> None:
    """R4, R40, I12: when the worker has ended nothing is in flight for more than 2 s, and the attempts are given back."""
    worker = await field.worker("--concurrency", "20", "--grace", "1", "--wait", "2")
    handles = await app.enqueue_many(jobs.work.call(n, seconds=30) for n in range(60))
    await field.reports.until(lambda reports: reports.count("start") == 20)
    worker.send(signal.SIGTERM)
    assert await worker.ended() == 0
    ended_at = time.monotonic()
    while field.phases("work") != {"visible": 60}:
        assert time.monotonic() - ended_at < 2, field.phases("work")
        await asyncio.sleep(0.05)  # SQS has no events
    records = [await handle.record() for handle in handles]
    assert {(record.status, record.attempts, record.crashes) for record in records} == {(JobStatus.QUEUED, 0, 0)}


async def test_sigterm_lets_running_jobs_end_within_the_grace(field: Ground, app: App) -> None:
    """R4: a stop is no failure for a job that needs less than the grace."""
    worker = await field.worker("--grace", "20")
    handle = await jobs.work.enqueue(1, seconds=3)
    await field.reports.until(lambda reports: reports.count("start") == 1)
    worker.send(signal.SIGTERM)
    assert await worker.ended() == 0
    assert await handle.result(timeout=1) == 1


async def test_sigterm_while_a_thread_runs_keeps_its_message_hidden_until_the_process_is_gone(
    field: Ground, app: App
) -> None:
    """R9: a thread cannot be stopped, so its message is visible a little after the process has ended; at most 4 s."""
    worker = await field.worker("--grace", "1")
    handle = await jobs.in_thread.enqueue(1, seconds=60)
    await field.reports.until(lambda reports: reports.count("start") == 1)
    worker.send(signal.SIGTERM)
    code = await worker.ended()
    ended_at = time.monotonic()
    assert code == 4, "".join(worker.lines)
    assert field.phases("work") == {"in_flight": 1}
    while field.phases("work") != {"visible": 1}:
        assert time.monotonic() - ended_at < 4
        await asyncio.sleep(0.05)
    assert (await handle.record()).attempts == 0


async def test_a_second_signal_ends_at_once(field: Ground, app: App) -> None:
    """R8: what can be given back is, within two seconds or so, and the open polls are not waited for."""
    worker = await field.worker("--grace", "60", "--wait", "20")
    await jobs.work.enqueue(1, seconds=60)
    await field.reports.until(lambda reports: reports.count("start") == 1)
    worker.send(signal.SIGTERM)
    await asyncio.sleep(0.3)
    asked_at = time.monotonic()
    worker.send(signal.SIGTERM)
    await worker.ended()
    assert time.monotonic() - asked_at < 6
    assert len(field.server.sqs.peek("work")) == 1


async def test_a_message_sent_into_the_last_poll_is_given_back(field: Ground, app: App) -> None:
    """R5: the open poll is not cancelled; what it brings after SIGTERM is visible when the worker has ended."""
    worker = await field.worker("--wait", "3", "--visibility", "60")
    await jobs.work.enqueue(0)
    await field.reports.until(lambda reports: reports.count("end") == 1)
    await asyncio.sleep(0.5)  # until the next poll is open
    worker.send(signal.SIGTERM)
    await asyncio.sleep(0.5)
    handle = await jobs.work.enqueue(1)
    assert await worker.ended() == 0
    assert field.phases("work") == {"visible": 1}
    assert (await handle.record()).attempts == 0
    assert field.reports.count("start") == 1


async def test_a_stopped_process_that_wakes_up_late_does_not_complete_what_another_has(field: Ground, app: App) -> None:
    """R12: after SIGSTOP for longer than its lease a worker's claim is superseded, and its result refused."""
    first = await field.worker("--visibility", "2", "--concurrency", "1")
    handle = await jobs.work.enqueue(1, seconds=1.5)
    await field.reports.until(lambda reports: reports.count("start") == 1)
    first.send(signal.SIGSTOP)
    await field.worker("--visibility", "2")
    assert await handle.result(timeout=30) == 1
    first.send(signal.SIGCONT)
    record = await handle.record()
    first.send(signal.SIGTERM)
    await first.ended()
    assert await handle.record() == record
    assert record.epoch == 2
    assert record.worker is not None
    assert str(first.pid) not in record.worker


@pytest.mark.parametrize("how", ["kill", "segfault", "exit"])
async def test_a_pill_is_dead_lettered_after_three_starts_and_takes_nobody_along(
    field: Ground, app: App, how: str
) -> None:
    """R10, I11: a job that kills its worker is found out; the jobs beside it finish."""
    await field.worker("--visibility", "2", "--processes", "2", "--concurrency", "10")
    pill = await jobs.pill.enqueue(how, token=TOKEN)
    others = await app.enqueue_many(jobs.work.call(n, seconds=0.3) for n in range(50))
    for handle in others:
        await handle.result(timeout=60)
    while not (await pill.record()).status.ended:
        await asyncio.sleep(0.2)
    record = await pill.record()
    assert (record.status, record.dead_lettered) == (JobStatus.FAILED, True)
    starts = [report for report in field.reports.of("start") if report.facts == (how,)]
    assert len(starts) == 3
    (letter,) = field.server.sqs.peek("work-dlq")
    assert '"reason":"crash-limit"' in str(letter.attributes)
