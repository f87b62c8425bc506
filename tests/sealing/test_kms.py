"""Data keys from KMS, by moto's server: bound to their queue, used within bounds, and patient when KMS is away."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable

import aioboto3
import pytest
from botocore.exceptions import ClientError
from tests.sealing.samples import JOB, Clock, refusal
from tests.worker.virtual import virtually

from sqsjobs import AesKey, ConfigurationError, DataKeyCache, Encryption, KeysUnavailable, KmsKey
from sqsjobs import events as ev
from sqsjobs.job import JobStatus
from sqsjobs.sealing import Sealing
from sqsjobs.sealing.encryption_keys import DataKey
from sqsjobs.sealing.kms_client import KmsClient
from sqsjobs.sealing.sealed import to_base64

QUEUE = {"sqsjobs:queue": "images"}


def session() -> aioboto3.Session:
    return aioboto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="eu-west-1")


@pytest.fixture
async def key_arn(moto_endpoint):
    async with session().client("kms", endpoint_url=moto_endpoint) as kms:
        return (await kms.create_key())["KeyMetadata"]["Arn"]


class Asked:
    """A session factory whose clients count their calls."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def __call__(self) -> aioboto3.Session:
        made = session()
        made._session.register("before-call.kms", self._count)
        return made

    def _count(self, model, **_: object) -> None:
        self.calls[model.name] += 1


class Refusing:
    """A client of botocore's kind that refuses to decrypt."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.asked: dict[str, object] = {}

    async def decrypt(self, **asked: object) -> None:
        self.asked = asked
        raise ClientError({"Error": {"Code": self.code, "Message": "no"}}, "Decrypt")


def kms_key(arn: str, endpoint: str, asked: Callable[[], aioboto3.Session] = session, **options) -> KmsKey:
    return KmsKey("kms-1", arn, endpoint_url=endpoint, session_factory=asked, **options)


async def test_jobs_are_encrypted_with_one_data_key_and_opened_with_one_call(key_arn, moto_endpoint):
    """S5: GenerateDataKey once by the producer, Decrypt once by the worker, however many jobs."""
    sending, working = Asked(), Asked()
    producer = Sealing(encryption=Encryption([kms_key(key_arn, moto_endpoint, sending)]), clock=Clock())
    worker = Sealing(encryption=Encryption([kms_key(key_arn, moto_endpoint, working)]), clock=Clock())
    async with producer, worker:
        bodies = await asyncio.gather(*(producer.seal(JOB) for _ in range(50)))
        opened = await asyncio.gather(*(worker.open(body, queue="images", message_id="m") for body in bodies))
    assert opened == [JOB] * 50
    assert (sending.calls, working.calls) == ({"GenerateDataKey": 1}, {"Decrypt": 1})
    said = json.loads(json.loads(bodies[0])["header"])["encrypted"]
    assert said["key"] == "kms-1"
    assert len({json.loads(json.loads(body)["header"])["encrypted"]["salt"] for body in bodies}) == 50


async def test_a_data_key_is_bound_to_its_queue(key_arn, moto_endpoint):
    """S5: by KMS's encryption context, which its log shows, too."""
    async with kms_key(key_arn, moto_endpoint) as key:
        made = await key.fresh(QUEUE, 10)
        assert await key.unwrapped(made.wrapped, QUEUE) == made.secret
        assert await key.unwrapped(made.wrapped, {"sqsjobs:queue": "other"}) is None
        for nonsense in ("", "!", to_base64(b"x" * 10), to_base64(b"x" * 9000)):
            assert await key.unwrapped(nonsense, QUEUE) is None


async def test_the_use_of_a_data_key_is_bounded(key_arn, moto_endpoint):
    """S5: by age, messages, bytes, and the number that is remembered; each queue has its own."""
    asked, now = Asked(), [0.0]
    cache = DataKeyCache(age=100, messages=5, bytes=1000, keys=2)
    async with kms_key(key_arn, moto_endpoint, asked, cache=cache, now=lambda: now[0]) as key:
        made = [await key.fresh(QUEUE, 10) for _ in range(6)]  # the sixth message
        assert len({it.wrapped for it in made}) == asked.calls["GenerateDataKey"] == 2
        await key.fresh(QUEUE, 991)  # more bytes than are left
        assert asked.calls["GenerateDataKey"] == 3
        now[0] = 100.0  # too old
        await key.fresh(QUEUE, 1)
        assert asked.calls["GenerateDataKey"] == 4
        await key.fresh({"sqsjobs:queue": "other"}, 1)  # another queue
        assert asked.calls["GenerateDataKey"] == 5

        wrapped = [(await key.fresh(QUEUE, 1001)).wrapped for _ in range(3)]
        for one in (*wrapped, wrapped[2], wrapped[1]):
            await key.unwrapped(one, QUEUE)
        assert asked.calls["Decrypt"] == 3
        await key.unwrapped(wrapped[0], QUEUE)  # forgotten for the third
        assert asked.calls["Decrypt"] == 4
        now[0] = 200.0
        await key.unwrapped(wrapped[0], QUEUE)
        assert asked.calls["Decrypt"] == 5


