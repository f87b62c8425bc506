"""The plot: a panel for each of the figures that tell most.

The Python that has matplotlib runs it:

.venv-bench/bin/python benchmarks/report/plot.py docs/benchmarks.json docs/benchmarks.svg
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt

PANELS = (
    ("drain", "cpu", "No-op drain: µs of CPU a job", "{:,.0f}"),
    ("drain", "per_cpu", "No-op drain: jobs a CPU second", "{:,.0f}"),
    ("enqueue-100", "per_cpu", "Enqueue, 100 callers: jobs a CPU second", "{:,.0f}"),
    ("io-100", "rate", "50 ms of I/O, 100 at once: jobs/s", "{:,.0f}"),
    ("latency", "p50", "Enqueue to start: ms (median)", "{:.1f}"),
    ("drain", "calls", "SQS calls a job", "{:.2f}"),
)
OURS, FLOORS, THEIRS = "#d9480f", "#868e96", "#4c6ef5"
COLOURS = {"sqsjobs": OURS, "sqsjobs-plain": "#f08c4b", "lean-loop": FLOORS, "bare": FLOORS}


def draw(results: dict[str, Any], target: Path) -> None:
    """Draw the panels that were measured."""
    mpl.rcParams.update({"svg.hashsalt": "sqsjobs", "svg.fonttype": "none", "font.size": 9})
    panels = [panel for panel in PANELS if panel[0] in results["measured"]]
    rows = -(-len(panels) // 2)
    figure, axes = plt.subplots(rows, 2, figsize=(10, 2.2 * rows), squeeze=False, layout="constrained")
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis, (workload, name, title, form) in zip(axes.flat, panels, strict=False):
        _panel(axis, results["measured"][workload], name, title, form)
    figure.savefig(target, metadata={"Date": None})


def _panel(axis: Any, contestants: dict[str, list[dict[str, float] | None]], name: str, title: str, form: str) -> None:
    values = {one: [it[name] for it in rounds if it] for one, rounds in contestants.items()}
    shown = {one: numbers for one, numbers in values.items() if numbers}
    order = list(COLOURS) + [one for one in shown if one not in COLOURS]
    names = [one for one in order if one in shown][::-1]
    middles = [median(shown[one]) for one in names]
    spreads = [
        [middle - min(shown[one]) for one, middle in zip(names, middles, strict=True)],
        [max(shown[one]) - middle for one, middle in zip(names, middles, strict=True)],
    ]
    bars = axis.barh(names, middles, xerr=spreads, color=[COLOURS.get(one, THEIRS) for one in names], ecolor="#495057")
    axis.bar_label(bars, labels=[form.format(middle) for middle in middles], padding=6)
    axis.set_title(title, loc="left", fontweight="bold", fontsize=9)
    axis.set_xlim(0, max(max(shown[one]) for one in names) * 1.2)
    axis.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
