"""What the long forms write for machines can be read by them."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path

from rich.console import Console
from tests.chaos.checker import Checked
from tests.chaos.report import Result, save, show
from tests.chaos.soak import Soaked, written
from tests.chaos.trend import Slope

CHECKED = Checked(Counter(accepted=3), 2, Counter(exhausted=1), 5, Counter({"its worker was killed": 2}))


def test_a_summary_is_json_and_a_table(tmp_path: Path) -> None:
    result = Result("kills", 2, "kills", 1.5, tmp_path, {"exit codes": [0]}, CHECKED, violations=["I1: job 7 is gone"])
    result.injected["ReceiveMessage", "late"] = 4
    save([result], 7, "make chaos", tmp_path / "chaos.json")
    read = json.loads((tmp_path / "chaos.json").read_text())
    assert (read["seed"], read["violations"], read["faults injected"]) == (7, 1, 4)
    (part,) = read["parts"]
    assert part["kills"] == 2
    assert part["sent"] == {"accepted": 3}
    assert part["repeated runs by cause"] == {"its worker was killed": 2}
    assert part["faults"] == {"ReceiveMessage": {"late": 4}}
    console = Console(file=io.StringIO(), width=200)
    show([result], console)
    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    assert "2 runs were repeated: its worker was killed" in drawn
    assert "kills: I1: job 7 is gone" in drawn


def test_a_soak_is_json() -> None:
    names = ("rss", "descriptors", "threads", "tasks")
    slopes = {name: Slope(0.0, -0.0001, 0.0001) for name in names}
    soaked = Soaked(60, slopes, dict.fromkeys(names, 1.0), CHECKED, 9)
    read = json.loads(json.dumps(written(soaked, 7, 1)))
    assert read["verdicts"] == dict.fromkeys(names, "flat")
    assert read["completed"] == 2
