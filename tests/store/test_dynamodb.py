"""What only the job store in DynamoDB does, on moto's server over HTTP."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter

import pytest
from tests.store.samples import NOW, FixedClock, fail, job_id, queued, request, succeed
from tests.store.servers import moto_url

from sqsjobs.errors import ConfigurationError, StoreError, StoreUnavailable
from sqsjobs.job import JobStatus
from sqsjobs.store.dynamodb import DynamoStore
from sqsjobs.store.dynamodb.client import DynamoClient
from sqsjobs.store.dynamodb.items import LARGEST_ENVELOPE, update
from sqsjobs.store.ledger import Entry, Move
from sqsjobs.store.listing import JobQuery
from sqsjobs.transport.address import SqsEndpoint
from sqsjobs.transport.aws_clients import open_client


@pytest.fixture
def table():
    return f"jobs-{secrets.token_hex(4)}"


@pytest.fixture
def absent(table):
    return DynamoStore(table, endpoint_url=moto_url(), wait=30, clock=FixedClock())


@pytest.fixture
async def store(absent):
    await absent.provision()
    async with absent:
        yield absent


@pytest.fixture
async def client():
    async with open_client("dynamodb", SqsEndpoint(endpoint_url=moto_url()), connections=5, timeout=30) as client:
        yield client


@pytest.fixture
def calls(monkeypatch):
    """Counts the requests by operation."""
    made: Counter[str] = Counter()
    call = DynamoClient.call

    def counted(self, operation, **parameters):
        made[operation] += 1
        return call(self, operation, **parameters)

    monkeypatch.setattr(DynamoClient, "call", counted)
    return made


async def test_who_waits_never_sees_a_job_as_it_was_before(store, monkeypatch):
    """A job that was just enqueued is not unknown, and one that was sent again has not failed."""
    asked: list[bool] = []
    call = DynamoClient.call

    def noted(self, operation, **parameters):
        asked.extend(table["ConsistentRead"] for table in parameters.get("RequestItems", {}).values())
        return call(self, operation, **parameters)

    monkeypatch.setattr(DynamoClient, "call", noted)
    await store.records([job_id() for _ in range(150)])
    assert asked == [True, True]


async def test_each_step_of_a_common_life_is_one_write_and_no_read(store, calls):
    record = queued(envelope="{}", group="tenant")
    await store.insert(record)
    claim = await store.claim(request(record.id))
    assert await store.extend(record.id, claim.epoch, NOW + 100)
    assert await store.change(record.id, claim.epoch, succeed())
    assert calls == {"put_item": 1, "update_item": 3}


async def test_a_unique_key_costs_a_transaction_at_the_insert_and_a_delete_at_the_end(store, calls):
    record = queued(unique="key")
    await store.insert(record)
    claim = await store.claim(request(record.id))
    assert await store.change(record.id, claim.epoch, succeed())
    assert calls == {"transact_write_items": 1, "update_item": 2, "delete_item": 1}


async def test_many_records_are_read_a_hundred_at_a_time(store, calls):
    """By whomever: what a thousand waiters ask for at once is ten requests."""
    jobs = [job_id() for _ in range(1000)]
    assert set(map(len, await asyncio.gather(*(store.records([job]) for job in jobs)))) == {0}
    assert calls == {"batch_get_item": 10}


async def test_an_item_of_a_usual_job_is_paid_as_one_write_unit(store, client, table):
    """Below 1 KB in every state: the whole life is three units, and one for the list."""
    record = queued(group="tenant-7", envelope='{"sqsjobs":1,"task":"resize","args":{"key":"in/a.png","width":200}}')
    await store.insert(record)
    claim = await store.claim(request(record.id))
    await store.change(record.id, claim.epoch, succeed())
    item = (await client.get_item(TableName=table, Key={"id": {"S": record.id}}))["Item"]
    assert sum(len(name) + len(str(*value.values())) for name, value in item.items()) < 1024


async def test_a_key_whose_job_has_gone_is_taken(store, client, table):
    """A worker that died between the end of a job and the release of its key leaves one behind."""
    record = queued(unique="key")
    await store.insert(record)
    await client.delete_item(TableName=table, Key={"id": {"S": record.id}})
    assert await store.insert(queued(unique="key")) is None


async def test_what_failed_is_listed_by_an_index_of_its_own(store, calls):
    """Among any number that succeeded: the list of failures looks at failures alone."""
    for n in range(30):
        job = job_id()
        await store.claim(request(job))
        await store.change(job, 1, fail() if n % 10 == 0 else succeed())
    calls.clear()
    assert len((await store.page(JobQuery(status=JobStatus.FAILED))).items) == 3
    assert calls == {"query": 8, "batch_get_item": 1}


async def test_an_opened_job_leaves_the_list_of_failures(store):
    job = job_id()
    await store.claim(request(job))
    await store.change(job, 1, fail())
    await store.reopen(job, NOW + 2)
    assert (await store.page(JobQuery(status=JobStatus.FAILED))).items == ()


async def test_a_list_goes_back_over_days_without_jobs(store):
    old, new = queued(enqueued_at=NOW - 20 * 86400), queued()
    await store.insert(old)
    await store.insert(new)
    found, cursor = [], None
    while True:
        page = await store.page(JobQuery(cursor=cursor))
        found += [record.id for record in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    assert found == [new.id, old.id]


async def test_a_large_envelope_is_not_kept(store):
    """The job can then not be sent again from its record; an item holds 400 KB, and is paid by its size."""
    record = queued(envelope="x" * (LARGEST_ENVELOPE + 1))
    await store.insert(record)
    assert (await store.get(record.id)).envelope is None
    assert (await store.claim(request(record.id))).epoch == 1


async def test_dynamodb_drops_what_has_expired(store, client, table):
    record = queued(expires_at=NOW + 100)
    await store.insert(record)
    item = (await client.get_item(TableName=table, Key={"id": {"S": record.id}}))["Item"]
    assert item["ttl"] == {"N": str(int(NOW) + 100 + 3600)}
    described = await client.describe_time_to_live(TableName=table)
    assert described["TimeToLiveDescription"] == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}


async def test_a_table_is_made_once_and_a_dry_run_makes_none(absent, table, client):
    wanted = [f"table {table}: on demand, key id, indexes by_day, by_end", f"table {table}: time to live by ttl"]
    assert await absent.provision(dry_run=True) == wanted
    assert await absent.provision() == wanted
    assert await absent.provision() == []
    described = (await client.describe_table(TableName=table))["Table"]
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"


async def test_a_table_that_lacks_something_gets_it(absent, table, client):
    key = {"AttributeName": "id", "KeyType": "HASH"}
    attribute = {"AttributeName": "id", "AttributeType": "S"}
    await client.create_table(
        TableName=table, KeySchema=[key], AttributeDefinitions=[attribute], BillingMode="PAY_PER_REQUEST"
    )
    lacking = [f"table {table}: {what}" for what in ("index by_day", "index by_end", "time to live by ttl")]
    assert await absent.provision(dry_run=True) == lacking
    assert await absent.provision() == lacking
    assert await absent.provision() == []
    async with absent:
        await absent.insert(queued())
        assert len((await absent.page(JobQuery())).items) == 1


async def test_another_application_s_table_is_left_alone(absent, table, client):
    key = {"AttributeName": "name", "KeyType": "HASH"}
    attribute = {"AttributeName": "name", "AttributeType": "S"}
    await client.create_table(
        TableName=table, KeySchema=[key], AttributeDefinitions=[attribute], BillingMode="PAY_PER_REQUEST"
    )
    with pytest.raises(ConfigurationError, match="another application's"):
        await absent.provision()
    with pytest.raises(StoreError):
        async with absent:
            pass


async def test_a_table_that_is_not_there_says_which_command_makes_it(absent):
    with pytest.raises(ConfigurationError, match="run `sqsjobs store apply`"):
        async with absent:
            pass


async def test_what_is_throttled_is_asked_again(store, monkeypatch):
    record = queued()
    answers = iter(["ThrottlingException", "ProvisionedThroughputExceededException", "InternalServerError"])
    client = store._ledger.client._client
    put_item = client.put_item

    async def throttled(**parameters):
        if code := next(answers, None):
            raise refusal(code)
        return await put_item(**parameters)

    monkeypatch.setattr(client, "put_item", throttled)
    assert await store.insert(record) is None
    assert next(answers, None) is None


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        ("AccessDeniedException", ConfigurationError, "refused to these credentials"),
        ("ValidationException", StoreError, "failed"),
        ("ThrottlingException", StoreUnavailable, "did not answer"),
    ],
)
async def test_an_answer_that_lasts_is_said(table, monkeypatch, code, error, said):
    store = DynamoStore(table, endpoint_url=moto_url(), wait=1, clock=FixedClock())
    await DynamoStore(table, endpoint_url=moto_url(), wait=30).provision()
    async with store:

        async def refused(**parameters):
            raise refusal(code)

        monkeypatch.setattr(store._ledger.client._client, "put_item", refused)
        with pytest.raises(error, match=said):
            await store.insert(queued())


async def test_a_server_that_is_not_there_is_said(table):
    with pytest.raises(StoreUnavailable, match="did not answer"):
        async with DynamoStore(table, endpoint_url="http://127.0.0.1:1", wait=0.5):
            pass


@pytest.mark.parametrize("name", ["", "ab", "a/b", "x" * 256])
def test_a_name_that_no_table_has_is_refused(name):
    with pytest.raises(ConfigurationError, match="DynamoDB table"):
        DynamoStore(name)


def refusal(code):
    from botocore.exceptions import ClientError  # noqa: PLC0415 - slow to import

    said = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError(said, "PutItem")


def test_a_change_that_changes_nothing_is_an_update_that_dynamodb_takes():
    """An empty SET is a syntax error there; found by `test_a_store_follows_the_rules`."""
    record = queued()
    move = Move(record.id, Entry(record, "0"), record, "0")
    assert update(move)["UpdateExpression"] == "SET #version = :version"
