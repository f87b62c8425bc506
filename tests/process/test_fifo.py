"""Order within groups, whatever happens."""

from __future__ import annotations

import signal
from collections import defaultdict

from tests.process import jobs
from tests.process.rig import Ground

from sqsjobs import App

GROUPS, EACH = 50, 40


async def test_groups_complete_in_order_through_failures_and_a_killed_worker(field: Ground, app: App) -> None:
    """R52-R54, I9: per group, first completions come in the order of sending, and runs do not overlap."""
    victim = await field.worker("--visibility", "5", "--concurrency", "25")
    await field.worker("--visibility", "5", "--concurrency", "25")
    await app.enqueue_many(
        jobs.in_order.using(group=f"group-{group}").call(group, number)
        for number in range(EACH)
        for group in range(GROUPS)
    )
    await field.reports.until(lambda reports: reports.count("end") >= GROUPS * EACH / 4, within=90)
    victim.send(signal.SIGKILL)
    await field.reports.until(lambda reports: len(reports.ended()) == GROUPS * EACH, within=110)
    assert not field.server.sqs.peek("ordered-dlq.fifo")
    completed: dict[str, list[int]] = defaultdict(list)
    for report in field.reports.of("end"):
        group, number = report.facts
        if int(number) not in completed[group]:
            completed[group].append(int(number))
    assert completed == {str(group): list(range(EACH)) for group in range(GROUPS)}
