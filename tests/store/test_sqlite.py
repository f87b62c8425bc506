"""What is the SQLite store's own: one file and many processes, one thread and many callers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from tests.store.contender import job as numbered
from tests.store.samples import FAILURE, NOW, FixedClock, fail, job_id, queued, request, succeed

from sqsjobs.errors import ConfigurationError, StoreError, StoreUnavailable
from sqsjobs.job import JobId, JobStatus
from sqsjobs.store.base import Claimed
from sqsjobs.store.listing import JobQuery, Place
from sqsjobs.store.retention import BITE
from sqsjobs.store.sqlite import SqliteStore
from sqsjobs.store.sqlite_table import _VERSION_1, SCHEMA_VERSION, Table

CONTENDER = Path(__file__).with_name("contender.py")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "jobs.db"


@pytest.fixture
async def store(file):
    async with SqliteStore(file, clock=FixedClock()) as opened:
        yield opened


def store_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("sqsjobs-store")]


def process(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def line_of(running: subprocess.Popen[str]) -> str:
    assert running.stdout is not None
    return running.stdout.readline()


class Locked:
    """Another process's transaction, in effect: the file is locked for writing from entry to exit."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, isolation_level=None)

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, *exc_info: object) -> None:
        self._connection.execute("ROLLBACK")
        self._connection.close()


# Many processes -----------------------------------------------------------------------------------------


def test_eight_processes_complete_every_job_once(file):
    """I2, R12, R23: 8 processes, 400 jobs, some 4,500 writes: no job has two completions, no lock error gets out."""
    contenders = [process(CONTENDER, file, f"worker-{n}", n * 50, 400) for n in range(8)]
    for contender in contenders:
        assert line_of(contender) == "ready\n"
    for contender in contenders:
        assert contender.stdin is not None
        contender.stdin.write("\n")
        contender.stdin.flush()
    outputs = [contender.communicate()[0] for contender in contenders]
    assert [contender.returncode for contender in contenders] == [0] * 8
    owner = {number: f"worker-{n}" for n, output in enumerate(outputs) for number in json.loads(output)}
    assert Counter(number for output in outputs for number in json.loads(output)) == Counter(range(400))
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute("SELECT id, status, attempts, epoch, result FROM jobs").fetchall()
    assert {row[0]: row[1:] for row in rows} == {
        numbered(number): ("succeeded", 1, 1, f'"{name}"'.encode()) for number, name in owner.items()
    }


async def test_what_was_answered_outlives_a_kill(file):
    """R3: a process is killed while it writes; every completion it was granted is there, and the file is sound."""
    victim = process(CONTENDER, file, "victim", 0, 0)
    granted = [int(line_of(victim)) for _ in range(50)]
    victim.send_signal(signal.SIGKILL)
    granted += [int(line) for line in victim.communicate()[0].splitlines()]
    async with SqliteStore(file) as store:
        for number in granted:
            record = await store.get(numbered(number))
            assert record is not None
            assert record.status is JobStatus.SUCCEEDED
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_commits_are_synced_to_the_disk(file):
    """The message is deleted after its job's end is recorded, so the record must outlive the power."""
    table = Table(file, wait=1.0, writes=True)
    with closing(table):
        assert (table._pragma("journal_mode"), table._pragma("synchronous")) == ("wal", 2)


def test_a_new_file_may_be_opened_by_many_at_once(file):
    """Twelve openers race to make the file; all get a store."""
    failures = []

    async def open_and_write() -> None:
        async with SqliteStore(file) as store:
            await store.insert(queued())

    def run():
        try:
            asyncio.run(open_and_write())
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


# One thread, many callers -------------------------------------------------------------------------------


async def test_requests_that_wait_together_share_a_commit(store, file):
    """Group commit: what piles up behind a lock is written in few transactions."""
    commits: list[str] = []
    with Locked(file):
        first = asyncio.create_task(store.insert(queued()))
        await asyncio.sleep(0)
        rest = [asyncio.create_task(store.insert(queued())) for _ in range(100)]
        table = asyncio.create_task(
            store._writer.run(lambda table: table._connection.set_trace_callback(commits.append))
        )
        rest += [asyncio.create_task(store.insert(queued())) for _ in range(100)]
        await asyncio.sleep(0)
    assert await asyncio.gather(first, table, *rest) == [None] * 202
    assert commits.count("COMMIT") <= 3


