"""The tree of errors, and what its leaves carry."""

from __future__ import annotations

import inspect
import re
from datetime import timedelta

import pytest

from sqsjobs import errors
from sqsjobs.errors import (
    Discard,
    EnqueueManyError,
    EnqueueRejected,
    EnqueueUncertain,
    JobFailed,
    PayloadTooLarge,
    RejectedCall,
    RetryAfter,
    Snooze,
    SqsJobsError,
    Steering,
    TransportError,
    UncertainCall,
)

CLASSES = {
    name: cls
    for name, cls in vars(errors).items()
    if inspect.isclass(cls) and issubclass(cls, Exception) and cls.__module__ == errors.__name__
}


def test_the_tree_at_the_top_of_the_file_is_the_tree():
    """Each line names a class, and stands under its base class."""
    drawn: dict[str, str] = {}
    path: list[str] = []
    for line in inspect.getdoc(errors).splitlines():  # type: ignore[union-attr]
        if match := re.match(r"^\s{4}((?:[│├└─ ]{4})*)(\w+)\s*", line):
            depth = len(match[1]) // 4
            path[depth:] = [match[2]]
            drawn[match[2]] = path[depth - 1] if depth else ""
    in_tree = {name: cls for name, cls in CLASSES.items() if issubclass(cls, SqsJobsError)}
    assert drawn == {
        name: cls.__bases__[0].__name__ if cls is not SqsJobsError else "" for name, cls in in_tree.items()
    }


def test_every_error_is_public_and_says_when_it_is_raised():
    assert set(errors.__all__) >= set(CLASSES)
    for name, cls in CLASSES.items():
        first = inspect.getdoc(cls).splitlines()[0]  # type: ignore[union-attr]
        assert first.startswith(("Raised ", "The root ", "What a task raises ")), name


def test_a_request_is_not_an_error():
    """Apart from the tree, so that `except SqsJobsError` in a job catches no wish."""
    steering = {name for name, cls in CLASSES.items() if issubclass(cls, Steering)}
    assert steering == {"Steering", "Snooze", "RetryAfter", "Discard", "Reject"}
    assert not any(issubclass(CLASSES[name], SqsJobsError) for name in steering)


@pytest.mark.parametrize("wish", [Snooze, RetryAfter])
def test_a_delay_is_seconds_or_a_timedelta(wish):
    assert wish(90).delay == wish(timedelta(seconds=90)).delay == 90.0
    assert wish(0).delay == 0
    for wrong in (-1, float("nan"), float("inf"), timedelta(seconds=-1)):
        with pytest.raises(ValueError, match="a delay is"):
            wish(wrong)


def test_a_wish_says_why():
    assert str(RetryAfter(5)) == "retry after 5 s"
    assert str(RetryAfter(5, "rate limit")) == RetryAfter(5, "rate limit").reason == "rate limit"
    assert str(Discard("old")) == "old"


def test_errors_carry_the_facts_and_say_what_to_do():
    too_large = PayloadTooLarge(size=2_000_000, limit=1_000_000, job_id="j")
    assert isinstance(too_large, EnqueueRejected)
    assert (too_large.size, too_large.limit, too_large.job_id, too_large.code) == (
        2_000_000,
        1_000_000,
        "j",
        "PayloadTooLarge",
    )
    assert "pass a reference" in str(too_large)
    assert TransportError("x", operation="ReceiveMessage").sent
    failed = JobFailed("j", error_type="ValueError", error_message="no", traceback="Traceback", attempts=3)
    assert "In the worker:\nTraceback" in str(failed)


def test_partial_failure_is_a_value_with_all_lists():
    """Each call is in one of three, with its place in the input."""
    uncertain = UncertainCall(2, "j2", EnqueueUncertain("j2", "no answer"))
    rejected = RejectedCall(1, "j1", EnqueueRejected("no room", job_id="j1"))
    error = EnqueueManyError(accepted=["handle"], rejected=[rejected], uncertain=[uncertain])
    assert (error.accepted, error.rejected, error.uncertain) == (("handle",), (rejected,), (uncertain,))
    assert str(error) == "1 calls accepted, 1 rejected, 1 uncertain; the first: no room"
