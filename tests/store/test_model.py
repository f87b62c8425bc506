"""Each store does, operation for operation, what the pure rules say of a dict."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from tests.store.conftest import STORES
from tests.store.samples import FixedClock
from tests.store.strategies import JOBS, changes, requests, spans
from tests.trials import examples

from sqsjobs.job import JobId, JobStatus, Progress
from sqsjobs.store import rules
from sqsjobs.store.base import JobRecord

jobs = st.sampled_from(JOBS)
keys = st.sampled_from([None, "key"])

T = TypeVar("T")


class StoreAgainstRules(RuleBasedStateMachine):
    """Three jobs, one key, a clock that moves: every answer and every record is the model's."""

    kind: str

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[JobId, JobRecord] = {}
        self.reopened: dict[JobId, JobRecord] = {}
        self.clock = FixedClock(0.0)
        self.directory = Path(tempfile.mkdtemp())
        self.runner = asyncio.Runner()
        self.store = STORES[self.kind](self.directory, self.clock)
        self.runner.run(self.store.__aenter__())

    def teardown(self):
        self.runner.run(self.store.__aexit__())
        self.runner.close()
        shutil.rmtree(self.directory)

    def ask(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    def current(self, job: JobId) -> JobRecord | None:
        return rules.current(self.records.get(job), self.clock.time)

    def holder(self, key: str | None) -> JobRecord | None:
        held = [self.current(job) for job in self.records]
        return next((r for r in held if r and key and r.unique == key and not r.status.ended), None)

    def keep(self, record: JobRecord) -> None:
        holder = self.holder(record.unique)
        before = self.current(record.id)
        if before is not None and before.status.ended and holder is not None and holder.id != record.id:
            record = replace(record, unique=None)
        self.records[record.id] = record

    @rule(seconds=spans)
    def time_passes(self, seconds):
        self.clock.time += seconds

    @rule(job=jobs, key=keys)
    def insert(self, job, key):
        record = JobRecord(job, "resize", "images", JobStatus.QUEUED, unique=key)
        present = self.current(job) or self.holder(key)
        assert self.ask(self.store.insert(record)) == present
        if present is None:
            self.records[job] = rules.admitted(record, self.clock.time)

    @rule(draw=st.data(), twice=st.booleans())
    def claim(self, draw, twice):
        request = draw.draw(requests(now=self.clock.time))
        after = rules.claimed(self.current(request.job_id), request)
        expected = rules.grant(after) if isinstance(after, JobRecord) else after
        for _ in range(1 + twice):
            assert self.ask(self.store.claim(request)) == expected
        if isinstance(after, JobRecord):
            self.keep(after)

    @precondition(lambda self: self.records)
    @rule(draw=st.data(), off=st.sampled_from([0, 0, 0, -1]), twice=st.booleans())
    def change(self, draw, off, twice):
        job = draw.draw(st.sampled_from(sorted(self.records)))
        change, epoch = draw.draw(changes(now=self.clock.time)), self.records[job].epoch + off
        after = rules.changed(self.current(job), epoch, change)
        for _ in range(1 + twice):
            assert self.ask(self.store.change(job, epoch, change)) == (after is not None)
        if after is not None:
            self.records[job] = after

    @rule(job=jobs, epoch=st.integers(0, 4), seconds=spans)
    def extend(self, job, epoch, seconds):
        after = rules.extended(self.current(job), epoch, self.clock.time + seconds)
        assert self.ask(self.store.extend(job, epoch, self.clock.time + seconds)) == (after is not None)
        if after is not None:
            self.records[job] = after

    @rule(job=jobs, epoch=st.integers(0, 4), done=st.integers(0, 5).map(float))
    def report(self, job, epoch, done):
        after = rules.reported(self.current(job), epoch, Progress(done))
        assert self.ask(self.store.report(job, epoch, Progress(done))) == (after is not None)
        if after is not None:
            self.records[job] = after

    @rule(job=jobs)
    def cancel(self, job):
        after = rules.cancelled(self.current(job), self.clock.time)
        assert self.ask(self.store.cancel(job, self.clock.time)) == after
        if after is not None:
            self.records[job] = after

    @rule(job=jobs, epoch=st.none() | st.integers(0, 4))
    def reopen(self, job, epoch):
        before = self.current(job)
        after = rules.reopened(before, self.clock.time, epoch)
        assert self.ask(self.store.reopen(job, self.clock.time, epoch)) == (after and after.epoch)
        if before is not None and after is not None:
            self.reopened[job] = before
            self.keep(after)

    @rule(job=jobs)
    def put_back(self, job):
        if job not in self.reopened:
            return
        after = rules.put_back(self.records.get(job), self.reopened[job])
        assert self.ask(self.store.put_back(self.reopened[job])) == (after is not None)
        if after is not None:
            self.records[job] = after

    @rule(job=jobs)
    def remove(self, job):
        self.ask(self.store.remove(job))
        if job in self.records and self.records[job].epoch == 0:
            del self.records[job]

    @rule()
    def purge(self):
        gone = [job for job in self.records if self.current(job) is None]
        self.ask(self.store.purge(self.clock.time))
        for job in gone:
            del self.records[job]

    @invariant()
    def the_store_holds_what_the_rules_say(self):
        for job in JOBS:
            assert self.ask(self.store.get(job)) == self.current(job)
        current = {job: self.current(job) for job in JOBS}
        assert self.ask(self.store.records(JOBS)) == {job: record for job, record in current.items() if record}


@pytest.mark.hypothesis
@pytest.mark.parametrize("kind", STORES)
def test_a_store_follows_the_rules(kind):
    machine = type(f"{kind.title()}AgainstRules", (StoreAgainstRules,), {"kind": kind})
    few = 60 if kind in {"memory", "sqlite"} else 10  # over a network an operation takes a millisecond
    some = examples(few, stateful_step_count=40, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=some)