async def test_reads_do_not_wait_for_the_lock(store, file):
    record = queued()
    await store.insert(record)
    with Locked(file):
        assert (await store.get(record.id)).id == record.id


@pytest.mark.parametrize("cancelled", [0, 1, 2])
async def test_a_cancelled_caller_leaves_the_others_of_its_batch_alone(store, file, cancelled):
    """Whether it is the first of the batch or another: the rest are answered, the cancelled request is not done."""
    records = [queued() for _ in range(3)]
    with Locked(file):
        inserts = [asyncio.create_task(store.insert(record)) for record in records]
        await asyncio.sleep(0)
        inserts[cancelled].cancel()
        await asyncio.wait([inserts[cancelled]])
    answers = await asyncio.gather(*inserts, return_exceptions=True)
    assert isinstance(answers.pop(cancelled), asyncio.CancelledError)
    assert answers == [None, None]
    assert [await store.get(record.id) is None for record in records] == [n == cancelled for n in range(3)]


async def test_a_request_that_cannot_be_done_fails_alone(store):
    """What SQLite refuses (here: an id that is no text it knows) is its caller's error, and nobody else's."""
    good, bad = queued(), queued(JobId(job_id() + "\udce9"))
    answers = await asyncio.gather(*map(store.insert, (good, bad, queued())), return_exceptions=True)
    assert [type(answer) for answer in answers] == [type(None), UnicodeEncodeError, type(None)]
    assert await store.get(good.id) is not None


async def test_closing_does_what_was_asked_before(file):
    """Requests that wait when the store is closed are written, and their callers answered."""
    store = SqliteStore(file)
    async with store:
        inserts = [asyncio.create_task(store.insert(queued())) for _ in range(500)]
        await asyncio.sleep(0)
    assert await asyncio.gather(*inserts) == [None] * 500
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (500,)


async def test_closing_ends_the_threads(file):
    """I15: none is left, whether the store was used or not, or could not be opened."""
    before = len(store_threads())
    async with SqliteStore(file) as store:
        await store.get(job_id())
        assert len(store_threads()) == before + 2
    with pytest.raises(ConfigurationError):
        await SqliteStore(file.parent).__aenter__()
    assert len(store_threads()) == before


async def test_an_opening_that_is_cancelled_leaves_no_thread(file):
    """I15."""
    async with SqliteStore(file):
        pass
    before = len(store_threads())
    for turns in range(4):
        opening = asyncio.create_task(SqliteStore(file).__aenter__())
        for _ in range(turns):
            await asyncio.sleep(0)
        opening.cancel()
        await asyncio.wait([opening])
        if not opening.cancelled():
            await opening.result().__aexit__()
    for thread in store_threads()[before:]:
        await asyncio.to_thread(thread.join, 10)
    assert len(store_threads()) == before


def test_a_store_that_nobody_closed_does_not_keep_the_process(file):
    program = f"""
import asyncio
from sqsjobs.store.retention import BITE
from sqsjobs.store.sqlite import SqliteStore
store = SqliteStore({str(file)!r})
asyncio.run(store.__aenter__())
"""
    abandoned = process("-c", program)
    abandoned.communicate(timeout=20)
    assert abandoned.returncode == 0


def test_a_forked_child_is_refused(file):
    """R69: a real fork, with the store open in the parent."""
    program = f"""
import asyncio, os
from sqsjobs.errors import ConfigurationError
from sqsjobs.store.retention import BITE
from sqsjobs.store.sqlite import SqliteStore

def in_child(store):
    try:
        asyncio.run(store.get("job-000000000000"))
    except ConfigurationError as error:
        os._exit(7 if "fork" in str(error) else 1)
    os._exit(2)

async def main():
    async with SqliteStore({str(file)!r}) as store:
        child = os.fork()
        if child == 0:
            asyncio._set_running_loop(None)
            in_child(store)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

asyncio.run(main())
"""
    child = process("-W", "ignore", "-c", program)
    assert child.communicate(timeout=20)[0] == "7\n"


# When the store is away ---------------------------------------------------------------------------------


