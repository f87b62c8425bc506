"""Encrypted envelopes: read by nobody without the key, in no other place, and in one way alone."""

from __future__ import annotations

import itertools
import json
from base64 import urlsafe_b64decode

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec.structs import replace
from tests.canaries import canary_key
from tests.sealing.samples import JOB, NEW, Clock, refusal, refusals, sealing

from sqsjobs import AesKey, ConfigurationError, Encryption
from sqsjobs.envelope import encode
from sqsjobs.sealing import Sealing, ciphers
from sqsjobs.sealing.encryption_keys import DataKey
from sqsjobs.sealing.message_key import MessageKey

FIRST, SECOND = AesKey("e-2026-05", canary_key("FIRST")), AesKey("e-2026-11", canary_key("SECOND"))
SECRET_WORD = "cucumber"
PRIVATE_JOB = replace(JOB, arguments=f'{{"name":"{SECRET_WORD}"}}'.encode(), headers={"who": SECRET_WORD})


def encrypting(*keys, **options) -> Sealing:
    return Sealing(encryption=Encryption(keys or (FIRST,), **options), clock=Clock())


def raw(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


async def test_what_is_encrypted_is_decrypted_as_it_was():
    """S5: alone, and under a signature; nothing of arguments and headers is in the body."""
    for layers in (encrypting(), Sealing(signing=sealing(NEW).signing, encryption=Encryption([FIRST]), clock=Clock())):
        body = await layers.seal(PRIVATE_JOB)
        assert await layers.open(body, queue="images", message_id="m") == PRIVATE_JOB
        assert SECRET_WORD not in body
        assert (JOB.task in body, JOB.id in body) == (True, True)  # what logs and dead letters go by


async def test_the_form_on_the_wire_is_the_documented_one():
    """S5: a known answer, undone with HKDF and AES-GCM of another hand."""
    fields = json.loads(await encrypting().seal(PRIVATE_JOB))
    said = json.loads(fields["header"])["encrypted"]
    assert (said["key"], said["algorithm"]) == (FIRST.id, "A256GCM")
    assert (len(raw(said["nonce"])), len(raw(said["salt"]))) == (12, 16)
    derived = HKDF(hashes.SHA256(), 64, raw(said["salt"]), b"sqsjobs.2 A256GCM").derive(FIRST.secret)
    assert raw(said["commitment"]) == derived[32:]
    bound = f"sqsjobs.2\n{fields['header']}".encode()
    content = AESGCM(derived[:32]).decrypt(raw(said["nonce"]), raw(fields["content"]), bound)
    assert content.decode() == encode(PRIVATE_JOB)


def test_aes_gcm_gives_the_known_answer():
    """McGrew and Viega, The Galois/Counter Mode of Operation, test case 16."""
    key = bytes.fromhex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308")
    plain = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    bound = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    nonce = bytes.fromhex("cafebabefacedbaddecaf888")
    ciphertext = ciphers.encrypted(key, nonce, plain, bound)
    assert ciphertext[-16:].hex() == "76fc6ece0f4e1768cddf8853bb2d551b"
    assert ciphers.decrypted(key, nonce, ciphertext, bound) == plain
    assert ciphers.decrypted(key, nonce, ciphertext, bound + b"x") is None
    assert ciphers.decrypted(key, nonce, b"", bound) is None


async def test_no_flipped_bit_is_decrypted():
    """S5: every bit of header (what it is bound to, nonce, salt, commitment) and content (ciphertext, tag)."""
    layers = encrypting()
    body = (await layers.seal(PRIVATE_JOB)).encode()
    accepted = []
    for place, bit in itertools.product(range(len(body)), range(8)):
        flipped = body[:place] + bytes([body[place] ^ 1 << bit]) + body[place + 1 :]
        if not await refusal(layers, flipped.decode("utf-8", "surrogateescape")):
            accepted.append((place, bit))
    assert accepted == []


async def test_a_ciphertext_is_bound_to_its_place_and_header():
    """S5: to queue, task, job, environment and version: a header of another message, or a changed one, opens nothing."""
    layers = encrypting()
    one, other = [json.loads(await layers.seal(replace(PRIVATE_JOB, task=task))) for task in ("resize", "rotate")]
    assert await refusal(layers, json.dumps({**one, "header": other["header"]})) == "undecryptable"
    for field, value in {"task": "rotate", "id": "x" * 16, "expires_at": 9e9, "environment": "staging"}.items():
        changed = json.dumps(json.loads(one["header"]) | {field: value}, separators=(",", ":"))
        wanted = "wrong-environment" if field == "environment" else "undecryptable"
        assert await refusal(layers, json.dumps({**one, "header": changed})) == wanted, field
    assert await refusal(layers, json.dumps(one), "other") == "wrong-queue"
    assert await refusal(layers, json.dumps({**one, "content": one["content"][:-1]})) == "undecryptable"
    assert await refusal(layers, json.dumps({**one, "content": ""})) == "undecryptable"
    assert await refusal(layers, json.dumps({**one, "content": encode(PRIVATE_JOB)})) == "undecryptable"


async def test_encryption_cannot_be_left_out():
    """S5: what is not encrypted is refused, and so is a method or key that is not known."""
    layers = encrypting()
    body = json.loads(await layers.seal(PRIVATE_JOB))
    header = json.loads(body["header"])

    def saying(**changes: object) -> str:
        return json.dumps({**body, "header": json.dumps({**header, "encrypted": header["encrypted"] | changes})})

    bare = json.dumps({**body, "header": json.dumps({**header, "encrypted": None}), "content": encode(JOB)})
    bodies = {
        encode(JOB): "unencrypted",
        bare: "unencrypted",
        saying(algorithm="none"): "undecryptable",
        saying(key="who"): "unknown-key",
        saying(nonce="AAAA"): "undecryptable",
        saying(salt=""): "undecryptable",
        saying(commitment=""): "undecryptable",
        saying(data_key="AAAA"): "undecryptable",
    }
    assert await refusals(layers, list(bodies)) == list(bodies.values())
    assert await refusal(encrypting(require_encryption=False), encode(JOB)) == ""
    assert await refusal(encrypting(require_encryption=False), bare) == ""
    assert await refusal(Sealing(clock=Clock()), json.dumps(body)) == "unknown-key"


async def test_nonces_and_keys_never_repeat():
    """S5: of one data key, every message has a nonce and a salt of its own; `make fuzz` counts a million."""
    data_key = DataKey(b"k" * 32)
    seen = {(key.nonce, said.salt) for key, said in (MessageKey.made("k", data_key) for _ in range(20_000))}
    assert len({nonce for nonce, _ in seen}) == len({salt for _, salt in seen}) == 20_000


async def test_a_key_is_committed_to():
    """S5: a ciphertext that two keys could open is refused by all but the one that its header commits to.

    AES-GCM alone would let somebody who knows both make one; here the other key's worker never gets as far.
    """
    mine, theirs = encrypting(AesKey("k", b"m" * 32)), encrypting(AesKey("k", b"t" * 32))
    body = await mine.seal(PRIVATE_JOB)
    with pytest.raises(Exception, match="the commitment is to another key"):
        await theirs.open(body, queue="images", message_id="m")


async def test_rotation_and_revocation():
    """S5: the first key encrypts, all decrypt; S6: a revoked one does not."""
    by_first, by_second = await encrypting(FIRST).seal(JOB), await encrypting(SECOND, FIRST).seal(JOB)
    assert json.loads(json.loads(by_second)["header"])["encrypted"]["key"] == SECOND.id
    assert await refusals(encrypting(FIRST, SECOND), [by_first, by_second]) == ["", ""]
    assert await refusals(encrypting(SECOND), [by_first, by_second]) == ["unknown-key", ""]
    assert await refusals(encrypting(FIRST, SECOND, revoked=[FIRST.id]), [by_first, by_second]) == ["revoked-key", ""]


async def test_the_signature_is_over_the_ciphertext():
    """S3: encrypt, then sign: what has no valid signature is never decrypted, and no key service asked."""
    asked = []

    class Watched(Encryption):
        async def found_key(self, header):
            asked.append(header)
            return await super().found_key(header)

    layers = Sealing(signing=sealing(NEW).signing, encryption=Watched([FIRST]), clock=Clock())
    body = json.loads(await layers.seal(JOB))
    assert await refusal(layers, json.dumps({**body, "signature": body["signature"][::-1]})) == "bad-signature"
    assert asked == []
    assert await refusal(layers, json.dumps(body)) == ""
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ([], "needs a key"),
        (["aes:a:c2hvcnQ="], "'a' has 5 bytes, not 32"),
        (["hmac:a:c2hvcnQ="], "is written aes:ID:… or kms:ID:…"),
        ([FIRST, AesKey(FIRST.id, b"x" * 32)], "two encryption keys have one id"),
    ],
)
def test_keys_that_cannot_be_are_refused(keys, problem):
    with pytest.raises(ConfigurationError, match=problem):
        Encryption(keys)


def test_a_key_is_written_and_read_and_never_shown():
    """S13."""
    key = AesKey.new("k1")
    (again,) = Encryption([key.text])._keys
    assert again == key
    for told in (repr(key), repr(Encryption([key])), repr(encrypting(key)), repr(DataKey(key.secret))):
        assert key.text.rpartition(":")[2] not in told
        assert repr(key.secret) not in told
