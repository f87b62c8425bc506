"""Tables of figures: medians, with the range over the rounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from rich.table import Table

from benchmarks.contestants import CONTESTANTS
from benchmarks.results import Results
from benchmarks.workloads import WORKLOADS
from benchmarks.workloads.workload import Figure, Workload

__all__ = ["in_markdown", "measured", "on_terminal", "rows", "spread"]


def measured(results: Results) -> list[Workload]:
    """Return the workloads that were run."""
    return [workload for workload in WORKLOADS if workload.name in results.measured]


def rows(workload: Workload, results: Results) -> Iterator[list[str]]:
    """Yield a row for every contestant: its name, and a cell for every figure."""
    for contestant in CONTESTANTS:
        if contestant.name in results.measured[workload.name]:
            name = contestant.name
            yield [name, *(_cell(it, results.values(workload.name, name, it.name)) for it in workload.figures)]


def _cell(figure: Figure, values: Sequence[float]) -> str:
    return spread(values, figure.digits) if values else "failed"


def spread(values: Sequence[float], digits: int) -> str:
    """Return the median of values, and their range where there are several."""
    middle = f"{median(values):,.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def on_terminal(workload: Workload, results: Results) -> Table:
    table = Table("", *map(str, workload.figures), title=workload.title, title_justify="left")
    for row in rows(workload, results):
        table.add_row(*row)
    return table


def in_markdown(header: Iterable[str], body: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown; all columns but the first are set to the right."""
    titles = list(header)
    lines = [titles, ["---", *["---:"] * (len(titles) - 1)], *body]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
