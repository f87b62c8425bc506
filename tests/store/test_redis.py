"""What only the job store in Redis does."""

from __future__ import annotations

import asyncio
import secrets

import pytest
from tests.store.samples import NOW, FixedClock, job_id, queued, request, succeed
from tests.store.servers import redis_url

from sqsjobs.errors import ConfigurationError, StoreUnavailable
from sqsjobs.job import JobId
from sqsjobs.store.base import DONE_RECORD_TTL
from sqsjobs.store.listing import JobQuery

redis = pytest.importorskip("redis.asyncio")

from sqsjobs.store.redis import RedisStore  # noqa: E402 - the extra may be absent


@pytest.fixture
def namespace():
    return secrets.token_hex(4)


@pytest.fixture
async def store(namespace):
    async with RedisStore(redis_url(), namespace=namespace, clock=FixedClock()) as store:
        yield store


@pytest.fixture
async def client():
    async with redis.Redis.from_url(redis_url()) as client:
        yield client


async def scripts_run(client) -> int:
    return (await client.info("commandstats")).get("cmdstat_evalsha", {"calls": 0})["calls"]


async def test_each_step_of_a_common_life_is_one_call(store, client):
    """Insert, claim, extend and end: nothing is read first, because what is there is known or guessed."""
    record = queued(envelope="{}", unique="key", group="tenant")
    await store.insert(queued())  # the scripts are loaded
    before = await scripts_run(client)
    await store.insert(record)
    claim = await store.claim(request(record.id))
    assert await store.extend(record.id, claim.epoch, NOW + 100)
    assert await store.change(record.id, claim.epoch, succeed())
    assert await scripts_run(client) == before + 4


async def test_claims_that_make_the_record_are_one_call_from_the_second_on(store, client):
    """Where producers write nothing, workers stop guessing that they did."""
    await store.claim(request(job_id()))
    before = await scripts_run(client)
    for _ in range(3):
        await store.claim(request(job_id()))
    assert await scripts_run(client) == before + 3


async def test_what_many_ask_for_at_once_shares_few_connections(store, client):
    await asyncio.gather(*(store.insert(queued()) for _ in range(1000)))
    assert len([it for it in await client.client_list() if it["cmd"] == "evalsha"]) <= 8


async def test_the_keys_of_a_record_go_by_themselves(store, client, namespace):
    record = queued(unique="key")
    await store.insert(record)
    (key,) = [key async for key in client.scan_iter(f"{{{namespace}}}:key:*")]
    for name in (key, f"{{{namespace}}}:job:{record.id}"):
        assert DONE_RECORD_TTL < await client.ttl(name) <= DONE_RECORD_TTL + 3600


async def test_writers_sweep_up_what_has_expired(store, client, namespace):
    """Nothing grows for want of somebody who calls `purge`."""
    clock = store._clock
    for _ in range(10):
        await store.insert(queued(expires_at=NOW + 1))
    clock.time += 10
    for _ in range(10):
        await store.insert(queued())
    assert await client.zcard(f"{{{namespace}}}:due") == 10
    assert await client.zcard(f"{{{namespace}}}:all") == 10


async def test_a_server_that_has_forgotten_the_scripts_learns_them_again(store, client):
    await store.insert(queued())
    await client.script_flush()
    assert await store.insert(queued()) is None


async def test_a_broken_connection_is_replaced(store, client):
    record = queued()
    await store.insert(record)
    await client.client_kill_filter(_type="normal", skipme=True)
    assert (await store.get(record.id)).id == record.id


async def test_a_listener_whose_line_broke_is_woken_for_whatever_it_missed(store, client):
    """And hears on over another line."""
    job = job_id()
    woken: asyncio.Queue[JobId | None] = asyncio.Queue()
    async with store.listening(woken.put_nowait) as ear:
        await ear.add([job])
        await client.client_kill_filter(_type="pubsub")
        async with asyncio.timeout(20):
            assert await woken.get() is None
            await store.insert(queued(job))
            assert await woken.get() == job


async def test_a_server_that_may_evict_records_is_refused(client):
    store = RedisStore(redis_url(), allow_eviction=True)
    await client.config_set("maxmemory", 100_000_000)
    await client.config_set("maxmemory-policy", "volatile-lru")
    try:
        with pytest.raises(ConfigurationError, match=r"noeviction.*allow_eviction"):
            async with RedisStore(redis_url()):
                pass
        async with store:
            pass
    finally:
        await client.config_set("maxmemory", 0)
        await client.config_set("maxmemory-policy", "noeviction")


async def test_a_server_that_is_not_there_is_named_without_its_password():
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1/0 did not answer") as raised:
        async with RedisStore("redis://me:secret@127.0.0.1:1/0", wait=1):
            pass
    assert "secret" not in str(raised.value)


async def test_a_wrong_password_is_said(client):
    with pytest.raises(ConfigurationError, match="refuses this user"):
        async with RedisStore(redis_url().replace("redis://", "redis://nobody:wrong@")):
            pass


async def test_the_rights_that_the_docs_name_are_enough(client, namespace):
    rights = f"~{{{namespace}}}:* &{{{namespace}}}:* +@read +@write +@scripting +@pubsub +@connection +info"
    await client.execute_command("ACL", "SETUSER", namespace, "on", ">secret", "resetchannels", *rights.split())
    url = redis_url().replace("redis://", f"redis://{namespace}:secret@")
    job = job_id()
    woken: asyncio.Queue[JobId | None] = asyncio.Queue()
    async with RedisStore(url, namespace=namespace) as store, store.listening(woken.put_nowait) as ear:
        await ear.add([job])
        await store.insert(queued(job))
        assert await asyncio.wait_for(woken.get(), 5) == job
        assert len((await store.page(JobQuery())).items) == 1


@pytest.mark.parametrize("namespace", ["", "a{b}", "x" * 65, "a b"])
def test_a_namespace_that_cannot_be_is_refused(namespace):
    with pytest.raises(ConfigurationError, match="namespace"):
        RedisStore("redis://localhost", namespace=namespace)
