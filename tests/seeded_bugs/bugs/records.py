"""Bugs of acknowledgements, claims and counts."""

from __future__ import annotations

from typing import Final

from tests.seeded_bugs.bug import Bug, Edit

__all__ = ["BUGS"]

BUGS: Final = (
    Bug(
        "1",
        "a message is acknowledged before its job runs",
        "Celery, by default",
        (
            Edit(
                "worker/dispatcher.py",
                "        outcome = await self._executor.attempt(attempt)\n",
                "        await self._settler.delete(held)\n        outcome = await self._executor.attempt(attempt)\n",
            ),
        ),
        ("tests/simulation/test_seeds.py::test_no_promise_is_broken[0]",),
    ),
    Bug(
        "2",
        "a message is deleted before its result is recorded",
        edits=(
            Edit(
                "worker/closing.py",
                "        if self._claims.keeps_results and not await self._claims.record(held, outcome, verdict):\n"
                "            return _LEAVE\n",
                "",
            ),
            Edit(
                "worker/closing.py",
                "                done = True\n        return verdict.disposition if done else _LEAVE\n",
                "                done = True\n        await self._claims.record(held, outcome, verdict)\n"
                "        return verdict.disposition if done else _LEAVE\n",
            ),
        ),
        tests=(
            "tests/worker/test_records.py::test_a_result_that_the_store_never_takes_is_given_up_and_the_job_run_again",
        ),
    ),
    Bug(
        "11",
        "a completion is not compared with the claim",
        "most result backends",
        (
            Edit(
                "store/rules.py",
                "    if record is None or record.epoch != epoch:\n        return None\n    if record.cancel",
                "    if record is None:\n        return None\n    if record.cancel",
            ),
        ),
        ("tests/worker/test_leases.py::test_a_result_that_comes_after_another_workers_claim_is_refused",),
    ),
    Bug(
        "12",
        "a claim does not look at the lease of the one before",
        edits=(
            Edit(
                "store/rules.py",
                "    if record.lease_until is not None and record.lease_until > now:\n"
                "        return Leased(record.lease_until)\n",
                "",
            ),
        ),
        tests=("tests/worker/test_leases.py::test_a_duplicate_at_another_worker_is_deferred",),
    ),
    Bug(
        "13",
        "the receive count is taken for the attempts",
        "most SQS libraries",
        (
            Edit(
                "worker/claims.py",
                "held.epoch, held.attempt, held.crashes = epoch, attempt, crashes\n",
                "held.epoch, held.attempt, held.crashes = epoch, held.delivery.receive_count, crashes\n",
            ),
        ),
        ("tests/worker/test_stopping.py::test_stops_burn_no_attempts_however_many",),
    ),
    Bug(
        "14",
        "a start is counted when it has ended",
        "Sidekiq",
        (
            Edit("store/rules.py", "        attempts=record.attempts + 1,\n", "        attempts=record.attempts,\n"),
            Edit(
                "store/rules.py",
                "        crashes=record.crashes + crashed,\n        epoch=record.epoch + 1,\n        lease_until=request",
                "        epoch=record.epoch + 1,\n        lease_until=request",
            ),
            Edit(
                "store/rules.py",
                "        attempts=record.attempts - (running and change.attempt_back),\n",
                "        attempts=record.attempts + running - (running and change.attempt_back),\n",
            ),
        ),
        (
            "tests/worker/test_records.py::test_attempts_are_counted_before_user_code_runs",
            "tests/worker/test_records.py::test_a_crash_is_counted_at_the_next_claim",
        ),
    ),
)