async def test_a_lock_that_stays_ends_in_store_unavailable(file):
    """R36, R37: within the wait; when the lock is gone, the same store goes on."""
    async with SqliteStore(file, wait=1.0) as store:
        record = queued()
        with Locked(file):
            answers = await asyncio.gather(store.insert(record), store.insert(queued()), return_exceptions=True)
        assert [type(answer) for answer in answers] == [StoreUnavailable, StoreUnavailable]
        assert await store.insert(record) is None


async def test_a_new_file_that_stays_locked_is_not_opened(file):
    with Locked(file), pytest.raises(StoreUnavailable, match="locked by another process"):
        await SqliteStore(file, wait=0.1).__aenter__()


async def test_a_full_disk_is_store_unavailable(store):
    """Nothing is half written, and the store goes on when there is room again."""
    pages = await store._writer.run(lambda table: table._pragma("page_count"))
    await store._writer.run(lambda table: table._pragma(f"max_page_count = {pages}"))
    job = job_id()
    claim = await store.claim(request(job))
    with pytest.raises(StoreUnavailable, match="disk is full"):
        await store.change(job, claim.epoch, succeed(result=b"x" * 100_000))
    assert (await store.get(job)).status is JobStatus.RUNNING
    await store._writer.run(lambda table: table._pragma("max_page_count = 1000000"))
    assert await store.change(job, claim.epoch, succeed(result=b"x" * 100_000))


async def test_a_store_that_breaks_says_what_broke(store):
    await store._writer.run(lambda table: table._connection.execute("DROP TABLE jobs"))
    with pytest.raises(StoreError, match="no such table"):
        await store.claim(request(job_id()))
    with pytest.raises(StoreError, match="no such table"):
        await store.get(job_id())


async def test_a_transaction_that_breaks_leaves_nothing(file):
    """What was written before the break is taken back, and the table can be used again."""
    with closing(Table(file, wait=1.0, writes=True)) as table:
        lost, kept = queued(), queued()

        def break_off() -> None:
            with table.transaction():
                table.write(lost)
                raise OSError("pulled")

        with pytest.raises(OSError, match="pulled"):
            break_off()
        with table.transaction():
            table.write(kept)
        assert (table.read(lost.id), table.read(kept.id)) == (None, kept)


# The file -----------------------------------------------------------------------------------------------


async def refusal(file: Path) -> str:
    with pytest.raises(ConfigurationError) as refused:
        await SqliteStore(file, wait=0.1).__aenter__()
    return str(refused.value)


async def test_a_missing_directory_is_named_and_once_made_it_is_used(tmp_path):
    store = SqliteStore(tmp_path / "absent" / "jobs.db")
    with pytest.raises(ConfigurationError, match=f"create {tmp_path / 'absent'}"):
        await store.__aenter__()
    (tmp_path / "absent").mkdir()
    async with store:
        assert await store.insert(queued()) is None


async def test_a_directory_is_no_file(tmp_path):
    assert "is a directory" in await refusal(tmp_path)


async def test_a_file_that_is_no_database_is_left_alone(file):
    file.write_bytes(b"my diary, " * 1000)
    assert "no SQLite database" in await refusal(file)
    assert file.read_bytes() == b"my diary, " * 1000


async def test_another_applications_database_is_left_alone(file):
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE jobs (salary INTEGER)")
    before = file.read_bytes()
    assert "another application's" in await refusal(file)
    assert file.read_bytes() == before


async def test_a_newer_schema_is_refused(store, file):
    await store._writer.run(lambda table: table._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}"))
    assert "upgrade sqsjobs" in await refusal(file)


