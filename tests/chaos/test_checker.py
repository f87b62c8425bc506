"""The checker finds what it is there to find: each broken promise, in a ledger that was made up for it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.chaos.checker import STARVED, Letter, check
from tests.chaos.ledger import Ledger

from sqsjobs.job import JobId, JobStatus
from sqsjobs.store.base import JobRecord

Line = dict[str, Any]


def sent(number: int = 0, outcome: str = "accepted") -> Line:
    return {"what": "sent", "at": 0.0, "number": number, "outcome": outcome, "job": f"job-{number}"}


def run(
    at: float,
    until: float | None,
    how: str = "end",
    *,
    pid: int = 10,
    epoch: int = 1,
    task: str = "work",
    lost_lease: bool = False,
) -> list[Line]:
    who = {"job": "job-0", "epoch": epoch, "pid": pid}
    begun = {"what": "start", "at": at, "number": 0, "attempt": epoch, "parent": 1, "task": task, **who}
    return [begun] if until is None else [begun, {"what": how, "at": until, "lost_lease": lost_lease, **who}]


def death(at: float, pid: int = 10, *, hard: bool = True) -> list[Line]:
    return [{"what": "worker", "at": 0.0, "pid": pid}, {"what": "death", "at": at, "pid": pid, "hard": hard}]


def suspended(since: float, until: float, pid: int = 10) -> list[Line]:
    return [{"what": "suspended", "at": until, "pid": pid, "since": since}]


def fault(kind: str, operation: str, at: float) -> list[Line]:
    return [{"what": "fault", "at": at, "kind": kind, "operation": operation, "jobs": ["job-0"]}]


def record(epoch: int = 1, status: JobStatus = JobStatus.SUCCEEDED) -> dict[str, JobRecord]:
    return {"job-0": JobRecord(JobId("job-0"), "work", "chaos", status, epoch=epoch)}


def found(*lines: Line, records: dict[str, JobRecord] | None = None, letters: tuple[str, ...] = ()) -> list[str]:
    """Return the names of the invariants that the checker finds broken."""
    checked = check(Ledger.of(lines), [Letter(job, "exhausted") for job in letters], records)
    return [violation.split(":")[0] for violation in checked.violations]


TWICE = [*run(1, 2, pid=10), *run(5, 6, pid=20, epoch=2)]
TWICE_IN_A_THREAD = [line | ({"task": "in_thread"} if line["what"] == "start" else {}) for line in TWICE]


@pytest.mark.parametrize(
    ("lines", "causes"),
    [
        ([*run(1, 2, "raised"), *run(5, 6, epoch=2)], {"retry of a failure"}),
        ([*run(1, None), *death(3), *run(5, 6, pid=20, epoch=2)], {"its worker was killed"}),
        ([*TWICE, *death(3)], {"its worker was killed"}),
        ([*TWICE, *suspended(1.5, 4)], {"its worker was suspended"}),
        ([*run(1, 2, "cancelled"), *death(3, hard=False), *run(5, 6, pid=20, epoch=2)], {"interrupted by a stop"}),
        ([*run(1, None), *death(3, hard=False), *run(5, 6, pid=20, epoch=2)], {"abandoned at a stop"}),
        ([*run(1, None, task="pill"), *run(5, 6, pid=20, epoch=2)], {"its worker was killed"}),
        ([*run(1, 2, "cancelled", lost_lease=True), *run(5, 6, pid=20, epoch=2)], {STARVED}),
        ([*TWICE_IN_A_THREAD, *death(2.5, hard=False)], {"abandoned at a stop"}),
        (
            [*TWICE_IN_A_THREAD, *fault("drop-before", "ChangeMessageVisibilityBatch", 1.5)],
            {"its lease was lost, and its thread went on"},
        ),
    ],
)
def test_every_repetition_is_laid_to_its_cause(lines: list[Line], causes: set[str]) -> None:
    checked = check(Ledger.of([sent(), *lines]), [], record(epoch=2))
    assert (set(checked.repeated), checked.violations) == (causes, [])


@pytest.mark.parametrize(
    ("struck", "cause"),
    [
        (fault("duplicate", "ReceiveMessage", 0.5), "delivered twice by SQS"),
        (fault("resurrect", "DeleteMessageBatch", 2.5), "came back after its delete"),
        (fault("html", "DeleteMessageBatch", 2.5), "delete refused or lost"),
        (fault("late", "SendMessageBatch", 0.5), "sent twice (an answer was lost)"),
        (fault("drop-before", "ChangeMessageVisibilityBatch", 1.5), "heartbeat or release refused or lost"),
    ],
)
def test_what_sqs_does_repeats_a_job_that_has_ended_only_without_a_job_store(struck: list[Line], cause: str) -> None:
    lines = [sent(), *TWICE, *struck]
    checked = check(Ledger.of(lines), [], None)
    assert (set(checked.repeated), checked.violations) == ({cause}, [])
    assert found(*lines, records=record(epoch=2)) == ["I2"]


def test_a_job_that_has_not_ended_is_lost() -> None:
    assert found(sent()) == ["I1"]
    assert found(sent(), *run(1, 2, "raised")) == ["I1"]
    assert found(sent(), letters=("job-0",)) == []
    assert found(sent(outcome="uncertain")) == []
    assert found(sent(outcome="uncertain"), *run(1, 2, "raised")) == ["I1"]
    assert found(sent(), *run(1, 2)) == []


def test_a_send_has_one_outcome_and_what_was_rejected_does_not_run() -> None:
    assert found(sent(), sent(), *run(1, 2)) == ["I13"]
    assert found(sent(outcome="rejected"), *run(1, 2)) == ["I13"]


@pytest.mark.parametrize(
    "after_the_run",
    [
        [],
        death(0.5),  # before it began
        death(3, hard=False),  # a stop that let it settle
        fault("duplicate", "ReceiveMessage", 7),  # later
        suspended(2.5, 4, pid=30),  # another worker
    ],
)
def test_a_repetition_without_a_cause_is_one_too_many(after_the_run: list[Line]) -> None:
    assert found(sent(), *TWICE, *after_the_run) == ["I3"]
    assert found(sent(), *TWICE, *after_the_run, records=record(epoch=2)) == ["I2"]


def test_what_strikes_a_worker_when_it_has_recorded_the_end_excuses_nothing() -> None:
    later = [*run(1, 2), *run(15, 16, pid=20, epoch=2)]
    assert found(sent(), *later, *death(10), records=record(epoch=2)) == ["I2"]
    assert found(sent(), *later, *suspended(10, 14), records=record(epoch=2)) == ["I2"]


def test_a_run_that_tells_no_end_needs_a_death() -> None:
    dropped = [*run(1, None), *run(5, 6, pid=20, epoch=2)]
    worker = {"what": "worker", "at": 0.0, "pid": 10}
    assert found(sent(), worker, *dropped, records=record(epoch=2)) == ["I3"]
    assert "I3" in found(sent(), *dropped, *death(7, hard=False), records=record(epoch=2))
    child = [line | {"parent": 10} for line in run(1, None, pid=11)]
    assert found(sent(), worker, *child, *dropped[1:], records=record(epoch=2)) == []


def test_a_cancelled_run_needs_a_reason() -> None:
    assert found(sent(), *run(1, 2, "cancelled"), *run(5, 6, pid=20, epoch=2), records=record(epoch=2)) == ["I3"]


def test_a_job_runs_once_at_a_time() -> None:
    both = [*run(1, 4, pid=10), *run(3, 6, pid=20, epoch=2)]
    lost = fault("drop-before", "ChangeMessageVisibilityBatch", 2)
    assert "I4" in found(sent(), *both, *lost, records=record(epoch=2))
    assert found(sent(), *both, *suspended(1.5, 3.5), records=record(epoch=2)) == []
    threads = [line | ({"task": "in_thread"} if line["what"] == "start" else {}) for line in both]
    assert found(sent(), *threads, *lost, records=record(epoch=2)) == []
    assert found(sent(), *both, *fault("duplicate", "ReceiveMessage", 0.5)) == []
    assert set(found(sent(), *both)) == {"I3", "I4"}


def test_the_record_is_of_a_run_that_ended_and_nothing_runs_after_it() -> None:
    killed = [*run(1, None), *death(3), *run(5, 6, pid=20, epoch=2)]
    assert found(sent(), *killed, records=record(epoch=2)) == []
    assert found(sent(), *killed, records=record(epoch=1)) == ["I2", "I2"]
    assert found(sent(), *killed, records={}) == ["I2"]
    assert found(sent(), *killed, records=record(epoch=2, status=JobStatus.RUNNING)) == ["I1"]
    assert found(sent(), *killed, records=record(epoch=2, status=JobStatus.FAILED)) == ["I1"]
    again = [*run(1, None), *death(3), *run(5, 6, pid=20, epoch=1)]
    assert found(sent(), *again, records=record(epoch=1)) == ["I2"]


def test_a_line_that_was_cut_off_is_left_out(tmp_path) -> None:
    from tests.chaos.ledger import read_lines  # noqa: PLC0415

    (tmp_path / "jobs-1.jsonl").write_text('{"what":"worker","at":1,"pid":2}\n{"what":"wor')
    assert [line["pid"] for line in read_lines(tmp_path)] == [2]
