"""Signatures of the lean wire, against those that botocore makes for the same requests."""

from __future__ import annotations

import string
from datetime import UTC, datetime
from unittest.mock import patch

import botocore.auth
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st
from tests.trials import examples

from sqsjobs.transport.wire.client import HOT
from sqsjobs.transport.wire.pool import Origin
from sqsjobs.transport.wire.signing import Credentials, Signer, UnusableCredentials

KEYS = st.text(string.ascii_letters + string.digits + "/+=", min_size=1, max_size=128)
TOKENS = st.none() | st.text(string.ascii_letters + string.digits + "/+=%-_", min_size=1, max_size=2000)
HOSTS = st.sampled_from(
    [
        "sqs.us-east-1.amazonaws.com",
        "sqs.cn-north-1.amazonaws.com.cn",
        "localhost",
        "127.0.0.1",
        "::1",
        "a-b.example.org",
    ]
)
PORTS = st.sampled_from([80, 443, 9324, 4566]) | st.integers(1, 65535)
REGIONS = st.builds(
    "{}-{}-{}".format,
    st.sampled_from(["af", "ap", "ca", "cn", "eu", "il", "me", "mx", "sa", "us", "us-gov", "us-iso"]),
    st.sampled_from(["central", "east", "north", "northeast", "northwest", "south", "southeast", "southwest", "west"]),
    st.integers(1, 9),
)
MOMENTS = st.integers(1_420_070_400, 4_102_444_799).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
"""Seconds of the years 2015 to 2099."""
BODIES = st.binary(max_size=3000) | st.text(max_size=500).map(str.encode)


class Headers(dict[str, str]):
    """The headers of a head, by name in lower case, each once."""

    def __init__(self, head: bytes) -> None:
        first, *lines, end, nothing = head.decode().split("\r\n")
        assert (first, end, nothing) == ("POST / HTTP/1.1", "", "")
        super().__init__((name.lower(), value) for name, value in (line.split(": ", 1) for line in lines))
        assert len(self) == len(lines)


@examples(3000)
@given(
    moment=MOMENTS,
    host=HOSTS,
    port=PORTS,
    secure=st.booleans(),
    region=REGIONS,
    operation=st.sampled_from(sorted(HOT)),
    body=BODIES,
    access_key=KEYS,
    secret_key=KEYS,
    token=TOKENS,
)
def test_a_request_is_signed_as_botocore_signs_it(
    moment: datetime,
    host: str,
    port: int,
    secure: bool,
    region: str,
    operation: str,
    body: bytes,
    access_key: str,
    secret_key: str,
    token: str | None,
) -> None:
    """On three thousand requests: the same Authorization, and a Host that botocore takes from the same URL."""
    bracketed = f"[{host}]" if ":" in host else host
    origin = Origin(host, port, object() if secure else None)  # type: ignore[arg-type] # a context, but nothing is opened
    signer = Signer(origin.header, region, wall=moment.timestamp)

    ours = Headers(signer.head(operation, body, Credentials(access_key, secret_key, token)))

    given = {name: ours[name] for name in ("content-type", "x-amz-target", "x-amzn-query-mode")}
    url = f"{'https' if secure else 'http'}://{bracketed}:{port}/"
    theirs = AWSRequest(method="POST", url=url, headers=given, data=body)
    with patch.object(botocore.auth, "get_current_datetime", lambda: moment):
        SigV4Auth(BotocoreCredentials(access_key, secret_key, token), "sqs", region).add_auth(theirs)
    assert ours["authorization"] == theirs.headers["Authorization"]
    assert ours["x-amz-date"] == theirs.headers["X-Amz-Date"]
    assert ours.get("x-amz-security-token") == theirs.headers.get("X-Amz-Security-Token")
    assert ours["content-length"] == str(len(body))


def test_one_signer_signs_for_changing_days_and_credentials() -> None:
    """What is kept from one request for the next is never kept for another day or another key."""
    now = [0.0]
    kept = Signer("localhost", "us-east-1", wall=lambda: now[0])
    for now[0] in (86_399.0, 86_400.0, 86_399.0):
        for secret in ("one", "two", "one"):
            credentials = Credentials("key", secret, None)
            fresh = Signer("localhost", "us-east-1", wall=lambda: now[0])
            assert kept.head("SendMessage", b"", credentials) == fresh.head("SendMessage", b"", credentials)


# The clock -------------------------------------------------------------------------------------------


def test_requests_are_dated_by_the_server_s_clock_once_ours_has_proved_wrong() -> None:
    signer = Signer("localhost", "us-east-1", wall=lambda: 1_000_000.0)

    assert signer.correct(1_000_600.0, signer.skew)
    assert signer.skew == 600
    assert b"X-Amz-Date: 19700112T135640Z" in signer.head("SendMessage", b"", Credentials("k", "s", None))


def test_a_refusal_is_not_blamed_on_a_clock_that_is_right() -> None:
    signer = Signer("localhost", "us-east-1", wall=lambda: 1_000_000.0)

    assert not signer.correct(1_000_030.0, signer.skew)
    assert not signer.correct(None, signer.skew)
    assert signer.skew == 0


def test_every_request_that_was_dated_wrongly_is_explained() -> None:
    """Also those that were under way while the first refusal of them was read."""
    signer = Signer("localhost", "us-east-1", wall=lambda: 1_000_000.0)
    skew_of_both = signer.skew

    assert signer.correct(1_000_600.0, skew_of_both)
    assert signer.correct(1_000_600.0, skew_of_both)
    assert not signer.correct(1_000_600.0, signer.skew)


def test_a_clock_that_is_set_right_is_trusted_again() -> None:
    now = [1_000_000.0]
    signer = Signer("localhost", "us-east-1", wall=lambda: now[0])
    signer.correct(1_000_600.0, 0.0)
    now[0] = 1_000_610.0

    assert signer.correct(1_000_610.0, signer.skew)
    assert signer.skew == 0


# Secrets ---------------------------------------------------------------------------------------------


def test_credentials_are_never_shown() -> None:
    shown = repr(Credentials("AKIAEXAMPLE", "secret", "token"))

    assert not any(word in shown for word in ("AKIAEXAMPLE", "secret'", "token'"))


@pytest.mark.parametrize("bad", ["", "AKIA X", "line\n", "line\r\nX-Other: y", "ü", "\x00"])
def test_credentials_that_would_end_a_header_are_refused_without_being_quoted(bad: str) -> None:
    with pytest.raises(UnusableCredentials) as caught:
        Credentials(bad, "secret", None)
    assert not bad or bad not in str(caught.value)

    if bad:
        with pytest.raises(UnusableCredentials):
            Credentials("key", "secret", bad)
