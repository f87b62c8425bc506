"""Compressed envelopes, and bombs."""

from __future__ import annotations

import json
import tracemalloc
import zlib

import pytest
from msgspec.structs import replace
from tests.sealing.samples import JOB, NEW, Clock, refusal, sealing

from sqsjobs import ConfigurationError, Encryption, EnvelopeOverLimit, InvalidEnvelope
from sqsjobs.envelope import encode
from sqsjobs.sealing import AesKey, Sealing
from sqsjobs.sealing.compression import MOST_BYTES, MOST_RATIO, deflated, inflated
from sqsjobs.sealing.sealed import to_base64

LONG = replace(JOB, arguments=json.dumps({"rows": [{"row": n, "name": "a name"} for n in range(2000)]}).encode())


async def test_long_envelopes_are_compressed_where_that_is_wanted():
    """S16: off by default; short ones and what does not shrink stay as they are."""
    plain, small = Sealing(clock=Clock()), Sealing(compress_over=1000, clock=Clock())
    assert await plain.seal(LONG) == encode(LONG)
    assert await small.seal(JOB) == encode(JOB)
    body = await small.seal(LONG)
    assert len(body) < len(encode(LONG)) / 3
    assert await plain.open(body, queue="images", message_id="m") == LONG  # whoever reads it need not be told


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("encrypted", [False, True])
async def test_compression_goes_with_every_other_layer(signed, encrypted):
    layers = Sealing(
        signing=sealing(NEW).signing if signed else None,
        encryption=Encryption([AesKey("e", b"e" * 32)]) if encrypted else None,
        compress_over=100,
        clock=Clock(),
    )
    body = await layers.seal(LONG)
    assert await layers.open(body, queue="images", message_id="m") == LONG
    assert len(body) < len(encode(LONG)) / 3


def test_a_bomb_is_refused_within_bounds():
    """S16: 194 kB that would be 200 MB never come to be; neither does the limit several times over."""
    bomb = zlib.compress(bytes(200_000_000), 9)
    assert len(bomb) < 200_000
    tracemalloc.start()
    with pytest.raises(EnvelopeOverLimit, match="4,194,304 inflated bytes"):
        inflated(bomb)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2.5 * MOST_BYTES


def test_the_ratio_is_bounded_as_well():
    """S16: a few kilobytes are not worth megabytes."""
    small = zlib.compress(bytes(1_000_000), 9)
    assert len(small) * MOST_RATIO < 1_000_000
    with pytest.raises(EnvelopeOverLimit):
        inflated(small)
    assert inflated(zlib.compress(bytes(60_000))) == bytes(60_000)


@pytest.mark.parametrize("small", [b"", b"x", zlib.compress(b"a" * 99)[:-1], zlib.compress(b"a") + b"b"])
def test_what_is_not_compressed_is_no_envelope(small):
    with pytest.raises(InvalidEnvelope):
        inflated(small)


def test_nothing_is_compressed_that_would_be_refused():
    """S16: the sender knows the same bounds."""
    for content in (b"a" * 1_000_000, b"a" * (MOST_BYTES + 1), bytes(range(256)), b""):
        small = deflated(content)
        assert small is None or inflated(small) == content
    assert deflated(b"a" * 1_000_000) is None
    assert deflated(b"ab" * 200) is not None


async def test_a_sealed_bomb_is_poison():
    """S16: with its reason, whatever its header says."""
    header = {"queue": "images", "task": "t", "id": JOB.id, "issued_at": 0, "expires_at": 9e9}
    for said, content, reason in (
        ("zlib", to_base64(zlib.compress(bytes(9_000_000))), "over-limit"),
        ("zlib", "!", "invalid-envelope"),
        ("zlib", to_base64(zlib.compress(b"\xff\xfe")), "invalid-envelope"),
        ("zstd", to_base64(zlib.compress(b"{}")), "invalid-envelope"),
    ):
        body = {"sqsjobs": 2, "header": json.dumps({**header, "compressed": said}), "content": content}
        assert await refusal(Sealing(clock=Clock()), json.dumps(body)) == reason


def test_a_threshold_that_cannot_be_is_refused():
    with pytest.raises(ConfigurationError, match="compress_over"):
        Sealing(compress_over=-1)
