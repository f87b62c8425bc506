"""A job store that is away for half a minute while jobs run: nothing is lost, nothing completes twice, readiness says so."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.worker.virtual import virtually

from sqsjobs import StoreUnavailable, current_job
from sqsjobs import events as ev
from sqsjobs.job import JobStatus
from sqsjobs.outcome import Succeeded
from sqsjobs.store.memory import MemoryStore

AWAY = 30.0


class Cut(MemoryStore):
    """A store that is cut off for a while: no operation gets an answer, and each second one is carried out all the same."""

    def __init__(self, clock) -> None:
        super().__init__(clock=clock)
        self.begins = self.ends = 0.0
        self.calls = 0
        self.completions: Counter[str] = Counter()

    async def _answered(self, answer):
        now = self._clock.now()
        if not self.begins <= now < self.ends:
            return await answer
        self.calls += 1
        if self.calls % 2:
            answer.close()
        else:
            await answer
        raise StoreUnavailable("it is cut off")

    def get(self, job_id):
        return self._answered(super().get(job_id))

    def records(self, job_ids):
        return self._answered(super().records(job_ids))

    def claim(self, request):
        return self._answered(super().claim(request))

    def extend(self, job_id, epoch, lease_until):
        return self._answered(super().extend(job_id, epoch, lease_until))

    def report(self, job_id, epoch, progress):
        return self._answered(super().report(job_id, epoch, progress))

    def change(self, job_id, epoch, change):
        return self._answered(self._counted(job_id, epoch, change))

    async def _counted(self, job_id, epoch, change):
        before = await MemoryStore.get(self, job_id)
        changed = await super().change(job_id, epoch, change)
        after = await MemoryStore.get(self, job_id)
        if changed and after and after != before and after.status is JobStatus.SUCCEEDED:
            self.completions[job_id] += 1
        return changed


@virtually
async def test_a_store_that_is_away_for_half_a_minute_loses_no_job_and_completes_none_twice(rig):
    """Jobs that run then end in their time and are recorded afterwards; what waits starts when the store is back."""
    store, starts = Cut(rig.clock), Counter[int]()

    @rig.task()
    async def job(n: int) -> int:
        starts[n] += 1
        for second in range(n % 8):
            current_job().progress(second, n % 8)
            await asyncio.sleep(1)
        return n

    jobs = await rig.send_many(job, 200)
    async with store, rig.working(store=store, concurrency=20, visibility=30) as worker:
        await rig.events.wait(ev.JobSettled, count=30)
        store.begins, store.ends = rig.clock.now(), rig.clock.now() + AWAY
        problem = await rig.events.wait(ev.WorkerReady, lambda event: "cut off" in event.problem)
        assert "job store does not answer" in problem.problem
        assert worker.health.live() == ""
        await rig.events.wait(ev.JobSettled, lambda event: isinstance(event.outcome, Succeeded), count=200)
        assert worker.health.ready() == ""
        records = [await store.get(job_id) for job_id in jobs]
    assert {record.status for record in records} == {JobStatus.SUCCEEDED}
    assert [int(record.result) for record in records] == list(range(200))
    assert store.completions == Counter(jobs)
    assert set(starts.values()) == {1}
    # A claim that was made while both its answers were lost counts as one that nobody ended; its function never began.
    assert {record.attempts - record.crashes for record in records} == {1}
    assert store.calls >= 20
    assert rig.messages() == list(rig.dead_letters()) == []
