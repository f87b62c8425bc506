"""What only the job store in PostgreSQL does."""

from __future__ import annotations

import asyncio
import secrets

import pytest
from tests.store.samples import NOW, FixedClock, job_id, queued, request, succeed
from tests.store.servers import postgres_url

from sqsjobs.errors import ConfigurationError, StoreError, StoreUnavailable
from sqsjobs.job import JobId
from sqsjobs.store.postgres.schema import MIGRATIONS

asyncpg = pytest.importorskip("asyncpg")

from sqsjobs.store.postgres import PostgresStore  # noqa: E402 - the extra may be absent


@pytest.fixture
def schema():
    return f"s{secrets.token_hex(4)}"


@pytest.fixture
def absent(schema):
    return PostgresStore(postgres_url(), schema=schema, clock=FixedClock())


@pytest.fixture
async def store(absent):
    await absent.provision()
    async with absent:
        yield absent


@pytest.fixture
async def connection():
    connection = await asyncpg.connect(postgres_url())
    yield connection
    await connection.close()


async def test_a_store_that_is_not_set_up_says_which_command_does_it(absent):
    with pytest.raises(ConfigurationError, match="run `sqsjobs store apply`"):
        async with absent:
            pass


async def test_tables_are_made_once_and_a_dry_run_makes_none(absent, schema):
    wanted = [f"schema {schema}: tables of version {n}" for n in range(1, len(MIGRATIONS) + 1)]
    assert await absent.provision(dry_run=True) == wanted
    assert await absent.provision() == wanted
    assert await absent.provision() == []
    async with absent:
        await absent.insert(queued())


async def test_many_set_up_at_once_without_harm(schema):
    """Every replica of a deployment may run the command."""
    stores = [PostgresStore(postgres_url(), schema=schema) for _ in range(5)]
    made = await asyncio.gather(*(store.provision() for store in stores))
    assert sum(map(len, made)) == len(MIGRATIONS)


@pytest.mark.parametrize(("version", "advice"), [(0, "sqsjobs store apply"), (99, "upgrade")])
async def test_tables_of_another_version_are_refused(store, schema, connection, version, advice):
    await connection.execute(f"UPDATE {schema}.schema_version SET version = {version}")
    with pytest.raises(ConfigurationError, match=advice):
        async with store.clone():
            pass


async def test_what_many_ask_for_at_once_is_few_statements(store, monkeypatch):
    """Group commit: a write to the disk costs the same for one as for two hundred."""
    steps: list[object] = []
    run = store._ledger.client.run

    def counted(step):
        steps.append(step)
        return run(step)

    monkeypatch.setattr(store._ledger.client, "run", counted)
    jobs = [queued() for _ in range(400)]
    await asyncio.gather(*map(store.insert, jobs))
    assert len(steps) <= 4
    steps.clear()
    claims = await asyncio.gather(*(store.claim(request(job.id)) for job in jobs))
    assert len(steps) <= 10
    steps.clear()
    done = await asyncio.gather(
        *(store.change(job.id, claim.epoch, succeed()) for job, claim in zip(jobs, claims, strict=True))
    )
    assert all(done)
    assert len(steps) <= 4


async def test_writers_drop_what_has_expired(store, schema, connection):
    """Nothing grows for want of somebody who calls `purge`."""
    for _ in range(10):
        await store.insert(queued(expires_at=NOW + 1))
    store._clock.time += 10
    store._ledger._retention._due = 0.0
    await store.insert(queued())
    await store._ledger._retention._biting
    assert await connection.fetchval(f"SELECT count(*) FROM {schema}.jobs") == 1


async def test_a_broken_connection_is_replaced(store, connection):
    """Whoever was waiting on it is told so, and the next call has another one."""
    record = queued()
    await store.insert(record)
    await terminate_others(connection)
    for _ in range(10):
        try:
            assert (await store.get(record.id)).id == record.id
            break
        except StoreUnavailable:
            continue
    else:
        pytest.fail("the pool kept its broken connections")


async def test_a_listener_whose_line_broke_is_woken_for_whatever_it_missed(store, connection):
    """And hears on over another line."""
    job = job_id()
    woken: asyncio.Queue[JobId | None] = asyncio.Queue()
    async with store.listening(woken.put_nowait) as ear:
        await ear.add([job])
        await terminate_others(connection, "query ILIKE 'LISTEN%'")
        async with asyncio.timeout(20):
            assert await woken.get() is None
            await store.insert(queued(job))
            assert await woken.get() == job


async def test_an_extension_of_a_lease_wakes_nobody(store):
    job = job_id()
    woken: asyncio.Queue[JobId | None] = asyncio.Queue()
    await store.claim(request(job))
    async with store.listening(woken.put_nowait) as ear:
        await ear.add([job])
        assert await store.extend(job, 1, NOW + 100)
        assert await store.change(job, 1, succeed())
        assert await asyncio.wait_for(woken.get(), 5) == job
        assert woken.empty()


async def test_a_database_that_is_not_there_is_said():
    with pytest.raises(ConfigurationError, match="cannot be used"):
        async with PostgresStore(postgres_url().replace("/postgres", "/elsewhere")):
            pass


async def test_a_server_that_is_not_there_is_named_without_its_password():
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1/jobs did not answer") as raised:
        async with PostgresStore("postgresql://me:secret@127.0.0.1:1/jobs", wait=2):
            pass
    assert "secret" not in str(raised.value)


async def test_a_statement_that_fails_is_an_error_of_the_store(store, schema, connection):
    await connection.execute(f"ALTER TABLE {schema}.jobs ADD CONSTRAINT no_crops CHECK (task <> 'crop')")
    with pytest.raises(StoreError, match="failed"):
        await store.insert(queued(task="crop"))
    assert await store.insert(queued()) is None


@pytest.mark.parametrize("schema", ["", "Jobs", "a-b", "1st", "x" * 51, 'a"b'])
def test_a_schema_that_cannot_be_is_refused(schema):
    with pytest.raises(ConfigurationError, match="schema"):
        PostgresStore("postgresql://localhost/jobs", schema=schema)


async def terminate_others(connection, condition="true"):
    await connection.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
        f"AND backend_type = 'client backend' AND {condition}"
    )
