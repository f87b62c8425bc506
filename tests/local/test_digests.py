"""The MD5 digests, against those that AWS has been recorded to send."""

from __future__ import annotations

import pytest

from sqsjobs.local.digests import attributes_digest, body_digest
from sqsjobs.transport.model import AttributeValue


@pytest.mark.parametrize(
    ("body", "digest"),
    [("msg", "6e2baaf3b97dbeef01c0043275f9a0e7"), ("message-1", "3d6b824fd8c1520e9a047d21fee6fb1f")],
)
def test_bodies(body: str, digest: str) -> None:
    assert body_digest(body) == digest


@pytest.mark.parametrize(
    ("attributes", "digest"),
    [
        ({"Foo": "Bar"}, "ae7155c6026991b6d54b11589678bf9c"),
        ({"MyAttribute": "foobar"}, "adb59cd4678ea5a855436b949cd07ab6"),
        ({"Help.Me": "Me", "Hello": "There", "General": "Kenobi"}, "4c360f3fdafd970e05fae2f149d997f5"),
        ({"Hello": "There", "General": "Kenobi"}, "fca026605781cb4126a1e9044df24232"),
    ],
)
def test_attributes_of_text(attributes: dict[str, str], digest: str) -> None:
    assert attributes_digest({name: AttributeValue("String", value) for name, value in attributes.items()}) == digest


def test_binary_attributes_differ_from_text() -> None:
    assert attributes_digest({"a": AttributeValue("Binary", b"v")}) != attributes_digest(
        {"a": AttributeValue("Binary", "v")}
    )


def test_no_attributes_have_no_digest() -> None:
    assert attributes_digest({}) is None
