"""The life of a job with credentials that have the printed policies and nothing else, under moto's IAM."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import pytest
from botocore.config import Config
from tests.access.gate import PLACE, Asked, Identity, closed_gate, identity

from sqsjobs.access.grants import Role
from sqsjobs.app import App
from sqsjobs.cli.commands import run
from sqsjobs.cli.target import load_app
from sqsjobs.errors import AccessDenied

APP = '''
import asyncio
import json
import os
from sqsjobs import App, Callbacks, Reject, Retry, RetryAfter, S3Blobs, constant
from sqsjobs.callbacks.posts import Answer

told = {}

async def arrive(post, reach):
    """Whatever is posted arrives, but where nobody is ready, or wants it."""
    where = post.url.rpartition("/")[2]
    told[where] = json.loads(post.body)
    if where == "unwanted":
        raise Reject("never")
    return Answer(500 if where == "busy" else 204)

app = App(
    "shop",
    blobs=S3Blobs(os.environ["BUCKET"], prefix="shop/", over=2000),
    callbacks=Callbacks(
        hosts=["shop.example"], keys=["whsec_" + "QQ" * 16], deliver=arrive, retry=Retry(backoff=constant(7200))
    ),
)
tries = []

@app.task(queue="images")
async def large(text: str) -> str:
    """Kept as a blob, both ways."""
    return text

@app.task(queue="images")
async def long() -> None:
    """Longer than a heartbeat, so that its lease is extended."""
    await asyncio.sleep(1.6)

@app.task(queue="images", retry=Retry(max_attempts=3, backoff=constant(0.05)))
async def flaky() -> None:
    tries.append(1)
    if len(tries) < 2:
        raise ValueError("once more")

@app.task(queue="images")
async def hopeless() -> None:
    raise Reject("never")

@app.task(queue="images")
async def tomorrow() -> None:
    """Further than a message is hidden: it is sent anew."""
    raise RetryAfter(7200)

@app.task(queue="orders.fifo")
async def order() -> None:
    await asyncio.sleep(1.6)
'''


HOOKS = "https://shop.example"


def root(service: str, endpoint_url: str) -> Any:
    """A client that may do everything."""
    return boto3.client(
        service,
        endpoint_url=endpoint_url,
        region_name=PLACE.region,
        aws_access_key_id="root",
        aws_secret_access_key="root",
    )


@pytest.fixture
def target(tmp_path: Path, moto_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    module = f"roles_{secrets.token_hex(6)}"
    (tmp_path / f"{module}.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_endpoint)
    monkeypatch.setenv("AWS_REGION", PLACE.region)
    monkeypatch.setenv("SQSJOBS_QUEUE_PREFIX", f"{secrets.token_hex(4)}-")
    monkeypatch.setenv("SQSJOBS_STORE", f"dynamodb://jobs-{secrets.token_hex(4)}")
    monkeypatch.setenv("BUCKET", f"bucket-{secrets.token_hex(4)}")
    root("s3", moto_endpoint).create_bucket(Bucket=os.environ["BUCKET"])
    monkeypatch.setenv("ENVELOPE_KEY", root("kms", moto_endpoint).create_key()["KeyMetadata"]["Arn"])
    monkeypatch.setenv("SQSJOBS_ENCRYPTION_KEYS", f"kms:main:{os.environ['ENVELOPE_KEY']}")
    return f"{module}:app"


@pytest.fixture
def role(
    target: str, moto_endpoint: str, capsys: pytest.CaptureFixture[str]
) -> Callable[[Role], tuple[Identity, dict[str, Any]]]:
    """Make an identity with the policy that ``sqsjobs iam`` prints for a role."""

    def made(name: Role) -> tuple[Identity, dict[str, Any]]:
        capsys.readouterr()
        assert (
            run(
                [
                    "iam",
                    target,
                    "--role",
                    name,
                    "--account",
                    PLACE.account,
                    "--envelope-key",
                    os.environ["ENVELOPE_KEY"],
                ]
            )
            == 0
        )
        policy = json.loads(capsys.readouterr().out)
        return identity(moto_endpoint, f"{name}-{secrets.token_hex(4)}", policy), policy

    return made


def rights(policy: dict[str, Any]) -> set[tuple[str, str]]:
    return {(action, arn) for it in policy["Statement"] for action in it["Action"] for arn in it["Resource"]}


def calls(asked: list[Asked], who: Identity) -> set[tuple[str, str]]:
    """The calls made; of an object, with the star that stands for its name."""
    return {
        (it.action, f"{it.arn.rpartition('/')[0]}/*" if it.action.startswith("s3:") else it.arn)
        for it in asked
        if it.access_key == who.access_key
    }


def test_the_life_of_a_job(target, role, moto_endpoint, monkeypatch):
    """S7, I18: every role does its part with its own policy; the calls made are the rights given, no more and no less."""
    app = load_app(target)
    made = {name: role(name) for name in ("admin", "producer", "worker", "api")}

    def become(name: str) -> None:
        for variable, value in made[name][0].environment.items():
            monkeypatch.setenv(variable, value)

    with closed_gate() as made_first:
        become("admin")
        assert run(["queues", "apply", target]) == 0
        assert run(["store", "apply", target]) == 0
    lose_an_index(moto_endpoint)
    with closed_gate() as asked:
        assert run(["store", "apply", target]) == 0
        become("producer")
        jobs = asyncio.run(enqueue_everything(app))
        become("worker")
        asyncio.run(work(app))
        told = sys.modules[target.partition(":")[0]].told
        become("api")
        asyncio.run(read(app, jobs))
        become("admin")
        assert run(["jobs", "cancel", jobs[2], "--app", target]) == 0
        assert run(["jobs", "retry", target, jobs[2]]) == 0
        assert run(["job", jobs[3], "--app", target]) == 0
        assert run(["jobs", "list", "--app", target]) == 0
        assert run(["jobs", "list", "--app", target, "--status", "failed"]) == 0
        assert run(["dlq", "redrive", target, "--queue", "images", "--all", "--yes"]) == 0
        assert run(["dlq", "redrive", target, "--queue", "orders.fifo", "--all", "--yes"]) == 0
        assert run(["dlq", "purge", target, "--queue", "images", "--all", "--yes"]) == 0
        assert run(["dlq", "purge", target, "--queue", "orders.fifo", "--all", "--yes"]) == 0

    assert told.keys() == {"order", "large", "small", "busy", "unwanted"}
    assert {where for where, event in told.items() if "result_left_out" in event["data"]} == {"large"}
    assert told["small"]["data"]["result"] == "x" * 1900
    asked += made_first
    assert [it for it in asked if not it.allowed] == []
    for who, policy in made.values():
        # S3 looks at the right to list a bucket when an object is gone; nobody calls for it.
        assert calls(asked, who) == {it for it in rights(policy) if it[0] != "s3:ListBucket"}


def lose_an_index(endpoint_url: str) -> None:
    """The table of an older version, to be brought up to this one."""
    table = os.environ["SQSJOBS_STORE"].removeprefix("dynamodb://")
    root("dynamodb", endpoint_url).update_table(
        TableName=table, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by_end"}}]
    )


async def enqueue_everything(app: App) -> list[str]:
    """A job of each kind, one of them twice under one key; the ids of what will end well."""
    tasks = app.registry
    async with app:
        flaky = await tasks.get("flaky").enqueue()  # type: ignore[union-attr]
        keyed = {name: tasks.get(name).using(unique=name) for name in ("long", "hopeless", "tomorrow")}  # type: ignore[union-attr]
        handles = {name: await task.enqueue() for name, task in keyed.items()}
        assert (await keyed["long"].enqueue()).deduplicated
        assert app.store is not None
        await app.store.remove(flaky.id)  # what follows a send that SQS refuses, which moto does to none of ours
        orders = app.remote("no-such-order", queue="orders.fifo")
        await orders.using(group="b").enqueue()
        second = await tasks.get("order").using(group="a", callback=f"{HOOKS}/order").enqueue()  # type: ignore[union-attr]
        large = await tasks.get("large").using(callback=f"{HOOKS}/large").enqueue("x" * 5000)  # type: ignore[union-attr]
        for where in ("small", "busy", "unwanted"):  # no blobs, and yet a callback's arguments are larger than one
            await tasks.get("large").using(callback=f"{HOOKS}/{where}").enqueue("x" * 1900)  # type: ignore[union-attr]
        return [handles["long"].id, second.id, handles["tomorrow"].id, large.id]


async def read(app: App, jobs: list[str]) -> None:
    """What a web API does: one record, several, and the lists."""
    async with app:
        assert (await app.job(jobs[0]).record()).status == "succeeded"
        assert await app.job(jobs[3]).result(timeout=5) == "x" * 5000
        await app.wait([app.job(job_id) for job_id in jobs[:2]], timeout=5)
        await app.jobs(status="failed")
        await app.jobs()


async def work(app: App) -> None:
    """Until the queues are empty; an unknown task is dead-lettered at once, so that a FIFO dead letter is there."""
    async with app:
        assert await app.worker(burst=True, visibility=3, wait=1, park_for=0).run()


def everything() -> list[str]:
    """All operations of SQS."""
    return list(boto3.client("sqs", region_name=PLACE.region).meta.service_model.operation_names)


@pytest.mark.parametrize("name", ["producer", "worker", "admin", "api"])
def test_all_else_is_denied(name, role, moto_endpoint):
    """S7, I18: every other operation of SQS, on the role's queues and on one that is not the app's."""
    who, policy = role(name)
    prefix = os.environ["SQSJOBS_QUEUE_PREFIX"]
    given = rights(policy)
    client = boto3.client(
        "sqs",
        endpoint_url=moto_endpoint,
        region_name=PLACE.region,
        aws_access_key_id=who.access_key,
        aws_secret_access_key=who.secret,
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1}),
    )
    queues = [f"{prefix}images", f"{prefix}images-dlq", f"{prefix}orders.fifo", f"{prefix}images2"]
    tried = 0
    with closed_gate():
        for operation in everything():
            for queue in queues:
                if (f"sqs:{operation.removesuffix('Batch')}", PLACE.queue(queue)) not in given:
                    tried += 1
                    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
                        client._make_api_call(operation, named(client, operation, queue))
    assert tried > len(everything())


def named(client: Any, operation: str, queue: str) -> dict[str, str]:
    """The parameters that say which queue an operation is about."""
    known = {
        "QueueUrl": f"{client.meta.endpoint_url}/{PLACE.account}/{queue}",
        "QueueName": queue,
        "SourceArn": PLACE.queue(queue),
    }
    members = client.meta.service_model.operation_model(operation).input_shape.members
    return {name: value for name, value in known.items() if name in members}


def test_an_api_writes_nothing(role, moto_endpoint):
    """S7: neither to its table nor to another."""
    who, policy = role("api")
    table = min(arn for _, arn in rights(policy) if "table/" in arn).partition("table/")[2]
    client = boto3.client(
        "dynamodb",
        endpoint_url=moto_endpoint,
        region_name=PLACE.region,
        aws_access_key_id=who.access_key,
        aws_secret_access_key=who.secret,
    )
    with closed_gate():
        for name in (table, "others"):
            with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
                client.put_item(TableName=name, Item={"id": {"S": "x"}})
        with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
            client.get_item(TableName="others", Key={"id": {"S": "x"}})


@pytest.mark.parametrize(
    ("name", "denied"),
    [
        ("producer", {"get", "delete", "put_result"}),
        ("worker", {"put"}),
        ("admin", {"get", "put", "delete", "put_result"}),
        ("api", {"get", "put", "delete", "put_result"}),
    ],
)
def test_blobs_are_out_of_reach_of_those_who_need_them_not(name, denied, role, moto_endpoint):
    """S7: of the app's own prefix; and nobody touches what is beside it."""
    who, _ = role(name)
    client = boto3.client(
        "s3",
        endpoint_url=moto_endpoint,
        region_name=PLACE.region,
        aws_access_key_id=who.access_key,
        aws_secret_access_key=who.secret,
    )
    bucket = os.environ["BUCKET"]
    ways: dict[str, Callable[[str], object]] = {
        "put": lambda key: client.put_object(Bucket=bucket, Key=f"{key}arguments/x", Body=b""),
        "put_result": lambda key: client.put_object(Bucket=bucket, Key=f"{key}results/x", Body=b""),
        "get": lambda key: client.get_object(Bucket=bucket, Key=f"{key}arguments/x"),
        "delete": lambda key: client.delete_object(Bucket=bucket, Key=f"{key}arguments/x"),
    }
    root("s3", moto_endpoint).put_object(Bucket=bucket, Key="shop/arguments/x", Body=b"")
    with closed_gate():
        assert {way for way, call in ways.items() if is_denied(call, "shop/")} == denied
        assert {way for way, call in ways.items() if is_denied(call, "shop2/")} == ways.keys()


def is_denied(call: Callable[[str], object], key: str) -> bool:
    try:
        call(key)
    except botocore.exceptions.ClientError as refusal:
        return "AccessDenied" in str(refusal)
    return False


def test_a_producer_that_would_work_is_told_so(target, role, monkeypatch):
    """S7: one message says which right is missing."""
    app = load_app(target)
    admin, producer = role("admin")[0], role("producer")[0]
    monkeypatch.delenv("SQSJOBS_STORE")
    with closed_gate():
        for variable, value in admin.environment.items():
            monkeypatch.setenv(variable, value)
        assert run(["queues", "apply", target]) == 0
        for variable, value in producer.environment.items():
            monkeypatch.setenv(variable, value)
        with pytest.raises(AccessDenied, match="GetQueueAttributes"):
            asyncio.run(work(app))
