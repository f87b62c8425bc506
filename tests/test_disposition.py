"""What is to become of a message: one pure decision, and the annotation of a dead letter."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqsjobs.annotation import Annotation
from sqsjobs.disposition import (
    DeadLetter,
    Delete,
    Hide,
    Leave,
    Resend,
    Situation,
    Verdict,
    decide,
    whole_seconds,
)
from sqsjobs.job import JobStatus
from sqsjobs.outcome import (
    AlreadyEnded,
    AlreadyRunning,
    BlobsDown,
    Cancelled,
    Crashed,
    CrashLimitReached,
    Discarded,
    Failed,
    Failure,
    Interrupted,
    KeysDown,
    LostLease,
    NotDue,
    Outcome,
    Overdelivered,
    Poison,
    Rejected,
    RetryRequested,
    Snoozed,
    StoreDown,
    Succeeded,
    TimedOut,
    Unknown,
    Unstarted,
)
from sqsjobs.retry import Retry, constant
from sqsjobs.transport.base import MAX_VISIBILITY

FAILURE = Failure("builtins.ValueError", "no")
FIRST = Situation(attempt=1, retry=Retry(max_attempts=3, backoff=constant(10, jitter=0)))
LAST = replace(FIRST, attempt=3)
PARKED = 900.0

EVERY_KIND: list[Outcome] = [
    Succeeded(b"1"),
    Failed(FAILURE),
    Failed(FAILURE, permanent=True),
    TimedOut(5),
    Crashed(FAILURE, 1),
    RetryRequested(60, "later"),
    Snoozed(30),
    Discarded("enough"),
    Rejected("never"),
    Interrupted(1),
    Cancelled(),
    LostLease("expired"),
    Unstarted(),
    Poison("invalid-envelope", "not JSON"),
    Unknown("unknown-task", "no task"),
    AlreadyRunning(20),
    AlreadyEnded(JobStatus.SUCCEEDED),
    NotDue(50),
    CrashLimitReached(3),
    Overdelivered(9),
    StoreDown("away"),
    BlobsDown("away"),
    KeysDown("away"),
]


def test_there_is_an_example_of_every_outcome():
    assert {type(outcome) for outcome in EVERY_KIND} == set(get_args(Outcome))


# The table of design section 7 ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (Succeeded(), Verdict(Delete(), JobStatus.SUCCEEDED)),
        (Failed(FAILURE), Verdict(Hide(10), JobStatus.RETRYING)),
        (TimedOut(5), Verdict(Hide(10), JobStatus.RETRYING)),
        (Crashed(FAILURE, 1), Verdict(Hide(10), JobStatus.RETRYING)),
        (RetryRequested(60, ""), Verdict(Hide(60), JobStatus.RETRYING)),
        (Snoozed(30), Verdict(Hide(30), JobStatus.QUEUED, attempt_back=True)),
        (Discarded("x"), Verdict(Delete(), JobStatus.DISCARDED)),
        (Interrupted(3), Verdict(Hide(3), JobStatus.QUEUED, attempt_back=True)),
        (Cancelled(), Verdict(Delete(), JobStatus.CANCELLED)),
        (LostLease("x"), Verdict(Leave(), JobStatus.QUEUED)),
        (Unstarted(), Verdict(Hide(0))),
        (AlreadyRunning(20), Verdict(Hide(23))),
        (AlreadyEnded(JobStatus.FAILED), Verdict(Delete())),
        (NotDue(50), Verdict(Hide(50))),
        (StoreDown("x"), Verdict(Hide(10))),
        (BlobsDown("x"), Verdict(Hide(10))),
        (KeysDown("x"), Verdict(Hide(10))),
        (Unknown("unknown-task", "x"), Verdict(Hide(30))),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_follows_from_an_outcome_of_a_first_attempt(outcome, verdict):
    assert decide(outcome, FIRST) == verdict


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Failed(FAILURE), "exhausted"),
        (TimedOut(5), "exhausted"),
        (Crashed(FAILURE, 1), "exhausted"),
        (RetryRequested(60, "x"), "exhausted"),
        (Failed(FAILURE, permanent=True), "failed"),
        (Rejected("x"), "rejected"),
        (Overdelivered(9), "exhausted"),
        (CrashLimitReached(3), "crash-limit"),
        (Poison("invalid-arguments", "x"), "invalid-arguments"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
@pytest.mark.parametrize("fifo", [False, True])
def test_what_is_dead_lettered_after_the_last_attempt(outcome, reason, fifo):
    """And where the queue has no dead-letter queue, kept hidden in place: never dropped."""
    verdict = decide(outcome, replace(LAST, fifo=fifo))
    assert isinstance(verdict.disposition, DeadLetter)
    assert (verdict.disposition.reason, verdict.status) == (reason, JobStatus.FAILED)
    assert verdict.disposition.failure is not None
    kept = decide(outcome, replace(LAST, fifo=fifo, dead_letter_queue=False))
    assert (kept.disposition, kept.status) == (Hide(PARKED), JobStatus.FAILED)


@pytest.mark.parametrize("outcome", [Failed(FAILURE), Failed(FAILURE, permanent=True), TimedOut(5), Overdelivered(9)])
def test_exhausted_jobs_are_deleted_where_the_task_says_so(outcome):
    verdict = decide(outcome, replace(LAST, on_exhausted="discard"))
    assert (verdict.disposition, verdict.status) == (Delete(), JobStatus.FAILED)


@pytest.mark.parametrize("outcome", [Rejected("x"), Poison("invalid-envelope", "x"), CrashLimitReached(3)])
def test_what_was_rejected_is_poison_or_a_pill_is_dead_lettered_whatever_the_task_says(outcome):
    assert isinstance(decide(outcome, replace(LAST, on_exhausted="discard")).disposition, DeadLetter)


def test_a_timeout_that_the_task_gives_up_on_is_final():
    situation = replace(FIRST, retry=Retry(max_attempts=3, give_up_on=(TimeoutError,)))
    assert decide(TimedOut(5), situation).disposition == DeadLetter(
        "timed-out",
        "builtins.TimeoutError: the attempt took longer than 5 s",
        Failure("builtins.TimeoutError", "the attempt took longer than 5 s"),
    )


def test_an_unknown_task_is_parked_for_longer_each_time_and_then_dead_lettered():
    """R48."""
    delays = [
        decide(Unknown("unknown-task", "x"), replace(FIRST, receive_count=count)).disposition for count in range(1, 9)
    ]
    assert delays == [Hide(it) for it in (30, 60, 120, 240, 480, 900, 900, 900)]
    late = replace(FIRST, since_first_receive=3600, park_for=3600)
    assert isinstance(decide(Unknown("unknown-task", "x"), late).disposition, DeadLetter)


@pytest.mark.parametrize(
    "situation",
    [
        replace(FIRST, in_flight_share=0.6),
        replace(FIRST, age=0.81 * FIRST.retention),
        replace(FIRST, hidden_for=MAX_VISIBILITY - 65),
    ],
)
def test_a_crowded_aged_or_long_hidden_message_is_sent_anew(situation):
    """R43, R46, R62: each limit of hiding has its way out on a standard queue, and none on FIFO."""
    assert decide(Failed(FAILURE), situation).disposition == Resend(10)
    assert isinstance(decide(Failed(FAILURE), replace(situation, fifo=True)).disposition, Hide)


def test_an_hour_is_the_longest_that_a_standard_message_is_hidden_for_a_retry():
    assert decide(RetryRequested(3600, ""), FIRST).disposition == Hide(3600)
    assert decide(RetryRequested(3601, ""), FIRST).disposition == Resend(3601)


def test_a_fifo_message_that_would_outlive_its_retention_is_dead_lettered_in_time():
    """R46: SQS would drop it silently."""
    situation = replace(FIRST, fifo=True, age=345_000, retention=345_600)
    verdict = decide(RetryRequested(900, ""), situation)
    assert isinstance(verdict.disposition, DeadLetter)
    assert verdict.disposition.reason == "retention"


# Properties ----------------------------------------------------------------------------------------------

seconds = st.floats(0, 10**6)
texts = st.text(max_size=50)
outcomes: st.SearchStrategy[Outcome] = st.one_of(
    st.sampled_from(EVERY_KIND),
    st.builds(RetryRequested, seconds, texts),
    st.builds(Snoozed, seconds),
    st.builds(NotDue, seconds),
    st.builds(AlreadyRunning, seconds),
    st.builds(Interrupted, st.floats(0, 10)),
    st.builds(AlreadyEnded, st.sampled_from([status for status in JobStatus if status.ended])),
)


class Wild:
    """A backoff of the user's own that gives what it likes."""

    def __init__(self, gives: float) -> None:
        self.gives = gives

    def delay(self, attempt: int, random: float) -> float:
        return self.gives