async def test_a_file_of_the_first_schema_is_brought_up_to_date(file):
    """Its records stay, several processes may do it at once, and what is new is there."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for statement in _VERSION_1:
            connection.execute(statement)
        connection.execute("PRAGMA user_version = 1")
        connection.execute(
            "INSERT INTO jobs (id, task, queue, status, attempts, crashes, epoch, enqueued_at, dead_lettered) "
            f"VALUES ('{(job := job_id())}', 'resize', 'images', 'queued', 0, 0, 0, {NOW}, 0)"
        )
    async with SqliteStore(file, clock=FixedClock()) as store, SqliteStore(file, clock=FixedClock()) as other:
        assert await store.get(job) == queued(job)
        assert await other.extend(job, 0, NOW) is False
        assert (await other.records([job])).keys() == {job}
        assert [it.id for it in (await store.page(JobQuery())).items] == [job]


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (JobQuery(), "jobs_by_time"),
        (JobQuery(since=NOW, cursor=Place(NOW, "j").cursor()), "jobs_by_time"),
        (JobQuery(status=JobStatus.FAILED, since=NOW), "jobs_by_status"),
        (JobQuery(task="resize", cursor=Place(NOW, "j").cursor()), "jobs_by_task"),
    ],
)
async def test_lists_are_read_from_an_index_in_their_order(store, query, index):
    statements: list[str] = []
    await store._reader.run(lambda table: table._connection.set_trace_callback(statements.append))
    await store.page(query)
    (select,) = (statement for statement in statements if statement.startswith("SELECT"))
    plan = await store._reader.run(lambda table: table._connection.execute(f"EXPLAIN QUERY PLAN {select}").fetchall())
    assert f"INDEX {index} " in str(plan) or f"INDEX {index}'" in str(plan)
    assert "TEMP B-TREE" not in str(plan)


@pytest.mark.parametrize("path", ["", ":memory:"])
def test_a_store_needs_a_file(path):
    with pytest.raises(ConfigurationError, match="memory://"):
        SqliteStore(path)


async def test_records_outlive_the_store(file):
    record = queued(failure=FAILURE, unique="key", expires_at=NOW + 10)
    for expected in (None, record):
        async with SqliteStore(file, clock=FixedClock()) as store:
            assert await store.insert(record) == expected


async def test_a_relative_path_stays_what_it_was(tmp_path, monkeypatch):
    """A program that changes its directory between making and opening a store still gets the file it named."""
    monkeypatch.chdir(tmp_path)
    store = SqliteStore("jobs.db")
    monkeypatch.chdir("/")
    async with store.clone():
        pass
    assert (tmp_path / "jobs.db").exists()


async def test_dropped_records_leave_room_for_new_ones(store, file):
    """I14: a file that is purged stops growing."""
    sizes = []
    for round_ in range(6):
        for _ in range(20):
            job = job_id()
            claim = await store.claim(request(job))
            await store.change(job, claim.epoch, succeed(now=NOW + round_, result=b"x" * 10_000, record_ttl=0.5))
        await store.purge(NOW + round_ + 0.5)
        sizes.append(await store._writer.run(lambda table: table._pragma("page_count")))
    assert sizes[-1] == sizes[1]


async def test_writers_drop_what_has_expired(store, file):
    """I14: nothing grows for want of somebody who calls `purge`; in bites, so that others write in between."""
    await asyncio.gather(*(store.insert(queued(expires_at=NOW + 1)) for _ in range(BITE + 100)))
    store._clock.time += 10
    for left in (100 + 1, 1 + 1):
        store._retention._due = 0.0
        await store.insert(queued())
        await store._retention._biting
        with closing(sqlite3.connect(file)) as connection:
            assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (left,)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT id FROM jobs WHERE expires_at <= 1 LIMIT 5", "jobs_by_expiry"),
        ("SELECT id FROM jobs WHERE result IS NOT NULL AND result_expires_at <= 1 LIMIT 5", "jobs_by_result_expiry"),
    ],
)
async def test_purges_do_not_scan_the_table(store, query, index):
    plan = await store._writer.run(lambda table: table._connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchall())
    assert f"INDEX {index} " in str(plan)


async def test_a_key_is_looked_up_by_its_index(store):
    statements: list[str] = []
    await store._writer.run(lambda table: table._connection.set_trace_callback(statements.append))
    await store.insert(queued(unique="key"))
    (lookup,) = (statement for statement in statements if "unique_key = 'key'" in statement)
    plan = await store._writer.run(lambda table: table._connection.execute(f"EXPLAIN QUERY PLAN {lookup}").fetchall())
    assert "jobs_unfinished_by_key" in str(plan)


async def test_the_file_can_be_read_by_eye(store, file):
    """Statuses and failures are words, for whoever opens the file with the sqlite3 shell."""
    job = job_id()
    assert await store.claim(request(job)) == Claimed(1, 1, 0)
    await store.change(job, 1, fail())
    with closing(sqlite3.connect(file)) as connection:
        status, failure = connection.execute("SELECT status, failure FROM jobs").fetchone()
    assert status == "failed"
    assert json.loads(failure)["type"] == "builtins.ValueError"
