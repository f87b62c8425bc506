"""The outbox of the examples: what is committed is enqueued, whatever becomes of who commits and of who sends."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from outbox.orders import TABLES, app, place, relay
from sqsjobs.errors import AccessDenied
from sqsjobs.testing import MemoryApp
from sqsjobs.transport.model import Fault, Refusal


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(TABLES)
        yield database


def waiting(database: sqlite3.Connection) -> int:
    return int(database.execute("SELECT count(*) FROM outbox").fetchone()[0])


@pytest.mark.parametrize("promised", ["outbox/orders.py"], indirect=True)
def test_the_program_does_what_it_says(stage, promised):
    with stage.worker("outbox.orders:app", "default"):
        assert stage.output("outbox.orders") == promised


async def test_what_is_rolled_back_is_not_enqueued(database):
    place(database, 1, "ada", "tea")
    with pytest.raises(sqlite3.IntegrityError):
        place(database, 1, "bob", "coffee")
    async with MemoryApp(app) as jobs:
        assert len(await relay(database)) == 1
        assert [job.arguments["customer"] for job in jobs.enqueued()] == ["ada"]
    assert waiting(database) == 0


async def test_what_sqs_did_not_take_is_sent_by_the_next_relay(database):
    """R33: and nothing twice that it took."""
    async with MemoryApp(app) as jobs:
        for number in range(3):
            place(database, number, "ada", "tea")
        jobs.sqs.faults = lambda operation, queue: Fault(before=Refusal("AccessDeniedException", "no"))
        with pytest.raises(AccessDenied):
            await relay(database)
        assert waiting(database) == 3
        jobs.sqs.faults = None
        assert len(await relay(database)) == 3
        assert await relay(database) == []
        assert [job.arguments["number"] for job in jobs.enqueued()] == [0, 1, 2]


async def test_who_dies_before_the_row_is_gone_sends_its_job_again(database):
    """R33: never not at all; the job tells by its own key that it is the second."""
    place(database, 1, "ada", "tea")
    row = database.execute("SELECT task, queue, arguments FROM outbox").fetchone()
    async with MemoryApp(app) as jobs:
        await relay(database)
        database.execute("INSERT INTO outbox (task, queue, arguments) VALUES (?, ?, ?)", row)  # as death leaves it
        assert len(await relay(database)) == 1
        assert [job.arguments["number"] for job in jobs.enqueued()] == [1, 1]