situations = st.builds(
    Situation,
    attempt=st.integers(0, 30),
    receive_count=st.integers(1, 1000),
    retry=st.builds(Retry, st.integers(1, 20), st.builds(Wild, st.floats())),
    on_exhausted=st.sampled_from(["dead-letter", "discard"]),
    fifo=st.booleans(),
    hidden_for=st.floats(0, MAX_VISIBILITY),
    age=st.floats(0, 1_209_600),
    retention=st.floats(60, 1_209_600),
    since_first_receive=st.floats(0, 10_000),
    in_flight_share=st.floats(0, 1),
    dead_letter_queue=st.booleans(),
    random=st.floats(0, 1, exclude_max=True),
)


@given(outcomes, situations)
def test_every_outcome_has_a_verdict_that_sqs_can_carry_out(outcome, situation):
    """Hidden within the 12 hours, whole or not; sent anew with a finite delay; dead-lettered where that is possible."""
    disposition = decide(outcome, situation).disposition
    match disposition:
        case Hide(delay):
            assert delay >= 0
            assert delay == 0 or situation.hidden_for + whole_seconds(delay) <= MAX_VISIBILITY
        case Resend(delay):
            assert 0 <= delay < float("inf")
            assert not situation.fifo
        case DeadLetter(reason, _, failure):
            assert situation.dead_letter_queue
            assert reason
            assert failure is not None
        case Delete() | Leave():
            pass


