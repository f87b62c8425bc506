"""Signed envelopes: whoever has no key gets nothing past a worker that requires signatures."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
from base64 import urlsafe_b64encode

import pytest
from msgspec.structs import replace
from tests.sealing.samples import JOB, NEW, NOW, OLD, PRIVATE, Clock, refusal, refusals, sealing

from sqsjobs import ConfigurationError, Ed25519Key, Ed25519PublicKey, HmacKey, Signing, UntrustedEnvelope
from sqsjobs.envelope import encode
from sqsjobs.job import JobId, new_job_id
from sqsjobs.sealing import Sealing


def b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def by_hand(header: dict[str, object], content: str, key: bytes = NEW.secret, **wire: object) -> str:
    """A sealed message as another language would write it: from the documentation alone."""
    text = json.dumps(header)
    tag = hmac.new(key, f"sqsjobs.2\n{text}\n{content}".encode(), hashlib.sha256).digest()
    return json.dumps({"sqsjobs": 2, "header": text, "content": content, "signature": b64(tag), **wire})


def header(**changes: object) -> dict[str, object]:
    return {
        "queue": "images",
        "task": "resize",
        "id": JOB.id,
        "issued_at": NOW,
        "expires_at": NOW + 60,
        "signed": {"key": NEW.id, "algorithm": "HS256"},
        **changes,
    }


async def test_what_is_sealed_is_opened_as_it_was():
    """S3: by every key of the ring, with and without a wish for signatures."""
    for key in (OLD, NEW, PRIVATE):
        body = await sealing(key).seal(JOB)
        for required in (True, False):
            job = await sealing(NEW, OLD, PRIVATE, require_signature=required).open(
                body, queue="images", message_id="m"
            )
            assert job == JOB


async def test_the_form_on_the_wire_is_the_documented_one():
    """S3: a known answer, made by hand with the standard library."""
    body = await sealing(NEW).seal(JOB)
    fields = json.loads(body)
    assert fields.keys() == {"sqsjobs", "header", "content", "signature"}
    assert fields["sqsjobs"] == 2
    assert fields["content"] == encode(JOB)
    assert json.loads(fields["header"]) == header(expires_at=NOW + 15 * 86_400)
    tag = hmac.new(NEW.secret, f"sqsjobs.2\n{fields['header']}\n{fields['content']}".encode(), hashlib.sha256).digest()
    assert fields["signature"] == b64(tag)


async def test_another_language_can_sign():
    """S3: with spaces in its JSON, and fields in any order; version and arguments are checked as ever."""
    layers = sealing(NEW)
    assert await refusal(layers, by_hand(header(), encode(JOB))) == ""
    assert await refusal(layers, by_hand(header(), encode(JOB).replace("200", "300"))) == ""
    assert await refusal(layers, by_hand(header(), json.dumps({"sqsjobs": 3, "task": "t"}))) == "unsupported-version"
    assert await refusal(layers, by_hand(header(), "{}")) == "invalid-envelope"


@pytest.mark.parametrize("key", [NEW, PRIVATE], ids=["hmac", "ed25519"])
async def test_no_flipped_bit_gets_through(key):
    """S3: every bit of signed messages, as characters and as bytes of UTF-8."""
    layers = sealing(NEW, PRIVATE)
    body = (await sealing(key).seal(replace(JOB, arguments='{"key":"\\u00e9é￾😀"}'.encode()))).encode()
    accepted = []
    for place, bit in itertools.product(range(len(body)), range(8)):
        flipped = body[:place] + bytes([body[place] ^ 1 << bit]) + body[place + 1 :]
        text = flipped.decode("utf-8", "surrogateescape")
        if not await refusal(layers, text):
            accepted.append((place, bit))
    assert accepted == []


async def test_a_signature_cannot_be_downgraded():
    """S3: stripped, emptied, moved, of another algorithm or key: each to the dead-letter queue with its reason."""
    layers = sealing(NEW, OLD, PRIVATE)
    signed = json.loads(await sealing(NEW).seal(JOB))
    bare = json.dumps({"sqsjobs": 2, "header": json.dumps(header(signed=None)), "content": signed["content"]})
    public_as_secret = HmacKey(PRIVATE.id, PRIVATE.public.key)
    bodies = {
        encode(JOB): "unsigned",
        bare: "unsigned",
        json.dumps({**signed, "signature": ""}): "bad-signature",
        by_hand(header(signed=None), encode(JOB)): "bad-signature",
        by_hand(header(signed={"key": NEW.id, "algorithm": "none"}), encode(JOB)): "bad-signature",
        by_hand(header(signed={"key": NEW.id, "algorithm": "EdDSA"}), encode(JOB)): "bad-signature",
        by_hand(header(signed={"key": "", "algorithm": "HS256"}), encode(JOB), b""): "unknown-key",
        by_hand(header(signed={"key": "who", "algorithm": "HS256"}), encode(JOB), b""): "unknown-key",
        by_hand(header(signed={"key": OLD.id, "algorithm": "HS256"}), encode(JOB)): "bad-signature",
        by_hand(header(), encode(JOB), b""): "bad-signature",
        by_hand(
            header(signed={"key": PRIVATE.id, "algorithm": "HS256"}), encode(JOB), public_as_secret.secret
        ): "bad-signature",
        json.dumps({**signed, "signature": signed["signature"] + "="}): "bad-signature",
        json.dumps({**signed, "signature": "é" * 43}): "bad-signature",
        json.dumps({**signed, "sqsjobs": 1}): "unsigned",
        json.dumps({**signed, "sqsjobs": 3}): "unsupported-version",
        json.dumps({**json.loads(encode(JOB)), "signature": signed["signature"]}): "unsigned",
        "{}": "invalid-envelope",
        "garbage": "invalid-envelope",
    }
    assert await refusals(layers, list(bodies)) == list(bodies.values())


@pytest.mark.parametrize("content", ["no envelope", '{"sqsjobs": 9}', "[" * 100_000])
async def test_what_nobody_with_a_key_has_signed_is_not_even_parsed(content):
    """S3: whatever is wrong with the content, the first thing that is found is the signature."""
    assert await refusal(sealing(NEW), by_hand(header(), content, b"a guess")) == "bad-signature"
    assert await refusal(sealing(NEW), by_hand(header(), content)) != "bad-signature"


async def test_where_signatures_are_not_required_a_wrong_one_is_refused_all_the_same():
    """S3: what EventBridge or a shell sends goes through unsigned; a signature that is there has to be right."""
    layers = sealing(NEW, require_signature=False)
    assert await refusal(layers, encode(JOB)) == ""
    assert await refusal(layers, '{"sqsjobs": 1, "task": "resize", "args": {}}') == ""
    signed = json.loads(await sealing(NEW).seal(JOB))
    assert await refusal(layers, json.dumps({**signed, "signature": ""})) == "bad-signature"
    assert await refusal(layers, json.dumps({**signed, "content": encode(replace(JOB, task="rm"))})) == "bad-signature"


async def test_a_worker_without_keys_takes_what_is_signed():
    """S26: it takes anything unsigned, so producers may be the first to sign; but not what it does not know."""
    body = await sealing(NEW).seal(JOB)
    assert await refusal(Sealing(clock=Clock()), body) == ""
    assert await refusal(Sealing(clock=Clock()), body, queue="other") == "wrong-queue"


async def test_a_message_runs_where_it_was_sent_to_and_nowhere_else():
    """S4: the matrix of queues, tasks and environments: a copy of a signed message is taken in its own cell alone."""
    queues, tasks, environments = ("images", "mails", "images.fifo"), ("resize", "rotate"), ("production", "staging")
    for cell in itertools.product(queues, tasks, environments):
        queue, task, environment = cell
        body = await sealing(NEW, environment=environment).seal(replace(JOB, queue=queue, task=task))
        for there in itertools.product(queues, environments):
            refused = await refusal(sealing(NEW, environment=there[1]), body, there[0])
            assert bool(refused) == (there != (queue, environment)), (cell, there)
        for other_task in set(tasks) - {task}:
            wire = json.loads(body)
            wire["content"] = encode(replace(JOB, task=other_task, queue=queue))
            assert await refusal(sealing(NEW, environment=environment), json.dumps(wire), queue) == "bad-signature"


async def test_content_and_header_speak_of_one_job():
    """S4: also of one that a key's owner has signed: its header is what logs and dead letters go by."""
    layers = sealing(NEW)
    assert await refusal(layers, by_hand(header(task="rotate"), encode(JOB))) == "mismatch"
    assert await refusal(layers, by_hand(header(id=str(new_job_id())), encode(JOB))) == "mismatch"
    assert await refusal(layers, by_hand(header(), encode(replace(JOB, id=JobId("a" * 16))))) == "mismatch"


