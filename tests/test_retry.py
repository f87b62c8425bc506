"""Backoff: pure functions of the attempt and a random number."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqsjobs.errors import ConfigurationError
from sqsjobs.retry import Retry, constant, exponential

untyped: Any = Retry
"""The same, for calls that a type checker would refuse."""
chance = st.floats(0, 1, exclude_max=True)
attempts = st.integers(1, 10_000)


@given(
    initial=st.floats(0.001, 1e4), times=st.floats(1, 1e4), factor=st.floats(1, 100), attempt=attempts, random=chance
)
def test_an_exponential_backoff_stays_between_nothing_and_its_ceiling(initial, times, factor, attempt, random):
    """Full jitter; the ceiling grows by the factor up to the maximum, also for absurd attempts."""
    backoff = exponential(initial, initial * times, factor=factor)
    assert 0 <= backoff.delay(attempt, random) <= backoff.ceiling(attempt) <= initial * times
    assert backoff.ceiling(attempt) <= backoff.ceiling(attempt + 1)
    assert backoff.ceiling(1) == initial


@given(attempt=st.integers(1, 50))
def test_an_exponential_backoff_has_full_jitter(attempt):
    """R44: what failed together comes back spread over the whole time from nothing to the ceiling."""
    backoff = exponential()
    shares = [backoff.delay(attempt, random) / backoff.ceiling(attempt) for random in (0.0, 0.25, 0.5, 0.999)]
    assert shares == pytest.approx([0.0, 0.25, 0.5, 0.999])


def test_an_exponential_backoff_doubles_from_a_second_to_a_quarter_of_an_hour():
    """The default."""
    ceilings = [exponential().ceiling(attempt) for attempt in range(1, 13)]
    assert ceilings == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]
    assert exponential().delay(5, 0.25) == 4


@given(seconds=st.floats(0.001, 1e6), jitter=st.floats(0, 1), attempt=attempts, random=chance)
def test_a_constant_backoff_is_spread_to_both_sides(seconds, jitter, attempt, random):
    delay = constant(seconds, jitter=jitter).delay(attempt, random)
    assert seconds * (1 - jitter) * 0.999 <= delay <= seconds * (1 + jitter) * 1.001


def test_durations_may_be_timedeltas():
    assert exponential(timedelta(seconds=2), timedelta(minutes=1)) == exponential(2, 60)
    assert constant(timedelta(seconds=5)) == constant(5.0)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: exponential(0),
        lambda: exponential(-1),
        lambda: exponential(float("inf")),
        lambda: exponential(float("nan")),
        lambda: exponential(10, 5),
        lambda: exponential(factor=0.5),
        lambda: constant(0),
        lambda: constant(timedelta(seconds=-1)),
        lambda: constant(1, jitter=1.5),
        lambda: constant(1, jitter=-0.1),
        lambda: Retry(max_attempts=0),
        lambda: Retry(max_attempts=True),
        lambda: untyped(max_attempts=2.5),
        lambda: untyped(backoff=5),
        lambda: untyped(retry_on=(BaseException,)),
        lambda: untyped(give_up_on="ValueError"),
        lambda: untyped(give_up_on=(ValueError(),)),
    ],
)
def test_wrong_options_fail_where_they_are_given(wrong):
    with pytest.raises(ConfigurationError):
        wrong()


def test_a_policy_gives_up_on_what_it_names_and_on_what_it_does_not_retry():
    """`give_up_on` wins; subclasses count; a single class needs no tuple."""
    policy = untyped(retry_on=OSError, give_up_on=FileNotFoundError)
    assert policy.retry_on == (OSError,)
    assert not policy.gives_up_on(ConnectionResetError())
    assert policy.gives_up_on(FileNotFoundError())
    assert policy.gives_up_on(ValueError())
    assert not Retry().gives_up_on(ValueError())


class Own:
    def __init__(self, gives: object) -> None:
        self.gives = gives

    def delay(self, attempt: int, random: float) -> object:
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives


@pytest.mark.parametrize("gives", [float("nan"), float("inf"), -1, "soon", None, ZeroDivisionError()], ids=repr)
def test_the_default_takes_the_place_of_a_backoff_that_is_no_duration(gives):
    """Whatever is wrong with it, the job must be tried again."""
    assert untyped(backoff=Own(gives)).delay(3, 0.5) == exponential().delay(3, 0.5)


def test_a_backoff_of_ones_own_is_taken_at_its_word():
    assert untyped(backoff=Own(12)).delay(1, 0.9) == 12
