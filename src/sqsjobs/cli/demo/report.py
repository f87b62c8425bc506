"""The figures of a demo, and the table that shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import TypeAlias

from rich.console import Console
from rich.table import Table

from sqsjobs.cli.dead_letters import Letter
from sqsjobs.cli.demo.tasks import Compressed
from sqsjobs.store.base import JobRecord

__all__ = ["Ending", "Outcome", "show_report"]

Row: TypeAlias = tuple[str, str, str]
"""What, how much, and a remark."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of a job.

    Attributes:
        record: what the job store says.
        result: what its function returned, None if it failed.
        intact: whether the compressed file decompresses to the original.
    """

    record: JobRecord
    result: Compressed | None
    intact: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of everything.

    Attributes:
        endings: of every job.
        letters: the messages in the dead-letter queue.
        calls: requests to SQS by action, the producer's and the worker's.
    """

    endings: Sequence[Ending]
    letters: Sequence[Letter]
    calls: Mapping[str, int]

    @property
    def succeeded(self) -> list[Compressed]:
        """The results."""
        return [ending.result for ending in self.endings if ending.result]

    @property
    def is_whole(self) -> bool:
        """Whether every job either left an intact file, or lies in the dead-letter queue."""
        failed = {ending.record.id for ending in self.endings if not ending.result}
        intact = sum(ending.intact for ending in self.endings)
        return intact == len(self.succeeded) and failed == {letter.id for letter in self.letters}

    @property
    def at_once(self) -> list[JobRecord]:
        """The records of the jobs that succeeded at the first attempt; the others waited on purpose."""
        return [ending.record for ending in self.endings if ending.result and ending.record.attempts == 1]


def show_report(outcome: Outcome, console: Console) -> None:
    """Print the figures as a table, and whether everything is accounted for."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(style="dim")
    for rows in (_jobs(outcome), _dead_letters(outcome), _bytes(outcome), _speed(outcome), _calls(outcome)):
        for row in rows:
            table.add_row(*row)
        table.add_row()
    console.print(table)
    console.print(
        "Every job is accounted for: an intact file, or a dead letter that says why."
        if outcome.is_whole
        else "[bold red]Not every job is accounted for: see above."
    )


def _jobs(outcome: Outcome) -> list[Row]:
    retried = len(outcome.succeeded) - len(outcome.at_once)
    return [
        ("jobs", f"{len(outcome.endings):,}", ""),
        ("succeeded", f"{len(outcome.succeeded):,}", f"{retried} of them after a retry"),
        ("retries", f"{sum(ending.record.attempts - 1 for ending in outcome.endings):,}", ""),
    ]


def _dead_letters(outcome: Outcome) -> list[Row]:
    reasons = Counter(
        f"{letter.reason}: {letter.annotation.error_type.removeprefix('builtins.')}"
        if letter.annotation
        else letter.reason
        for letter in outcome.letters
    )
    return [
        ("dead-lettered", f"{len(outcome.letters):,}", "for these reasons:"),
        *(("", f"{count:,}", reason) for reason, count in reasons.most_common()),
    ]


def _bytes(outcome: Outcome) -> list[Row]:
    before = sum(result.before for result in outcome.succeeded)
    saved = before - sum(result.after for result in outcome.succeeded)
    intact = sum(ending.intact for ending in outcome.endings)
    return [
        ("bytes saved", f"{saved:,}", f"{saved / max(1, before):.0%} of {before:,}"),
        ("decompressed", f"{intact:,}", "equal their originals"),
    ]


def _speed(outcome: Outcome) -> list[Row]:
    records = outcome.at_once
    if len(records) < 2:
        return []
    waits = [(record.started_at or 0.0) - record.enqueued_at for record in records]
    took = max(record.ended_at or 0.0 for record in records) - min(record.enqueued_at for record in records)
    cuts = quantiles(waits, n=100)
    return [
        ("jobs/s", f"{len(records) / took:,.0f}", "from enqueue to end, retries aside"),
        ("wait p50", f"{cuts[49] * 1000:,.0f} ms", "from enqueue to start, all enqueued at once"),
        ("wait p99", f"{cuts[98] * 1000:,.0f} ms", ""),
    ]


def _calls(outcome: Outcome) -> list[Row]:
    jobs = len(outcome.endings)
    total = sum(outcome.calls.values())
    return [
        ("SQS calls a job", f"{total / jobs:.3f}", "of producer and worker together:"),
        *(("", f"{count / jobs:.3f}", action) for action, count in Counter(outcome.calls).most_common()),
    ]
