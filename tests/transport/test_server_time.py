"""What the dates of SQS's answers say of this machine's clock: pure bounds, and over both wires against a server whose
clock is another one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqsjobs import App
from sqsjobs import events as ev
from sqsjobs.clock import SystemClock
from sqsjobs.job import Job, JobStatus, new_job_id
from sqsjobs.local import LocalServer
from sqsjobs.sealing import HmacKey, Sealing, Signing
from sqsjobs.testing import RecordedEvents
from sqsjobs.transport.base import OutgoingMessage
from sqsjobs.transport.memory import MemorySQS
from sqsjobs.transport.server_time import ServerTime, dated
from sqsjobs.transport.sqs import SqsTransport, Wire

SEAL = Signing([HmacKey("k1", b"k" * 32)], valid_for=60)
WIRES: tuple[Wire, ...] = ("lean", "aioboto3")


class SkewedClock:
    """The machine's clock in another time zone of the mind."""

    def __init__(self, ahead: float) -> None:
        self.ahead = ahead
        self.moment = 1000.0

    def now(self) -> float:
        return self.moment

    def wall(self) -> float:
        return 1_800_000_000.0 + self.moment + self.ahead


def http_date(moment: float) -> str:
    return formatdate(moment, usegmt=True)


# Bounds ----------------------------------------------------------------------------------------------

CALLS = st.lists(
    st.tuples(st.floats(1.0, 90.0), st.floats(0.0, 3.0), st.floats(0.0, 3.0)),  # pause, way there, way back
    min_size=1,
    max_size=30,
)


@given(ahead=st.floats(-1e6, 1e6), calls=CALLS)
def test_no_clock_is_wrong_by_more_than_a_second_and_the_quickest_round_trip(ahead, calls):
    """R63: whatever the clock says and however slow the calls are."""
    clock = SkewedClock(ahead)
    server_time = ServerTime(clock)
    for pause, there, back in calls:
        clock.moment += pause
        asked_at = server_time.asked()
        clock.moment += there
        date = http_date(1_800_000_000.0 + clock.moment)
        clock.moment += back
        server_time.heard(date, asked_at)

    wrong = clock.wall() + server_time.correction() - (1_800_000_000.0 + clock.moment)
    assert abs(wrong) <= 1.0 + min(there + back for _, there, back in calls) + 1e-3


@given(calls=CALLS)
def test_a_good_clock_is_left_alone(calls):
    clock = SkewedClock(0.0)
    server_time = ServerTime(clock)
    for pause, there, back in calls:
        clock.moment += pause
        asked_at = server_time.asked()
        clock.moment += there
        date = http_date(clock.wall())
        clock.moment += back
        server_time.heard(date, asked_at)
        assert server_time.correction() == 0.0


def test_a_clock_that_is_stepped_is_right_at_once():
    """Bounds are kept by the clock that never jumps, so nothing has to be heard anew."""
    clock = SkewedClock(0.0)
    server_time = ServerTime(clock)
    server_time.heard(http_date(clock.wall()), server_time.asked())
    clock.ahead = -3600.0
    assert abs(server_time.correction() - 3600.0) <= 1.0
    clock.ahead = 0.0
    assert server_time.correction() == 0.0


def test_what_contradicts_the_bounds_takes_their_place():
    """The server's clock was set, or this one drifts."""
    clock = SkewedClock(0.0)
    server_time = ServerTime(clock)
    server_time.heard(http_date(clock.wall()), server_time.asked())
    clock.moment += 60
    server_time.heard(http_date(clock.wall() + 30), server_time.asked())
    assert abs(server_time.correction() - 30) <= 1.0


def test_one_answer_a_second_is_listened_to():
    clock = SkewedClock(0.0)
    server_time = ServerTime(clock)
    server_time.heard(http_date(clock.wall()), server_time.asked())
    assert server_time.asked() is None
    clock.moment += 1.0
    assert server_time.asked() == clock.now()


@pytest.mark.parametrize("date", [None, "", "yesterday", "Thu, 99 Nov 2026 25:00:00 GMT", "0" * 400])
def test_what_is_no_date_says_nothing(date):
    clock = SkewedClock(600.0)
    server_time = ServerTime(clock)
    server_time.heard(date, server_time.asked())
    assert server_time.correction() == 0.0
    assert server_time.asked() is not None


def test_a_date_is_read_as_http_writes_it():
    assert dated("Sun, 06 Nov 1994 08:49:37 GMT") == 784111777.0


# Over the wire ---------------------------------------------------------------------------------------


@pytest.fixture(params=[600.0, -600.0], ids=["ahead", "behind"])
async def elsewhen(request: pytest.FixtureRequest) -> AsyncIterator[LocalServer]:
    """A server whose clock is ten minutes from this machine's."""

    class Elsewhen(SystemClock):
        def wall(self) -> float:
            return super().wall() + float(request.param)

    sqs = MemorySQS(clock=Elsewhen())
    sqs.create_queue("work", dead_letter_queue="work-dlq")
    async with LocalServer(sqs=sqs) as server:
        yield server


@pytest.mark.parametrize("wire", WIRES)
async def test_a_transport_learns_the_time_of_its_server(elsewhen: LocalServer, wire: Wire) -> None:
    """R63: over both wires, for its clones as well; whoever listens is told once."""
    told: list[Any] = []
    async with SqsTransport(endpoint_url=elsewhen.endpoint_url, wire=wire, observer=told.append) as transport:
        await transport.send("work", [OutgoingMessage("x")])
        assert transport.clone().server_time is transport.server_time
        wrong = elsewhen.sqs.clock.wall() - SystemClock().wall()
        assert transport.server_time.correction() == pytest.approx(wrong, abs=1.5)
    (event,) = [event for event in told if isinstance(event, ev.ClockCorrected)]
    assert event.seconds == pytest.approx(wrong, abs=1.5)


async def test_a_job_sealed_by_a_good_clock_runs_where_the_clock_is_wrong(elsewhen: LocalServer) -> None:
    """R63: seals hold a minute here, and the worker's clock is ten minutes off; what it records is dated right."""
    told = RecordedEvents()
    app = App(
        "skewed",
        endpoint_url=elsewhen.endpoint_url,
        region="us-east-1",
        store="memory://",
        signing=SEAL,
        observers=[told],
    )

    @app.task(queue="work")
    async def job() -> None: ...

    right = elsewhen.sqs.clock
    sent = Job(new_job_id(), "job", "work", b"{}", enqueued_at=right.wall())
    async with app:
        body = await Sealing(signing=SEAL, clock=right).seal(sent)
        await app.transport.send("work", [OutgoingMessage(body)])
        worker = app.worker()
        working = asyncio.create_task(worker.run())
        settled = await told.wait_for(ev.JobSettled, timeout=20)
        assert settled.disposition == "delete"
        worker.stop("the job is done")
        elsewhen.sqs.end_polls()
        assert await working
        record = await app.job(sent.id).record()

    assert record.status is JobStatus.SUCCEEDED
    assert record.started_at == pytest.approx(right.wall(), abs=20)
