"""The ledgers of all rigs, as the rigs write them, put together into one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.chaos import report as chaos
from tests.chaos import soak
from tests.chaos.checker import Checked
from tests.chaos.trend import Slope
from tests.fuzz.tally import Tally as Fuzzed
from tests.proof.rigs import RIGS
from tests.proof.stamp import stamp
from tests.proof.summary import line_of, merged, readable
from tests.seeded_bugs.bugs import BUGS
from tests.seeded_bugs.report import as_json
from tests.seeded_bugs.trial import ROOT, Trial
from tests.simulation.playing import play_all
from tests.simulation.tally import Tally as Simulated

KILLED = "its worker was killed"


def simulated() -> dict[str, Any]:
    tally = Simulated()
    for report in play_all(range(2)):
        tally.add(report)
    return tally.as_json()


def disturbed(*violations: str) -> dict[str, Any]:
    checked = Checked(sent=Counter(accepted=10, uncertain=1), completed=11, runs=14, repeated=Counter({KILLED: 3}))
    injected = Counter({("ReceiveMessage", "throttle"): 5, ("DeleteMessageBatch", "throttle"): 2})
    result = chaos.Result("kills", 20, "kills", 1.0, Path("x"), {}, checked, injected, list(violations))
    return chaos.written([result, result], 1, "make chaos")


def soaked(rate: float = 0.0, unsure: float = 0.0) -> dict[str, Any]:
    slopes = {name: Slope(rate, rate - unsure, rate + unsure) for name in soak.LIMITS}
    checked = Checked(sent=Counter(accepted=100), completed=100, runs=101, repeated=Counter({KILLED: 1}))
    return soak.written(soak.Soaked(60.0, slopes, dict.fromkeys(soak.LIMITS, 1.0), checked, 7), 1, 1)


def seeded() -> dict[str, Any]:
    trials = [Trial(bug, "caught", (("tests/x.py::test_y", ""),)) for bug in BUGS]
    return as_json(trials, of=35, at_least=30, seconds=1.0)


def every_ledger() -> dict[str, Any]:
    ledgers = {
        "simulate": stamp("simulate") | simulated(),
        "chaos": disturbed(),
        "fuzz": Fuzzed(0).as_json(),
        "soak": soaked(),
        "seeded-bugs": seeded(),
    }
    whole: dict[str, Any] = json.loads(json.dumps(ledgers))
    return whole


def test_what_all_rigs_found_is_added_up() -> None:
    ledgers = every_ledger()
    assert ledgers.keys() == RIGS.keys()
    ledgers["soak"] |= {"commit": "0ld", "date": "2025-01-02T03:04:05+00:00"}
    whole = merged(ledgers, dict.fromkeys(RIGS, 0))
    own = ledgers["simulate"]
    assert whole["held"]
    assert whole["faults injected"] == own["faults"]["injected"] + 14 + 7
    assert whole["runs"] == own["attempts"] + 28 + 101
    assert whole["duplicates"][KILLED] == 6 + 1
    assert sum(whole["duplicates"].values()) == sum(own["duplicates"].values()) + 7
    assert (whole["lost"], whole["broken promises"]) == (0, 0)
    assert whole["rigs"]["soak"]["ledger"] == ledgers["soak"]
    text = readable(whole)
    assert "every promise held" in text
    assert "| `make soak` | 0ld | 2025-01-02 |" in text
    assert (whole["missing"], whole["broken"]) == ([], [])
    assert all(told["commit"] == told["ledger"]["commit"] for told in whole["rigs"].values())
    assert "caught 35 of 35" in text
    assert f"| {KILLED} | 7 |" in text


def test_what_was_lost_or_broken_is_told() -> None:
    ledgers = {"chaos": disturbed("I1: job 7 is gone", "I12: hidden for 9 s"), "soak": soaked(rate=1e9)}
    assert (line_of("chaos", ledgers["chaos"]).lost, line_of("chaos", ledgers["chaos"]).broken) == (2, 4)
    assert line_of("soak", ledgers["soak"]).broken == len(soak.LIMITS)
    whole = merged(ledgers, {"chaos": 1, "soak": 1})
    assert not whole["held"]
    assert whole["lost"] == 2
    assert "BROKEN" in readable(whole)
    assert "NOT ALL HELD" in readable(whole)


def test_a_rig_that_left_no_ledger_is_not_one_that_held() -> None:
    whole = merged({}, {"fuzz": 0})
    assert not whole["held"]
    assert whole["rigs"]["fuzz"]["in words"] == "it left no ledger"
    assert "NOT ALL HELD" in readable(whole)


def test_rigs_that_were_not_run_are_named_and_all_has_not_held() -> None:
    ledgers = every_ledger()
    for left_out in RIGS:
        others = {rig: ledger for rig, ledger in ledgers.items() if rig != left_out}
        whole = merged(others, dict.fromkeys(others, 0))
        assert not whole["held"]
        assert (whole["missing"], whole["broken"]) == ([left_out], [])
        assert f"every promise of the rigs that were run held. NOT RUN: {left_out}." in readable(whole)


def test_what_a_longer_run_would_have_to_tell_has_not_held() -> None:
    ledgers = every_ledger() | {"soak": soaked(unsure=1e9)}
    whole = merged(ledgers, dict.fromkeys(RIGS, 0))
    assert not whole["held"]
    assert "held. UNDECIDED: soak's rss, soak's descriptors" in readable(whole)


def test_a_ledger_of_another_rig_is_refused() -> None:
    with pytest.raises(KeyError):
        line_of("chaos", seeded())


@pytest.mark.parametrize("rig", RIGS.values(), ids=lambda rig: rig.name)
def test_every_rig_takes_its_size_and_its_ledger(rig: Any) -> None:
    told = subprocess.run(
        [sys.executable, "-m", rig.module, "--help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert "--ledger FILE" in told
    assert rig.option in told


def test_the_command_runs_rigs_and_writes_their_ledger(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tests.proof", "--folder", str(tmp_path), *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=110)

    ran = run("--only", "simulate", "--seeds", "3")
    assert ran.returncode == 0, ran.stderr
    written = json.loads((tmp_path / "ledger.json").read_text())
    assert written["rigs"]["simulate"]["ledger"]["seeds"]["played"] == 3
    assert written["runs"] > 0
    own = json.loads((tmp_path / "simulate.json").read_text())
    assert written["rigs"]["simulate"]["commit"] == own["commit"]
    assert written["rigs"]["simulate"]["date"] == own["date"]
    assert not written["held"]
    (tmp_path / "soak.json").write_text(json.dumps(soaked()))
    (tmp_path / "fuzz.json").write_text("{")
    assert run("--merge", "--only", "simulate", "--only", "soak").returncode == 0
    assert json.loads((tmp_path / "ledger.json").read_text())["runs"] == written["runs"] + 101
    assert "3 seeds" in (tmp_path / "ledger.md").read_text()
    assert run("--merge", "--only", "simulate", "--only", "chaos").returncode == 1
    assert "NOT RUN: chaos, fuzz, soak, seeded-bugs" in (tmp_path / "ledger.md").read_text()
    broken = run("--merge", "--only", "fuzz")
    assert broken.returncode == 1
    assert "make fuzz left no ledger that can be read" in broken.stdout
