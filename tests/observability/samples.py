"""One event of every kind, for the tests of their readers."""

from __future__ import annotations

from typing import get_args

from tests.canaries import canary

from sqsjobs import events as ev
from sqsjobs.job import Job, JobId
from sqsjobs.outcome import Failed, Failure, Poison, Succeeded

SECRET = canary("ARG")

JOB = Job(id=JobId("0" * 16), task="resize", queue="images", arguments=f'{{"key":"{SECRET}"}}'.encode())
FAILURE = Failure("builtins.ValueError", "no such image", "Traceback …\n  boom", "0123456789ab")
FAILED = ev.JobEnded(JOB, 1, Failed(FAILURE), 0.25)

EVERY_KIND: list[ev.Event] = [
    ev.JobEnqueued(JOB.id, "resize", "images"),
    ev.JobNotEnqueued(JOB.id, "resize", "images", "too large", uncertain=False),
    ev.WireChosen(lean=False, reason="a proxy"),
    ev.ClockCorrected(-600.2),
    ev.SqsCalled("SendMessageBatch", "images", 3, 0.01, None),
    ev.PollCompleted("images", 3, 0.5),
    ev.PollFailed("images", "no route", 2, 1.5),
    ev.PollPaused("images", "the job store is away", 5.0),
    ev.JobDelivered(JOB, 1),
    ev.JobStarted(JOB, 1, 3, 0.1),
    ev.JobEnded(JOB, 1, Succeeded(f'"{SECRET}"'.encode()), 0.25),
    ev.JobOverran(JOB, 10.0),
    ev.JobSettled("images", "m1", JOB.id, "resize", Succeeded(), "delete"),
    ev.DeadLettered("images", "m1", None, None, "invalid-envelope", "no JSON"),
    ev.SettleFailed("images", "m1", JOB.id, "delete", "no answer"),
    ev.StoreFailed("claim", "locked"),
    ev.HeartbeatSent("images", 4),
    ev.HeartbeatFailed("images", 4, "no answer"),
    ev.LeaseEnded("images", "m1", "deadline"),
    ev.LoopBlocked("resize", 2.0, "File …"),
    ev.WorkerStarted("w1", ("images",), 100),
    ev.WorkerReady("w1", ""),
    ev.RedriveTooLow("images", 3, 15),
    ev.WorkerStopping("w1", "SIGTERM", 2, 25.0),
    ev.WorkerStopped("w1", clean=True),
]


def poison(code: str) -> ev.JobSettled:
    return ev.JobSettled("images", "m1", None, None, Poison(code, "no JSON"), "dead-letter")


def test_every_kind_is_here():
    assert {type(event) for event in EVERY_KIND} == set(get_args(ev.Event))
