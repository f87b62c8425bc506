"""Puts a bug into a copy of the tree, runs the tests that are to notice, and says whether they did."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from tests.seeded_bugs.bug import Bug, DoesNotApply

__all__ = ["ROOT", "Trial", "try_bug", "try_clean"]

ROOT: Final = Path(__file__).parents[2]
_COPIED: Final = ("src", "tests", "examples", "docs", "pyproject.toml", "README.md")
_PER_TEST: Final = 60
_FAILED: Final = re.compile(r"^(?:FAILED|ERROR) (\S+?)(?: - (.*))?$", re.MULTILINE)

Verdict = Literal["caught", "missed", "no verdict", "not here"]


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of a bug.

    Attributes:
        bug: which.
        verdict: ``caught`` by a test that failed, ``missed``, ``not here`` where there is no code for it, or none.
        by: the tests that failed, each with what it said.
        seconds: that it took.
        problem: why there is no verdict.
    """

    bug: Bug
    verdict: Verdict
    by: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0
    problem: str = ""

    def but_for(self, clean: Trial) -> Trial:
        """Return it without the tests that fail without a bug, too."""
        failing = {test for test, _ in clean.by}
        by = tuple(failed for failed in self.by if failed[0] not in failing)
        if by or self.verdict != "caught":
            return replace(self, by=by)
        return replace(self, verdict="no verdict", by=(), problem="its tests fail without the bug, too")


def try_bug(bug: Bug, *, limit: float) -> Trial:
    """Run the bug's tests with the bug in the code, for at most `limit` seconds."""
    if bug.not_here:
        return Trial(bug, "not here", problem=bug.not_here)
    return _tried(bug, bug.tests, limit)


def try_clean(tests: Sequence[str], *, limit: float) -> Trial:
    """Run tests on a copy without a bug: what fails there proves nothing."""
    return _tried(Bug("0", "no bug at all"), tests, limit)


def _tried(bug: Bug, tests: Sequence[str], limit: float) -> Trial:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"sqsjobs-bug-{bug.id}-") as folder:
        tree = Path(folder)
        _copy_to(tree)
        try:
            bug.put_into(tree)
        except DoesNotApply as problem:
            return Trial(bug, "no verdict", problem=str(problem))
        code, told = _run(tree, tests, limit)
    return _judged(bug, code, told, time.monotonic() - began)


def _judged(bug: Bug, code: int | None, told: str, seconds: float) -> Trial:
    match code:
        case 0:
            return Trial(bug, "missed", seconds=seconds)
        case 1:
            return Trial(bug, "caught", tuple(_FAILED.findall(told)), seconds)
        case None:
            return Trial(bug, "no verdict", seconds=seconds, problem="the tests did not end in time")
        case _:
            tail = "\n".join(told.splitlines()[-15:])
            return Trial(bug, "no verdict", seconds=seconds, problem=f"pytest ended with {code}:\n{tail}")


def _copy_to(tree: Path) -> None:
    for name in _COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", ".demo"))
        else:
            shutil.copy2(ROOT / name, tree / name)


def _run(tree: Path, tests: Sequence[str], limit: float) -> tuple[int | None, str]:
    """Return pytest's exit code (None: it had to be ended) and what it said."""
    command = [sys.executable, "-m", "pytest", "-vv", "-p", "no:cacheprovider", f"--timeout={_PER_TEST}", "--tb=no"]
    # Found there before the tree that is installed; long lines, so that no reason is cut.
    env = os.environ | {"PYTHONPATH": str(tree / "src"), "COLUMNS": "600"}
    with subprocess.Popen(
        [*command, *tests],
        cwd=tree,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            told, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # with the workers that its tests may have started
            process.communicate()
            return None, ""
    return process.returncode, told
