"""A job's life at the command line: queues, a job that succeeds, one that fails, its dead letter, its second chance."""

from __future__ import annotations

import json

import pytest

from sqsjobs.cli.exits import FAILED, NOT_YET, OK, USAGE


def test_queues_are_made_and_counted(run_here, shell, server):
    """apply says what it would do, does it, and has nothing to do then."""
    server.reset()
    dry = run_here("queues", "apply", shell.app, "--dry-run")
    assert dry.code == OK
    assert "images: create" in dry.err
    assert "nothing was done" in dry.err
    assert run_here("queues", "list").out == "QUEUE\n"
    assert run_here("queues", "apply", shell.app).code == OK
    assert "nothing to change" in run_here("queues", "apply", shell.app).err
    names = {"images", "images-dlq", "mails", "mails-dlq", "orders.fifo", "orders-dlq.fifo"}
    assert set(run_here("queues", "list", "--json").json) == names
    run_here("enqueue", shell.app, "resize", "key=a")
    images, *_ = run_here("queues", "stats", shell.app, "--json").json
    assert images == {
        "queue": "images",
        "waiting": 1,
        "in flight": 0,
        "delayed": 0,
        "dead letters": 0,
        "max receives": 100,
    }


def test_the_redrive_policy_leaves_room_for_the_attempts(run_here, shell, server):
    """R39, R40: maxReceiveCount is never below the attempts of the queue's tasks and ten."""
    server.reset()
    assert run_here("queues", "apply", shell.app, "--max-receive-count", "1").code == OK
    rows = {row["queue"]: row["max receives"] for row in run_here("queues", "stats", shell.app, "--json").json}
    assert rows == {"images": 15, "mails": 12, "orders.fifo": 15}


def test_a_job_that_fails_gets_a_second_chance(run_here, shell):
    good = run_here("enqueue", shell.app, "resize", "key=a.png", "width=21").out.strip()
    bad = run_here("enqueue", shell.app, "mail", "to=nobody").out.strip()
    assert run_here("job", bad, "--json").json["status"] == "queued"

    logged = [json.loads(line) for line in shell.burst().splitlines()]
    assert {line["event"] for line in logged if line.get("job_id") == bad} >= {"job failed", "message dead-lettered"}

    record = run_here("job", good, "--wait", "--json")
    assert (record.code, record.json["status"], record.json["result"]) == (OK, "succeeded", 42)
    failed = run_here("job", bad)
    assert failed.code == FAILED
    assert "no such address" in failed.out
    assert "\x1b[31m" not in failed.out

    (letter,) = run_here("dlq", "list", shell.app, "--queue", "mails", "--json").json
    assert (letter["id"], letter["reason"], letter["attempts"]) == (bad, "exhausted", 2)
    assert "nobody" not in run_here("dlq", "show", shell.app, bad, "--queue", "mails").out
    shown = run_here("dlq", "show", shell.app, bad, "--queue", "mails", "--arguments", "--json")
    assert (shown.json["arguments"], shown.json["record"]) == ({"to": "nobody"}, "failed")

    (shell.folder / "mail-works").touch()
    redriven = run_here("dlq", "redrive", shell.app, bad, "--queue", "mails", "--yes")
    assert redriven.code == OK
    assert "1 sent back" in redriven.err
    again = run_here("job", bad, "--json").json
    assert (again["status"], again["attempts"]) == ("queued", 0)
    shell.burst()
    assert run_here("job", bad, "--json").json["status"] == "succeeded"
    assert run_here("dlq", "list", shell.app, "--queue", "mails", "--json").json == []


def test_a_queue_has_to_be_chosen_where_there_are_several(run_here, shell):
    ran = run_here("dlq", "list", shell.app)
    assert ran.code == USAGE
    assert "images, mails, orders.fifo" in ran.err


def test_a_queue_without_a_dead_letter_queue(run_here, shell, server):
    server.sqs.create_queue("lonely")
    ran = run_here("dlq", "list", shell.app, "--queue", "lonely")
    assert ran.code == USAGE
    assert "queues apply" in ran.err


def test_a_job_that_is_not_there(run_here, shell):
    run_here("enqueue", shell.app, "resize", "key=another")
    ran = run_here("job", "0199a1c2-7d1e-7b43-9a52-3a6f0d9c2b11")
    assert ran.code == NOT_YET


def test_a_job_needs_no_queues_and_no_region(run_here, shell, monkeypatch):
    """Only the job store is asked."""
    job_id = run_here("enqueue", shell.app, "resize", "key=a").out.strip()
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:1")
    assert run_here("job", job_id, "--json").json["task"] == "resize"


def test_sqs_that_is_away_is_one_message(run_here, shell, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:1")
    ran = run_here("queues", "stats", shell.app)
    assert ran.code == FAILED
    assert ran.err.startswith("Error: ")
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("command", [("job", "0199a1c2-7d1e-7b43-9a52-3a6f0d9c2b11"), ("jobs", "list")])
def test_a_mistyped_job_store_is_not_made(run_here, shell, command):
    """Reading from a file that is not there is a mistake, and leaves none behind."""
    ran = run_here(*command, "--store", "sqlite:///typo.db")
    assert ran.code == USAGE
    assert "typo.db" in ran.err
    assert not (shell.folder / "typo.db").exists()
