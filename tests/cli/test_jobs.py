"""``sqsjobs jobs``, and what ``sqsjobs job`` shows of a life: as a person at a terminal would use them."""

from __future__ import annotations

import pytest

from sqsjobs.cli.exits import FAILED, NOT_YET, OK, USAGE


def enqueue(run_here, shell, *words):
    return run_here("enqueue", shell.app, *words).out.strip()


def test_jobs_are_listed_by_status_task_and_time(run_here, shell):
    mails = [enqueue(run_here, shell, "mail", f"to={n}") for n in range(3)]
    picture = enqueue(run_here, shell, "resize", "key=a.png")
    assert run_here("jobs", "cancel", mails[0]).out == f"{mails[0]}\tcancelled\n"

    def listed(*options):
        return [job["id"] for job in run_here("jobs", "list", *options, "--json").json]

    assert listed() == [picture, *reversed(mails)]
    assert listed("--status", "cancelled") == [mails[0]]
    assert listed("--task", "mail", "--limit", "2") == [mails[2], mails[1]]
    assert listed("--since", "1h") == listed()
    assert listed("--since", "2999-01-01T00:00:00Z") == []
    shown = run_here("jobs", "list", "--status", "cancelled")
    assert shown.out.splitlines()[0].split("\t")[:3] == ["ID", "TASK", "STATUS"]
    assert mails[0] in shown.out
    assert "1 job" in shown.err


@pytest.mark.parametrize("since", ["yesterday", "2026-01-01", "2026-01-01T00:00:00", "5w"])
def test_a_time_that_is_none_is_refused(run_here, since):
    ran = run_here("jobs", "list", "--since", since)
    assert (ran.code, "30m, 2h or 7d" in ran.err) == (USAGE, True)


def test_a_job_that_failed_shows_its_life_and_is_sent_again(run_here, shell):
    job = enqueue(run_here, shell, "mail", "to=nobody")
    shell.burst()
    shown = run_here("job", job)
    assert shown.code == FAILED
    lines = [line.split("\t") for line in shown.out.splitlines() if "\t" in line]
    assert lines[0] == ["ATTEMPT", "STARTED", "SECONDS", "OUTCOME", "WORKER", "ERROR"]
    assert [line[3] for line in lines[1:]] == ["failed", "failed"]
    assert "\x1b" not in shown.out

    (shell.folder / "mail-works").touch()
    assert run_here("jobs", "retry", shell.app, job).out == f"{job}\tqueued\n"
    shell.burst()
    record = run_here("job", job, "--json").json
    assert record["status"] == "succeeded"
    assert [attempt["outcome"] for attempt in record["history"]] == ["failed", "failed", "succeeded"]
    again = run_here("jobs", "retry", shell.app, job)
    assert (again.code, "it has succeeded" in again.err) == (FAILED, True)
    assert run_here("jobs", "cancel", job).out == f"{job}\tsucceeded\n"


def test_jobs_that_are_not_there(run_here, shell):
    """The others are done all the same."""
    job, unknown = enqueue(run_here, shell, "mail", "to=a"), "0199a1c2-7d1e-7b43-9a52-3a6f0d9c2b11"
    ran = run_here("jobs", "cancel", unknown, job)
    assert (ran.code, ran.out) == (NOT_YET, f"{job}\tcancelled\n")
    assert unknown in ran.err
    assert run_here("jobs", "retry", shell.app, unknown).code == NOT_YET
    for command in (("cancel",), ("retry", shell.app)):
        ran = run_here("jobs", *command)
        assert (ran.code, "which jobs?" in ran.err) == (USAGE, True)
    assert run_here("jobs", "retry", shell.app, job).code == OK