async def test_a_queue_is_the_same_by_name_and_by_url():
    """S4: its identity is the name at SQS, prefix included."""
    body = await sealing(NEW, queue_prefix="prod-").seal(JOB)
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/"
    assert await refusal(sealing(NEW, queue_prefix="prod-"), body) == ""
    assert await refusal(sealing(NEW), body, url + "prod-images") == ""
    assert await refusal(sealing(NEW, queue_prefix="prod-"), body, url + "images") == "wrong-queue"
    assert await refusal(sealing(NEW, queue_prefix="staging-"), body) == "wrong-queue"


async def test_a_seal_holds_for_its_time():
    """S4: a replay that is older than the done-record of its job is refused."""
    clock = Clock()
    body = await sealing(NEW, valid_for=100).seal(JOB)
    layers = sealing(NEW, clock=clock)
    clock.time = NOW + 99
    assert await refusal(layers, body) == ""
    clock.time = NOW + 100
    assert await refusal(layers, body) == "expired"
    with pytest.raises(UntrustedEnvelope, match="it held until 2025-11-13T02:15:00"):
        await layers.open(body, queue="images", message_id="m")
    assert await layers.open(body, queue="images", message_id="m", expired=True) == JOB
    assert await refusal(layers, by_hand(header(expires_at=1e300), encode(JOB))) == ""
    assert await refusal(layers, by_hand(header(expires_at=-1e300), encode(JOB))) == "expired"


