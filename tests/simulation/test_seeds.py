"""The short form of the simulation: five hundred seeds, and what may be relied on in playing them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import get_args

import pytest
from tests.simulation.playing import play, play_all
from tests.simulation.scenario import Kind
from tests.simulation.scenes import scenario_of
from tests.simulation.tally import Tally, told_of

_SEEDS = 500
_PART = 20
"""Of them in a test, so that several can be run side by side."""


@pytest.mark.parametrize("first", range(0, _SEEDS, _PART))
def test_no_promise_is_broken(first):
    """I1-I15, I19, R16, R19, R44, R48: each part has seeds of all the usual kinds; `make simulate SEED=…` shows the trace of one."""
    tally = Tally()
    for report in play_all(range(first, first + _PART)):
        tally.add(report)
    if tally.broken:
        pytest.fail("\n\n".join(map(told_of, tally.broken)), pytrace=False)


def test_the_short_form_has_scenes_of_all_kinds():
    assert {scenario_of(seed).kind for seed in range(_SEEDS)} == set(get_args(Kind))


def test_a_seed_has_fifty_jobs_on_average():
    """A run of so many seeds is to mean so many jobs: whoever changes a scene keeps that."""
    assert sum(len(scenario_of(seed).plays) for seed in range(_SEEDS)) >= 50 * _SEEDS


@pytest.mark.parametrize("seed", [0, 1, 3])
def test_the_same_seed_gives_the_same_trace(seed):
    first, again = play(seed, whole_trace=True), play(seed, whole_trace=True)
    assert first.trace == again.trace
    assert first.digest == again.digest


def test_another_process_gives_the_same_trace():
    """Whatever the order of its sets is."""
    code = "from tests.simulation.playing import play; print(play(5).digest)"
    command = [sys.executable, "-c", code]
    digests = {
        subprocess.run(
            command, env=os.environ | {"PYTHONHASHSEED": order}, capture_output=True, text=True, check=True, timeout=60
        ).stdout.strip()
        for order in ("1", "2")
    }
    assert digests == {play(5).digest}


def test_seeds_differ():
    assert len({report.digest for report in play_all(range(4))}) == 4
