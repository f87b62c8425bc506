"""The short form of the seeded bugs: all of them still apply, and a few are caught. `make seeded-bugs` tries them all."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest
from tests.seeded_bugs.bug import Bug, DoesNotApply, Edit
from tests.seeded_bugs.bugs import BUGS, COUNT
from tests.seeded_bugs.report import as_json, caught
from tests.seeded_bugs.trial import ROOT, Trial, try_bug, try_clean

QUICK = ("8", "26", "34")
"""Each costs the start of a pytest and a test of milliseconds."""
APPLYING = [bug for bug in BUGS if not bug.not_here]


def bug(bug_id: str) -> Bug:
    return next(bug for bug in BUGS if bug.id == bug_id)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(ROOT / "src", tmp_path_factory.mktemp("pristine") / "src"))


@pytest.mark.parametrize("seeded", APPLYING, ids=lambda bug: bug.id)
def test_every_bug_still_applies_and_is_python(seeded: Bug, source: Path, tmp_path: Path) -> None:
    for edit in seeded.edits:
        target = tmp_path / "src" / "sqsjobs" / edit.file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / "sqsjobs" / edit.file, target)
    seeded.put_into(tmp_path)
    for edit in seeded.edits:
        ast.parse((tmp_path / "src" / "sqsjobs" / edit.file).read_text())


@pytest.mark.parametrize("seeded", BUGS, ids=lambda bug: bug.id)
def test_every_bug_has_tests_that_exist_or_a_reason_why_not(seeded: Bug) -> None:
    assert bool(seeded.edits and seeded.tests) != bool(seeded.not_here)
    for test in seeded.tests:
        path, _, name = test.partition("::")
        assert not name or f"def {name.partition('[')[0]}(" in (ROOT / path).read_text()


def test_the_list_is_whole() -> None:
    assert {seeded.number for seeded in BUGS} == set(range(1, COUNT + 1))
    assert len({seeded.id for seeded in BUGS}) == len(BUGS)


@pytest.mark.parametrize("bug_id", QUICK)
def test_quick_ones_are_caught(bug_id: str) -> None:
    trial = try_bug(bug(bug_id), limit=90)
    assert trial.verdict == "caught", trial.problem
    assert {test.partition("[")[0] for test, _ in trial.by} <= set(bug(bug_id).tests)


def test_without_a_bug_the_same_tests_pass() -> None:
    trial = try_clean([test for bug_id in QUICK for test in bug(bug_id).tests], limit=90)
    assert trial.verdict == "missed", trial.by or trial.problem


def test_a_bug_whose_place_has_changed_says_so() -> None:
    moved = Bug("7", "moved", edits=(Edit("clock.py", "what was there once", "what is there now"),))
    trial = try_bug(moved, limit=90)
    assert trial.verdict == "no verdict"
    assert "bug 7 (moved) no longer applies: src/sqsjobs/clock.py has 0 places" in trial.problem


def test_an_edit_is_of_one_place() -> None:
    with pytest.raises(DoesNotApply, match="2 places"):
        Edit("clock.py", "a", "b").applied("a a")
    assert Edit("clock.py", "a", "b").applied("a c") == "b c"


def test_a_bug_with_variants_is_caught_if_each_is() -> None:
    first, second, other = (Bug(bug_id, "any") for bug_id in ("28a", "28b", "3"))
    by = (("tests/x.py::test_y", "AssertionError: assert ['make simulate SEED=1: I5: a lease …'] == []"),)
    trials = [Trial(first, "caught", by), Trial(second, "missed"), Trial(other, "caught", by)]
    assert caught(trials) == 1
    assert caught([Trial(first, "caught", by), Trial(second, "caught", by)]) == 1
    told = as_json(trials, of=2, at_least=1, seconds=1.0)
    assert (told["caught"], told["of"]) == (1, 2)
    assert told["bugs"][0]["promises"] == ["I5"]
