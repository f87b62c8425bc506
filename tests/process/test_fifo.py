"""Order within groups, whatever happens."""

from __future__ import annotations

import signal
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator

from tests.process import jobs
from tests.process.rig import TOKEN, Ground, Report

from sqsjobs import App

GROUPS, EACH = 50, 40


async def test_groups_complete_in_order_through_failures_and_a_killed_worker(field: Ground, app: App) -> None:
    """R52-R54, I9: per group, first completions come in the order of sending, and runs do not overlap."""
    victim = await field.worker("--visibility", "5", "--concurrency", "25")
    await field.worker("--visibility", "5", "--concurrency", "25")
    await app.enqueue_many(
        jobs.in_order.using(group=f"group-{group}").call(group, number, TOKEN)
        for number in range(EACH)
        for group in range(GROUPS)
    )
    await field.reports.until(lambda reports: reports.count("end") >= GROUPS * EACH / 4, within=90)
    killed_at = time.time()
    victim.send(signal.SIGKILL)
    await field.reports.until(lambda reports: len(reports.ended()) == GROUPS * EACH, within=110)
    assert not field.server.sqs.peek("ordered-dlq.fifo")
    assert list(overlaps(field.reports.all, victim.pid, killed_at)) == []
    completed: dict[str, list[int]] = defaultdict(list)
    for report in field.reports.of("end"):
        group, number = report.facts
        if int(number) not in completed[group]:
            completed[group].append(int(number))
    assert completed == {str(group): list(range(EACH)) for group in range(GROUPS)}


def overlaps(reports: Iterable[Report], victim: int, killed_at: float) -> Iterator[tuple[Report, Report]]:
    """Yield the runs of a group that began while another was under way: those of the victim are over with its death."""
    under_way: dict[str, Report] = {}
    for report in reports:
        group, _ = report.facts
        other = under_way.get(group)
        if report.what != "start":
            if other is not None and other.pid == report.pid:
                del under_way[group]
            continue
        if other is not None and not (other.pid == victim and report.at >= killed_at):
            yield other, report
        under_way[group] = report


def test_runs_that_overlap_are_seen() -> None:
    """I9: two workers in one group, or one worker twice; not what follows a run that has ended, failed or died."""

    def told(*runs: tuple[str, int, float]) -> list[tuple[float, float]]:
        reports = [Report(what, pid, at, ("7", "1")) for what, pid, at in runs]
        return [(one.at, other.at) for one, other in overlaps(reports, victim=1, killed_at=5)]

    assert told(("start", 1, 1), ("start", 2, 2)) == [(1, 2)]
    assert told(("start", 2, 1), ("start", 2, 2)) == [(1, 2)]
    assert told(("start", 2, 6), ("start", 1, 7), ("end", 2, 8), ("end", 1, 9)) == [(6, 7)]
    assert (
        told(("start", 1, 1), ("end", 1, 2), ("start", 2, 3), ("failed", 2, 4), ("start", 1, 4), ("start", 2, 6)) == []
    )
