"""The floodgate: so many of a kind in a window, the rest counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sqsjobs.observability.floodgate import Floodgate, Suppressed


class Hands:
    """A clock whose hands the test moves."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def test_lets_the_first_through_and_counts_the_others():
    gate = Floodgate(limit=3, seconds=60, now=(clock := Hands()))
    assert [gate.admits("poison", "bad-json") for _ in range(5)] == [True, True, True, False, False]
    assert gate.over() == []
    clock.at = 60
    assert gate.over() == [Suppressed(("poison", "bad-json"), 2, 60)]
    assert gate.over() == []


def test_keys_do_not_share_a_gate():
    gate = Floodgate(limit=1, now=Hands())
    assert gate.admits("a")
    assert gate.admits("b")
    assert not gate.admits("a")


def test_a_window_without_a_flood_is_followed_by_a_new_one():
    gate = Floodgate(limit=1, seconds=60, now=(clock := Hands()))
    assert gate.admits("a")
    clock.at = 61
    assert gate.admits("a")


def test_everything_is_told_at_the_end():
    gate = Floodgate(limit=0, now=Hands())
    gate.admits("a")
    assert [flood.count for flood in gate.over(all_windows=True)] == [1]


def test_names_from_messages_cannot_fill_the_memory():
    """S19: beyond 200 keys the rest share one gate."""
    gate = Floodgate(limit=1, now=Hands())
    for number in range(10_000):
        gate.admits("poison", f"reason-{number}")
    assert "201 keys" in repr(gate)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 50)), max_size=60),
    st.integers(0, 4),
)
def test_nothing_goes_uncounted(things: list[tuple[str, float]], limit: int):
    """Whatever comes when: what was admitted and what was summed up make the whole."""
    gate = Floodgate(limit=limit, seconds=60, now=(clock := Hands()))
    admitted = summed = 0
    for key, later in things:
        clock.at += later
        summed += sum(flood.count for flood in gate.over())
        admitted += gate.admits(key)
    summed += sum(flood.count for flood in gate.over(all_windows=True))
    assert admitted + summed == len(things)