async def test_old_and_new_workers_get_along():
    """S26: an envelope of version 1 runs everywhere but where signatures are required; a sealed one is never half read."""
    plain, signed = encode(JOB), await sealing(NEW).seal(JOB)
    keyless, lenient, strict = Sealing(clock=Clock()), sealing(NEW, require_signature=False), sealing(NEW)
    assert await refusals(keyless, [plain, signed]) == ["", ""]
    assert await refusals(lenient, [plain, signed]) == ["", ""]
    assert await refusals(strict, [plain, signed]) == ["unsigned", ""]
    for layers in (keyless, lenient, strict):
        assert await refusal(layers, signed.replace('"sqsjobs":2', '"sqsjobs":3')) == "unsupported-version"


async def test_rotation_refuses_nothing_that_is_on_its_way():
    """S6: teach the workers the new key, let it sign, forget the old one when what it signed is gone."""
    by_old, by_new = await sealing(OLD).seal(JOB), await sealing(NEW, OLD).seal(JOB)
    assert json.loads(json.loads(by_new)["header"])["signed"]["key"] == NEW.id
    assert await refusals(sealing(OLD, NEW), [by_old, by_new]) == ["", ""]
    assert await refusals(sealing(NEW, OLD), [by_old, by_new]) == ["", ""]
    assert await refusals(sealing(NEW), [by_old, by_new]) == ["unknown-key", ""]


