"""Jobs in child processes: isolation, timeouts that are kept, deaths and what is counted for them. In real time."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.worker import pill_app, pills

from sqsjobs import events as ev
from sqsjobs.job import JobStatus
from sqsjobs.outcome import (
    Crashed,
    CrashLimitReached,
    Discarded,
    Failed,
    Interrupted,
    Rejected,
    RetryRequested,
    Snoozed,
    Succeeded,
    TimedOut,
)
from sqsjobs.store.base import ClaimRequest
from sqsjobs.worker.child_variables import keep_only
from sqsjobs.worker.processes import ProcessPool


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    with suppress(FileNotFoundError):
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    return False


async def test_a_child_runs_one_job_after_the_other_with_its_context(rig):
    """The arguments go there as the message carried them; `current_job` works; children are kept for the next job."""
    rig.know(pills.where_am_i)
    jobs = [await rig.send(pills.where_am_i) for _ in range(3)]
    async with rig.working(processes=1):
        await rig.events.wait(ev.JobSettled, count=3)
        told = [json.loads((await rig.record(job_id)).result) for job_id in jobs]
    assert [it["id"] for it in told] == jobs
    assert {it["parent"] for it in told} == {os.getpid()}
    assert len({it["pid"] for it in told}) == 1
    assert [(it["attempt"], it["token"]) for it in told] == [(1, 1)] * 3
    assert not alive(told[0]["pid"])  # I15: no child outlives its worker


def test_a_pool_without_children_asks_for_no_event_loop_at_its_end():
    """Where none runs, one would be made that nobody closes: as when a worker that was abandoned is swept away."""
    asyncio.set_event_loop(None)
    closing = ProcessPool(1, None).aclose()
    with pytest.raises(StopIteration):
        closing.send(None)


SECRETS = ("SQSJOBS_SIGNING_KEYS", "SQSJOBS_ENCRYPTION_KEYS", "SQSJOBS_STORE", "AWS_SECRET_ACCESS_KEY", "DATABASE_URL")


@pytest.mark.parametrize(
    ("kept", "seen"),
    [(None, {*SECRETS}), (("DATABASE_URL", "AWS_*"), {"DATABASE_URL", "AWS_SECRET_ACCESS_KEY"})],
    ids=["all", "some"],
)
async def test_a_child_keeps_the_variables_that_were_named(rig, monkeypatch, kept, seen):
    """S22: and so do the programs that it starts; the worker itself has lost nothing."""
    for name in SECRETS:
        monkeypatch.setenv(name, "a secret")
    rig.know(pills.what_is_known)
    job_id = await rig.send(pills.what_is_known)
    async with rig.working(processes=1, child_variables=kept):
        await rig.events.wait(ev.JobSettled)
        known = json.loads((await rig.record(job_id)).result)
    for variables in known.values():
        assert {name for name in SECRETS if name in variables} == seen
        assert "PATH" in variables
    assert os.environ["SQSJOBS_SIGNING_KEYS"] == "a secret"


def test_without_any_names_only_what_every_program_needs_is_kept():
    """S22: names are exact, and beginnings end with a star."""
    variables = dict.fromkeys([*SECRETS, "PATH", "LC_ALL", "PYTHONPATH", "PATHS", "aws_region"], "x")
    keep_only((), variables)
    assert set(variables) == {"PATH", "LC_ALL", "PYTHONPATH"}


async def test_a_job_past_its_timeout_is_killed(rig, tmp_path):
    """R11: the only timeout that a plain function cannot outsit."""
    rig.know(pills.too_long)
    await rig.send(pills.too_long, started=str(tmp_path / "pid"))
    async with rig.working():
        ended = await rig.events.wait(ev.JobEnded)
        assert ended.outcome == TimedOut(1.0)
        settled = await rig.events.wait(ev.JobSettled)
        assert settled.disposition == "hide"
        assert not alive(int((tmp_path / "pid").read_text()))


async def test_a_timeout_does_not_count_the_wait_for_a_child(rig):
    """Two jobs of a second share one child; the second has ended after longer than its timeout."""
    rig.know(pills.takes_limited)
    for _ in range(2):
        await rig.send(pills.takes_limited, seconds=1.0)
    async with rig.working(processes=1):
        await rig.events.wait(ev.JobEnded, count=2)
    assert [type(event.outcome) for event in rig.events.of(ev.JobEnded)] == [Succeeded] * 2
    assert max(event.seconds for event in rig.events.of(ev.JobEnded)) > 1.5


@pytest.mark.parametrize(
    ("how", "said"), [("kill", "signal SIGKILL"), ("exit", "exit code 7"), ("segfault", "signal SIGSEGV")]
)
async def test_a_child_that_dies_is_a_crash_of_its_job_alone(rig, how, said):
    """R10: the worker lives, the crash is counted in the record, and the job is tried again until the limit."""
    rig.know(pills.pill)
    job_id = await rig.send(pills.pill, how=how)
    async with rig.working(crash_limit=2):
        crashed = await rig.events.wait(ev.JobEnded)
        assert isinstance(crashed.outcome, Crashed)
        assert said in crashed.outcome.failure.message
        await rig.events.wait(ev.JobSettled)
        assert (await rig.record(job_id)).crashes == 1
        limit = await rig.events.wait(ev.JobEnded, count=2)
        assert limit.outcome == CrashLimitReached(2)
        await rig.events.wait(ev.DeadLettered)
        await rig.events.wait(ev.JobSettled, count=2)
    assert (rig.dead_letter().reason, rig.dead_letter().attempts) == ("crash-limit", 2)
    record = await rig.record(job_id)
    assert (record.status, record.crashes, record.attempts) == (JobStatus.FAILED, 2, 2)


async def test_after_two_crashes_a_job_runs_alone_so_that_a_pills_mates_are_cleared(rig):
    """Design section 7: whatever its executor says; a mate of the pill succeeds there, and its crashes are forgiven."""
    rig.know(pills.on_the_loop)
    job_id = await rig.send(pills.on_the_loop)
    assert rig.store is not None
    for _ in range(2):
        now = rig.clock.wall()
        await rig.store.claim(ClaimRequest(job_id, "on_the_loop", "work", now, "killed", now, now + 0.01))
        await asyncio.sleep(0.02)
    async with rig.working():
        await rig.events.wait(ev.JobSettled)
    record = await rig.record(job_id)
    assert (record.status, record.crashes) == (JobStatus.SUCCEEDED, 2)
    assert json.loads(record.result) != os.getpid()


@pytest.mark.parametrize(("crashes", "limit", "succeeds"), [(3, 3, True), (4, 3, True), (4, 2, False)])
async def test_who_ran_alone_is_not_blamed_for_the_death_of_a_worker(rig, crashes, limit, succeeds):
    """I11: several pills killed the worker that watched over a mate of theirs; had its child died, that would be told."""
    rig.know(pills.on_the_loop)
    job_id = await rig.send(pills.on_the_loop)
    assert rig.store is not None
    for _ in range(crashes):
        now = rig.clock.wall()
        await rig.store.claim(ClaimRequest(job_id, "on_the_loop", "work", now, "killed", now, now + 0.01))
        await asyncio.sleep(0.02)
    async with rig.working(crash_limit=limit):
        await rig.events.wait(ev.JobSettled)
    record = await rig.record(job_id)
    assert record.status is (JobStatus.SUCCEEDED if succeeds else JobStatus.FAILED)
    if not succeeds:  # somebody has to be: it may kill its worker, too
        assert rig.dead_letter().reason == "crash-limit"


async def test_what_a_child_raises_comes_back_as_text_and_steering_as_steering(rig):
    """All ways to end, one child; a lone surrogate is no reason to die."""
    expected: dict[str, Any] = {
        "snooze": Snoozed(30),
        "retry after": RetryRequested(40, "later"),
        "discard": Discarded("enough"),
        "reject": Rejected("no ?"),
        "value error": ("builtins.ValueError", "wrong ?", False),
        "system exit": ("builtins.SystemExit", "3", False),
        "stop iteration": ("builtins.RuntimeError", "the task raised StopIteration", False),
        "not json": ("sqsjobs.ResultNotEncodable", "the result of task 'raises'", True),
    }
    rig.know(pills.raises)
    for what in expected:
        await rig.send(pills.raises, what=what)
    async with rig.working(processes=1):
        await rig.events.wait(ev.JobEnded, count=len(expected))
    for event in rig.events.of(ev.JobEnded):
        what = json.loads(event.job.arguments)["what"]
        outcome = event.outcome
        if isinstance(outcome, Failed):
            kind, text, permanent = expected[what]
            assert (outcome.failure.type, outcome.permanent) == (kind, permanent), what
            assert outcome.failure.message.startswith(text)
        else:
            assert outcome == expected[what]
    failure = next(e.outcome.failure for e in rig.events.of(ev.JobEnded) if b"value error" in e.job.arguments)
    assert 'raise ValueError("wrong' in failure.traceback
    assert "child.py" not in failure.traceback


async def test_large_arguments_and_results_pass_a_pipe_that_holds_less(rig):
    """Also to a child that is only just starting, and does not read yet."""
    rig.know(pills.echoes)
    text = "ab" * 250_000
    job_id = await rig.send(pills.echoes, text=text)
    async with rig.working():
        await rig.events.wait(ev.JobSettled)
    assert (await rig.record(job_id)).result == f'"{text[::-1]}"'.encode()


async def test_without_a_store_nobody_minds_what_a_child_returns(rig):
    rig.store = None
    rig.know(pills.raises)
    await rig.send(pills.raises, what="not json")
    async with rig.working():
        assert isinstance((await rig.events.wait(ev.JobEnded)).outcome, Succeeded)


async def test_middleware_sees_the_value_that_a_child_returned(rig):
    async def doubled(job, call_next):
        return 2 * await call_next()

    rig.know(pills.takes)
    job_id = await rig.send(pills.takes, seconds=0.5)
    async with rig.working(middleware=[doubled]):
        await rig.events.wait(ev.JobSettled)
    assert (await rig.record(job_id)).result == b"1.0"


async def test_an_idle_child_that_was_killed_is_no_crash_of_the_next_job(rig):
    """The kernel may pick any process when memory is short."""
    rig.know(pills.where_am_i)
    first = await rig.send(pills.where_am_i)
    async with rig.working(processes=1):
        await rig.events.wait(ev.JobSettled)
        pid = json.loads((await rig.record(first)).result)["pid"]
        os.kill(pid, signal.SIGKILL)
        while any(child.pid == pid for child in multiprocessing.active_children()):
            await asyncio.sleep(0.01)
        await rig.send(pills.where_am_i)
        settled = await rig.events.wait(ev.JobSettled, count=2)
    assert isinstance(settled.outcome, Succeeded)


async def test_a_signal_to_the_whole_group_is_the_parents_to_handle(rig):
    """A service manager may send SIGTERM to every process of a service: that is no crash."""
    rig.know(pills.hears_sigterm)
    job_id = await rig.send(pills.hears_sigterm)
    async with rig.working():
        await rig.events.wait(ev.JobSettled)
    assert (await rig.record(job_id)).result == b'"still here"'


async def test_a_stop_kills_the_child_and_gives_the_job_back(rig):
    """Design section 5.9 of the stop: the attempt is not counted, nothing runs on."""
    rig.know(pills.takes)
    job_id = await rig.send(pills.takes, seconds=60)
    async with rig.working(grace=0.2) as worker:
        await rig.events.wait(ev.JobStarted)
        await asyncio.sleep(0.5)
        worker.stop()
        rig.sqs.end_polls()
        stopped = await rig.events.wait(ev.WorkerStopped)
    assert stopped.clean
    assert isinstance(rig.events.one(ev.JobEnded).outcome, Interrupted)
    record = await rig.record(job_id)
    assert (record.status, record.attempts, record.crashes) == (JobStatus.QUEUED, 0, 0)


async def test_a_child_opens_the_app_and_its_lifespan_once(rig):
    """For the first job that it runs; the parent's own lifespan is not the child's."""
    rig.know(pill_app.lifespans)
    jobs = [await rig.send(pill_app.lifespans) for _ in range(2)]
    async with rig.working(processes=1, app_path="tests.worker.pill_app:app"):
        await rig.events.wait(ev.JobSettled, count=2)
    told = [json.loads((await rig.record(job_id)).result) for job_id in jobs]
    assert told[0] == told[1]
    assert told[0][0] == told[0][1] != os.getpid()
    assert pill_app.set_up == []


async def test_an_app_that_a_child_cannot_open_fails_the_job_and_crashes_nobody(rig):
    rig.know(pills.where_am_i)
    await rig.send(pills.where_am_i)
    async with rig.working(app_path="tests.worker.nowhere:app"):
        ended = await rig.events.wait(ev.JobEnded)
    assert isinstance(ended.outcome, Failed)
    assert ended.outcome.failure.type == "builtins.ModuleNotFoundError"


async def test_what_a_child_wrote_is_not_lost_with_it(rig, capfd):
    """A child ends without the interpreter's farewell; its buffers are flushed before."""
    rig.know(pills.writes)
    job_id = await rig.send(pills.writes)
    async with rig.working():
        await rig.events.wait(ev.JobSettled)
        pid = json.loads((await rig.record(job_id)).result)
    while alive(pid):
        await asyncio.sleep(0.01)
    assert "written by the child" in capfd.readouterr().out
