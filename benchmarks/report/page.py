"""The page of the documentation: what stands between its markers is written by a run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from benchmarks.contestants import CONTESTANTS
from benchmarks.report.tables import in_markdown, measured, rows
from benchmarks.report.targets import TARGETS
from benchmarks.results import Results

__all__ = ["put_between_markers", "written"]


def put_between_markers(page: Path, name: str, text: str) -> None:
    """Replace what stands between ``<!-- name: begin … -->`` and ``<!-- name: end -->``.

    Raises:
        ValueError: if the page has no such markers.
    """
    before = page.read_text()
    pattern = rf"(<!-- {name}: begin[^>]*-->\n).*?(<!-- {name}: end -->)"
    after, count = re.subn(pattern, lambda found: f"{found[1]}\n{text.strip()}\n\n{found[2]}", before, flags=re.DOTALL)
    if not count:
        raise ValueError(f"{page} has no markers «<!-- {name}: begin -->» and «<!-- {name}: end -->»")
    page.write_text(after)


def written(results: Results) -> str:
    """Return everything that is told about a run, in Markdown."""
    return "\n\n".join(_parts(results))


def _parts(results: Results) -> Iterator[str]:
    yield f"{results.machine}. `{results.command}`."
    yield "![Medians and ranges of the most telling figures](benchmarks.svg)"
    yield "### What is aimed at"
    verdicts = [verdict for target in TARGETS if (verdict := target.judge(results))]
    yield in_markdown(
        ("what", "aimed at", "measured", "holds"), [(it.text, it.wanted, it.measured, it.holds) for it in verdicts]
    )
    for workload in measured(results):
        yield f"### {workload.title}"
        rounds = results.rounds_of(workload.name)
        times = f"{rounds} round{'s' if rounds != 1 else ''}{_scaled(results.scale)}"
        yield f"{workload.about} {times}, {results.stamps[workload.name]}."
        yield in_markdown(("", *map(str, workload.figures)), rows(workload, results))
    yield "### Who takes part"
    yield in_markdown(("", "set up as", "versions"), _taking_part(results))
    if results.failures:
        yield "Not everything went well: " + "; ".join(failure.splitlines()[0] for failure in results.failures) + "."


def _scaled(scale: float) -> str:
    return f", with {scale:.0%} of these jobs (at least 20) and of the time" if scale != 1 else ""


def _taking_part(results: Results) -> Iterator[tuple[str, str, str]]:
    for contestant in CONTESTANTS:
        if versions := results.versions.get(contestant.name):
            yield contestant.name, contestant.about, ", ".join(f"{name} {it}" for name, it in versions.items())
        elif why := results.absent.get(contestant.name):
            yield contestant.name, why, ""
