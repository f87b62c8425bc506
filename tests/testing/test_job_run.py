"""`run_job`: the real executor, through envelope and codec, and a result or an error one can read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import assert_type

import pytest

from sqsjobs import App, Discard, InvalidArguments, Retry, RetryAfter, Snooze, current_job, task
from sqsjobs.context import CallNext, JobContext, LeaseState
from sqsjobs.disposition import DeadLetter, Delete, Hide
from sqsjobs.errors import ConfigurationError
from sqsjobs.outcome import Discarded, Failed, RetryRequested, Snoozed, Succeeded, TimedOut
from sqsjobs.testing import JobRun, run_job


@dataclass
class Invoice:
    customer: str
    due: date


@task(queue="bills.fifo", retry=Retry(max_attempts=2), timeout=20)
async def bill(invoice: Invoice, *, copies: int = 1) -> list[Invoice]:
    match invoice.customer:
        case "broken":
            raise ValueError("no such customer")
        case "sleepy":
            raise Snooze(30)
        case "busy":
            raise RetryAfter(60, "rate limit")
        case "gone":
            raise Discard("the customer has left")
        case "slow":
            await asyncio.sleep(60)
    return [invoice] * copies


@task
def look_around() -> dict[str, object]:
    job = current_job()
    return {
        "attempt": job.attempt,
        "headers": dict(job.headers),
        "group": job.group,
        "token": job.fencing_token,
        "held": job.lease.state is LeaseState.HELD,
        "has_deadline": job.deadline is not None,
    }


@task(executor="process")
def in_a_process(number: int) -> int:
    return number + 1


@task
async def opaque() -> object:
    return object()


def invoice(customer: str) -> Invoice:
    return Invoice(customer, date(2026, 1, 31))


async def test_the_result_is_typed_and_has_been_through_json() -> None:
    run = await run_job(bill, invoice("ada"), copies=2)
    assert_type(run, JobRun[list[Invoice]])
    assert run.result == [invoice("ada")] * 2
    assert isinstance(run.outcome, Succeeded)
    assert run.disposition == Delete()


async def test_a_wrong_call_fails_as_enqueue_does() -> None:
    with pytest.raises(InvalidArguments, match="copies"):
        await run_job(bill, invoice("ada"), copies="two")  # type: ignore[arg-type]


async def test_a_result_without_a_json_form_fails_the_job() -> None:
    run = await run_job(opaque)
    assert isinstance(run.outcome, Failed)
    assert run.outcome.permanent


async def test_an_error_is_an_outcome_and_reading_the_result_shows_its_traceback() -> None:
    run = await run_job(bill, invoice("broken"))
    assert isinstance(run.outcome, Failed)
    assert run.outcome.failure.type == "builtins.ValueError"
    assert isinstance(run.disposition, Hide)
    with pytest.raises(AssertionError, match=r"(?s)bill did not succeed: Traceback.*no such customer"):
        _ = run.result


async def test_the_last_attempt_ends_in_the_dead_letter_queue() -> None:
    run = await run_job.using(attempt=2)(bill, invoice("broken"))
    assert isinstance(run.disposition, DeadLetter)
    assert run.disposition.reason == "exhausted"


@pytest.mark.parametrize(
    ("customer", "outcome"),
    [
        ("sleepy", Snoozed(30)),
        ("busy", RetryRequested(60, "rate limit")),
        ("gone", Discarded("the customer has left")),
    ],
)
async def test_a_job_that_steers_itself_says_so_in_the_outcome(customer: str, outcome: object) -> None:
    assert (await run_job(bill, invoice(customer))).outcome == outcome


async def test_another_timeout_than_the_tasks() -> None:
    run = await run_job.using(timeout=0.01)(bill, invoice("slow"))
    assert run.outcome == TimedOut(0.01)
    assert bill.timeout == 20


async def test_the_job_can_ask_about_itself() -> None:
    runner = run_job.using(attempt=3, fencing_token=7, timeout=5)
    run = await runner(look_around.using(headers={"tenant": "7"}, group="tenant-7"))
    assert run.result == {
        "attempt": 3,
        "headers": {"tenant": "7"},
        "group": "tenant-7",
        "token": 7,
        "held": True,
        "has_deadline": True,
    }
    assert (await run_job(look_around)).result["attempt"] == 1


async def test_one_job_can_be_run_twice() -> None:
    first = await run_job(look_around)
    second = await run_job.using(job_id=first.job.id, attempt=2)(look_around)
    assert second.job.id == first.job.id


async def test_a_process_task_runs_in_a_process() -> None:
    assert (await run_job(in_a_process, 1)).result == 2


async def test_lifespan_and_middleware_of_the_app_surround_the_job() -> None:
    told: list[str] = []

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        told.append("pool open")
        yield
        told.append("pool closed")

    async def middleware(job: JobContext, call_next: CallNext) -> object:
        told.append(f"before {job.task}")
        return await call_next()

    app = App("surroundings", lifespan=lifespan, middleware=[middleware])

    @app.task
    async def work() -> None:
        told.append("work")

    await run_job.using(app=app)(work)
    assert told == ["pool open", "before work", "work", "pool closed"]


def test_conditions_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="attempt"):
        run_job.using(attempt=0)
    with pytest.raises(ValueError, match="no job id"):
        run_job.using(job_id="short")


async def test_a_run_costs_no_waiting() -> None:
    began = time.perf_counter()
    for _ in range(50):
        await run_job(look_around)
    assert time.perf_counter() - began < 2
