"""Standard Webhooks: the specification's own example, an independent computation, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from sqsjobs import ConfigurationError, InvalidWebhook, Webhook
from sqsjobs.sealing import ciphers

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"another secret of 32 random bytes").decode()
BODY = b'{"test": 2432232314}'
AT = 1614265330
EXAMPLE = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": str(AT),
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


def test_the_example_of_the_specification():
    assert Webhook(SECRET).headers(EXAMPLE["webhook-id"], AT, BODY) == EXAMPLE
    assert Webhook(SECRET).verify(BODY, EXAMPLE, now=AT) == {"test": 2432232314}


def test_the_signature_is_computed_as_anybody_would():
    key = base64.b64decode(OTHER.removeprefix("whsec_"))
    signed = hmac.new(key, b"msg_1.%d.%b" % (AT, BODY), hashlib.sha256).digest()
    headers = Webhook(OTHER).headers("msg_1", AT, BODY)
    assert headers["webhook-signature"] == "v1," + base64.b64encode(signed).decode()


def test_headers_have_whatever_case_and_the_body_may_be_text():
    shouted = {name.title(): value for name, value in EXAMPLE.items()}
    assert Webhook(SECRET).verify(BODY.decode(), shouted, now=AT) == json.loads(BODY)


def test_while_keys_are_exchanged_either_side_may_have_both():
    both = Webhook([OTHER, SECRET]).headers("msg_1", AT, BODY)
    assert len(both["webhook-signature"].split(" ")) == 2
    for receiver in (Webhook(SECRET), Webhook(OTHER), Webhook([SECRET, OTHER])):
        receiver.verify(BODY, both, now=AT)
    Webhook([OTHER, SECRET]).verify(BODY, EXAMPLE, now=AT)


def test_with_ed25519_the_receiver_cannot_forge():
    seed = bytes(range(32))
    private = "whsk_" + base64.b64encode(seed).decode()
    public = Webhook("whpk_" + base64.b64encode(ciphers.ed25519_public(seed)).decode())
    headers = Webhook(private).headers("msg_1", AT, BODY)
    assert headers["webhook-signature"].startswith("v1a,")
    assert public.verify(BODY, headers, now=AT) == json.loads(BODY)
    assert not public.signs
    with pytest.raises(ConfigurationError, match="no key of this webhook signs"):
        public.headers("msg_1", AT, BODY)
    with pytest.raises(InvalidWebhook):
        public.verify(BODY + b" ", headers, now=AT)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"webhook-id": "msg_other"}, "no signature"),
        ({"webhook-id": "msg_\udcff"}, "no text that UTF-8 can hold"),
        ({"webhook-signature": "v1,\udcff"}, "no signature"),
        ({"webhook-timestamp": str(AT + 1)}, "no signature"),
        ({"webhook-timestamp": str(AT - 301)}, "replayed"),
        ({"webhook-timestamp": str(AT + 301)}, "replayed"),
        ({"webhook-timestamp": "yesterday"}, "no whole number"),
        ({"webhook-timestamp": "-1"}, "no whole number"),
        ({"webhook-timestamp": "١٢"}, "no whole number"),
        ({"webhook-signature": ""}, "no signature"),
        ({"webhook-signature": "v1,%%%"}, "no signature"),
        ({"webhook-signature": EXAMPLE["webhook-signature"].replace("v1", "v2")}, "no signature"),
        ({"webhook-signature": EXAMPLE["webhook-signature"].replace("v1", "v1a")}, "no signature"),
        ({"webhook-signature": "v1, " * 40 + EXAMPLE["webhook-signature"]}, "no signature"),
    ],
)
def test_what_is_not_as_it_was_sent_is_refused(change, problem):
    with pytest.raises(InvalidWebhook, match=problem):
        Webhook(SECRET).verify(BODY, EXAMPLE | change, now=AT)


@pytest.mark.parametrize("missing", EXAMPLE)
def test_a_header_that_is_missing_is_named(missing):
    with pytest.raises(InvalidWebhook, match=missing):
        Webhook(SECRET).verify(BODY, {name: value for name, value in EXAMPLE.items() if name != missing}, now=AT)


def test_a_body_that_no_bytes_are_is_refused():
    with pytest.raises(InvalidWebhook, match="no text that UTF-8 can hold"):
        Webhook(SECRET).verify("\udcff", EXAMPLE, now=AT)


def test_another_body_or_key_is_refused_and_so_is_what_is_no_json():
    for webhook, body in ((Webhook(SECRET), BODY + b"\n"), (Webhook(OTHER), BODY)):
        with pytest.raises(InvalidWebhook, match="no signature"):
            webhook.verify(body, EXAMPLE, now=AT)
    with pytest.raises(InvalidWebhook, match="no JSON"):
        Webhook(SECRET).verify(b"\xff", Webhook(SECRET).headers("m", AT, b"\xff"), now=AT)


@pytest.mark.parametrize(
    "key",
    [
        "",
        [],
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_",
        "whsec_%",
        "whsec_c2hvcnQ=",
        "whsk_c2hvcnQ=",
        "whpk_c2hvcnQ=",
        3,
    ],
)
def test_a_key_that_cannot_be_is_refused_and_not_quoted(key: Any):
    with pytest.raises(ConfigurationError) as refused:
        Webhook([key] if key == 3 else key)
    assert "c2hvcnQ" not in str(refused.value)