async def test_a_ring_has_keys_of_every_kind(key_arn, moto_endpoint):
    """S5: so that one can move from a shared secret to KMS, and back."""
    first = Sealing(encryption=Encryption([kms_key(key_arn, moto_endpoint)]), clock=Clock())
    ring = Encryption([AesKey("e", b"e" * 32), kms_key(key_arn, moto_endpoint)])
    both = Sealing(encryption=ring, clock=Clock())
    async with first, both:
        assert await both.open(await first.seal(JOB), queue="images", message_id="m") == JOB
        assert await refusal(both, await both.seal(JOB)) == ""
        assert await refusal(first, await both.seal(JOB)) == "unknown-key"


@pytest.mark.parametrize("code", ["IncorrectKeyException", "InvalidCiphertextException"])
async def test_what_another_kms_key_has_encrypted_is_poison(code):
    """S5: KMS says so where it is told which key to use (Decrypt, `IncorrectKeyException`); moto does not know that error."""
    refusing = Refusing(code)
    assert await KmsClient(refusing).decrypt("our-key", b"wrapped", QUEUE) is None
    assert refusing.asked["KeyId"] == "our-key"


@pytest.mark.parametrize("code", ["ThrottlingException", "AccessDeniedException", "DisabledException"])
async def test_a_service_that_refuses_is_not_the_messages_fault(key_arn, moto_endpoint, code):
    """R67: the error says so, nothing is poison, and the worker is ready again when KMS answers."""
    async with kms_key(key_arn, moto_endpoint) as key:
        made = await key.fresh(QUEUE, 1)
        answering, key._client = key._client, KmsClient(Refusing(code))
        with pytest.raises(KeysUnavailable, match="Decrypt with arn:aws:kms") as caught:
            await key.unwrapped(made.wrapped, QUEUE)
        assert caught.value.code == code
        assert code in Encryption([key]).problem
        key._client = answering
        assert await key.unwrapped(made.wrapped, QUEUE) == made.secret
        assert key.problem == ""


async def test_a_service_that_cannot_be_reached_is_not_the_messages_fault(key_arn):
    """R67: nothing is sent; the caller hears why."""
    async with kms_key(key_arn, "http://127.0.0.1:9") as away:
        with pytest.raises(KeysUnavailable, match="GenerateDataKey"):
            await away.fresh(QUEUE, 1)


class Moody(AesKey):
    """A key whose service answers when it likes."""

    away = True

    async def unwrapped(self, wrapped, context):
        if Moody.away:
            raise KeysUnavailable("KMS Decrypt failed: ThrottlingException", code="ThrottlingException")
        return await super().unwrapped(wrapped, context)


@virtually
async def test_jobs_wait_while_the_key_service_is_away(rig):
    """R67: messages are given back unread and run later; polling pauses; nothing is dead-lettered."""

    @rig.task()
    async def add(a: int) -> int:
        return a

    layers = Sealing(encryption=Encryption([Moody("k", b"k" * 32)]), clock=rig.clock)
    Moody.away = True
    job = rig.job(add, a=1)
    await rig.send_body(await layers.seal(job))
    async with rig.working(sealing=layers):
        settled = await rig.events.wait(ev.JobSettled)
        assert (type(settled.outcome).__name__, settled.disposition) == ("KeysDown", "hide")
        assert rig.events.one(ev.PollPaused).reason == "the key service does not answer"
        Moody.away = False
        await rig.events.wait(ev.JobSettled, lambda event: event.disposition == "delete")
    assert (await rig.record(job.id)).status is JobStatus.SUCCEEDED
    assert list(rig.dead_letters()) == []


def test_a_kms_key_is_written_and_read():
    """S9: key, region and endpoint come from configuration; a message only names an id."""
    arn = "arn:aws:kms:eu-central-1:123456789012:key/1234"
    (key,) = Encryption([f"kms:main:{arn}"])._keys
    assert isinstance(key, KmsKey)
    assert (key.id, key.key_id, key._region, key.text) == ("main", arn, "eu-central-1", f"kms:main:{arn}")
    (alias,) = Encryption(["kms:main:alias/jobs"])._keys
    assert isinstance(alias, KmsKey)
    assert alias._region is None
    assert repr(alias) == "<KmsKey 'main': alias/jobs, not open>"


async def test_a_kms_key_that_is_not_open_says_so():
    with pytest.raises(ConfigurationError, match="is not open"):
        await KmsKey("k", "alias/jobs").fresh(QUEUE, 1)
    with pytest.raises(ConfigurationError, match="above 0"):
        DataKeyCache(age=0)


def test_a_data_key_is_never_shown():
    """S13."""
    assert "secret" not in repr(DataKey(b"secret" * 6))