@given(outcomes, situations)
def test_a_message_is_left_only_where_its_lease_is_lost(outcome, situation):
    """I6, and the other way round: everything else is settled."""
    assert isinstance(decide(outcome, situation).disposition, Leave) == isinstance(outcome, LostLease)


@given(outcomes, situations)
def test_nothing_is_deleted_that_has_not_ended(outcome, situation):
    """I1: a delete follows success, a discard, a cancellation, an end that was recorded, or `on_exhausted="discard"`."""
    verdict = decide(outcome, situation)
    if isinstance(verdict.disposition, Delete):
        ended = isinstance(outcome, Succeeded | Discarded | Cancelled | AlreadyEnded)
        assert ended or (situation.on_exhausted == "discard" and verdict.status is JobStatus.FAILED)


@given(outcomes, situations)
def test_attempts_are_given_back_exactly_where_nothing_was_tried(outcome, situation):
    """Interruptions, snoozes and what never ran: the others stay counted."""
    if decide(outcome, situation).attempt_back:
        assert isinstance(outcome, Snoozed | Interrupted | Poison | Unknown | Overdelivered)


@given(outcomes, situations)
def test_a_record_ends_exactly_where_its_message_does(outcome, situation):
    """Failed with no dead-letter queue is the one end whose message stays, parked."""
    verdict = decide(outcome, situation)
    if verdict.status is not None and verdict.status.ended:
        gone = isinstance(verdict.disposition, Delete | DeadLetter)
        assert gone or (verdict.status is JobStatus.FAILED and not situation.dead_letter_queue)


@given(st.floats(0, 43_200))
def test_whole_seconds_are_never_early(delay):
    assert delay <= whole_seconds(delay) <= delay + 1


# The annotation --------------------------------------------------------------------------------------------

anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(
    st.builds(
        Annotation,
        reason=st.sampled_from(["exhausted", "invalid-envelope"]),
        queue=anything,
        worker=anything,
        time=st.just("2027-01-15T08:00:00.000+00:00"),
        task=anything.map(lambda text: text * 30),
        job_id=st.text("abc-0", max_size=64),
        error_type=anything.map(lambda text: text * 20),
        error=st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
        fingerprint=st.text("0123456789abcdef", max_size=12),
        attempts=st.integers(0, 10**6),
        epoch=st.integers(0, 10**6),
    )
)
def test_an_annotation_fits_into_its_attribute_whatever_the_error_says(annotation):
    """Design section 6: one attribute, at most 2 KiB, in characters that every tool shows; what identifies it is whole."""
    text = annotation.encode()
    assert len(text.encode()) <= 2048
    assert text.isascii()
    assert text.isprintable()
    again = Annotation.decode(text)
    assert (again.reason, again.job_id, again.epoch) == (annotation.reason, annotation.job_id, annotation.epoch)
    assert again.fingerprint == annotation.fingerprint
    assert annotation.error.startswith(again.error)


def test_an_annotation_reads_as_plain_json():
    """With the AWS CLI and nothing else."""
    annotation = Annotation("exhausted", "work", "w1", "2027-01-15T08:00:00.000+00:00", "résumé", "j" * 36, attempts=3)
    told = json.loads(annotation.encode())
    assert (told["reason"], told["task"], told["attempts"]) == ("exhausted", "résumé", 3)
    assert "epoch" not in told


@pytest.mark.parametrize("value", ["", "{}", "[]", "not json", '{"reason": 1}'])
def test_an_attribute_that_is_none_of_ours_is_a_value_error(value):
    with pytest.raises(ValueError, match=r"."):
        Annotation.decode(value)


def test_an_annotation_is_ascii_whatever_it_says():
    """S14, I17: written without a codec, whose first use is an import that a message would cause; `make fuzz` saw that."""
    error = "".join(map(chr, (0x7F, 0xE9, 0x20AC, 0xFEFF, 0xFFFF, 0x10000, 0x1F600, 0x10FFFF)))
    written = Annotation("failed", "work", "w1", "now", error=error).encode()
    assert written.isascii()
    assert written.isprintable()
    assert r"\u007f\u00e9\u20ac\ufeff\uffff\ud800\udc00\ud83d\ude00\udbff\udfff" in written
    assert Annotation.decode(written).error == error
