"""Hypothesis strategies for records and what is done to them; small ranges, so that dates and workers coincide."""

from __future__ import annotations

from hypothesis import strategies as st

from sqsjobs.job import JobId, JobStatus
from sqsjobs.outcome import Failure
from sqsjobs.store.base import ClaimRequest, RecordChange

JOBS = [JobId(f"job-000000000000-{letter}") for letter in "abc"]

dates = st.integers(0, 40).map(float)
spans = st.integers(1, 20).map(float)
workers = st.sampled_from(["worker-1", "worker-2"])
failures = st.builds(Failure, st.just("builtins.OSError"), st.text(max_size=5) | st.just("caf\udce9"))
left_statuses = st.sampled_from([status for status in JobStatus if status is not JobStatus.RUNNING])


@st.composite
def requests(draw: st.DrawFn, job: JobId | None = None, now: float | None = None) -> ClaimRequest:
    at = draw(dates) if now is None else now
    return ClaimRequest(
        job_id=job or draw(st.sampled_from(JOBS)),
        task="resize",
        queue="images",
        enqueued_at=0.0,
        worker=draw(workers),
        now=at,
        lease_until=at + draw(spans),
        reopens_epoch=draw(st.none() | st.integers(1, 4)),
    )


@st.composite
def changes(draw: st.DrawFn, now: float | None = None) -> RecordChange:
    at = draw(dates) if now is None else now
    return RecordChange(
        status=draw(left_statuses),
        now=at,
        attempt_back=draw(st.booleans()),
        not_before=draw(st.none() | spans.map(lambda span: at + span)),
        result=draw(st.none() | st.binary(max_size=3)),
        failure=draw(st.none() | failures),
        dead_lettered=draw(st.booleans()),
        result_ttl=draw(spans),
        record_ttl=draw(spans),
    )