async def test_a_revoked_key_is_refused_though_it_is_there():
    """S6: at once, and with a reason of its own."""
    by_old, by_new = await sealing(OLD).seal(JOB), await sealing(NEW).seal(JOB)
    layers = sealing(OLD, NEW, revoked=[OLD.id])
    assert await refusals(layers, [by_old, by_new]) == ["revoked-key", ""]
    assert json.loads(json.loads(await layers.seal(JOB))["header"])["signed"]["key"] == NEW.id
    with pytest.raises(ConfigurationError, match="not revoked"):
        Signing([OLD], revoked=[OLD.id])


async def test_workers_can_verify_what_they_cannot_sign():
    """S3: with a public key alone, a worker forges nothing; and says so where it is asked to send."""
    worker = sealing(PRIVATE.public)
    assert await refusal(worker, await sealing(PRIVATE).seal(JOB)) == ""
    assert not worker.can_seal
    with pytest.raises(ConfigurationError, match="no key here can sign"):
        await worker.seal(JOB)
    assert sealing(PRIVATE).can_seal
    assert Sealing().can_seal


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ([], "needs a key"),
        ([b""], None),
        (["hmac:a:" + b64(b"short")], "'a' has 5 bytes, and needs 32"),
        (["hmac:a:"], "is written hmac:ID"),
        (["hmac:a b:" + b64(b"s" * 32)], "the id of a key"),
        (["ed25519:a:" + b64(b"s" * 31)], "has 31 bytes, not 32"),
        (["rsa:a:" + b64(b"s" * 32)], "is written hmac:ID"),
        (["hmac:a:$$$$"], "'a' is not base64"),
        ([OLD, HmacKey(OLD.id, b"x" * 32)], "two signing keys have one id"),
    ],
)
def test_keys_that_cannot_be_are_refused_without_being_quoted(keys, problem):
    """S13: an error says which key, and never its secret."""
    if problem is None:
        with pytest.raises(ConfigurationError, match="has 0 bytes"):
            HmacKey("empty", b"")
        return
    with pytest.raises(ConfigurationError, match=problem) as caught:
        Signing(keys)
    assert b64(b"s" * 31)[:20] not in str(caught.value)
    assert "$$$$" not in str(caught.value)


@pytest.mark.parametrize("valid_for", [0, -1, float("nan"), float("inf")])
def test_a_seal_that_would_never_hold_or_for_ever_is_refused(valid_for):
    with pytest.raises(ConfigurationError, match="valid_for"):
        Signing([NEW], valid_for=valid_for)


def test_a_key_is_written_and_read_and_never_shown():
    """S13: its text has the secret, its repr and that of what holds it do not."""
    for key in (HmacKey.new("k1"), Ed25519Key.new("k2"), Ed25519Key.new("k3").public):
        (again,) = Signing([key.text])._keys
        assert again == key
        material = key.text.rpartition(":")[2]
        for told in (repr(key), str(key), repr(Signing([key])), repr(sealing(key))):
            assert material not in told
            assert repr(getattr(key, "secret", b"-")) not in told
    assert isinstance(Ed25519Key.new("k").public, Ed25519PublicKey)


def test_ed25519_gives_the_known_answer():
    """RFC 8032, section 7.1, test 2."""
    key = Ed25519Key("rfc", bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
    assert key.public.key.hex() == "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    signature = key.sign(b"\x72")
    assert signature.hex().startswith("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da")
    assert key.verifies(signature, b"\x72")
    assert not key.verifies(signature, b"\x73")
    assert not key.verifies(b"", b"\x72")


def test_hmac_gives_the_known_answer():
    """RFC 4231, section 4.7 (test case 6)."""
    key = HmacKey("rfc", b"\xaa" * 131)
    signature = key.sign(b"Test Using Larger Than Block-Size Key - Hash Key First")
    assert signature.hex() == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
