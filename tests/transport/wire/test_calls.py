"""Calls over the lean wire: clocks, credentials, deadlines, what is never told, and answers of every shape.

What becomes of SQS's errors, and that no call is made twice, is tried for both wires in tests/transport.
"""

from __future__ import annotations

import asyncio
import json
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import aioboto3
import pytest
from aiobotocore.credentials import AioCredentials, AioRefreshableCredentials
from botocore.exceptions import CredentialRetrievalError, EndpointConnectionError
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.transport.wire_server import Reaction, Request, WireServer, fails, keeps_silent, resets, says

from sqsjobs.errors import AccessDenied, RequestRejected, TransportError, TransportUnavailable
from sqsjobs.transport.base import MAX_BATCH_BYTES, ClockCorrected, OutgoingMessage, Sent, SqsCalled, WireChosen
from sqsjobs.transport.sqs import Pools, SqsTransport, Timeouts, Wire
from sqsjobs.transport.wire.client import LeanClient
from sqsjobs.transport.wire.connection import Answer
from sqsjobs.transport.wire.connection import Request as WireRequest
from sqsjobs.transport.wire.pool import Connections
from sqsjobs.transport.wire.signing import Credentials, Signer

QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/jobs"
SENT = says({"Successful": [{"Id": "0", "MessageId": "m"}]})
MESSAGE = [OutgoingMessage("x")]


@pytest.fixture
async def server() -> AsyncIterator[WireServer]:
    async with WireServer() as server:
        server.reactions["SendMessageBatch"] = SENT
        yield server


@asynccontextmanager
async def lean(server: WireServer, **options: Any) -> AsyncIterator[SqsTransport]:
    async with SqsTransport(endpoint_url=server.endpoint_url, wire="lean", **options) as transport:
        yield transport


async def failure_of(call: Awaitable[object]) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await call
    return caught.value


# The clock -------------------------------------------------------------------------------------------


def strict_about_dates(ahead: timedelta) -> Reaction:
    """Take requests that are dated within five minutes of a clock that is so far ahead, as AWS does."""

    async def react(request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        now = datetime.now(UTC) + ahead
        dated = datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        headers = {"Date": format_datetime(now, usegmt=True)}
        if abs(now - dated) < timedelta(minutes=5):
            await SENT(request, reader, writer)
        else:
            refusal = {"__type": "InvalidSignatureException", "message": "Signature expired"}
            await says(refusal, status=403, headers=headers)(request, reader, writer)

    return react


@pytest.mark.parametrize("minutes", [10, -10, 60 * 24 * 400])
async def test_a_wrong_clock_costs_one_refusal_which_had_no_effect(server: WireServer, minutes: int) -> None:
    """R63: requests are dated by the server's clock from then on."""
    server.reactions["SendMessageBatch"] = strict_about_dates(timedelta(minutes=minutes))
    async with lean(server) as transport:
        error = await failure_of(transport.send(QUEUE, MESSAGE))
        assert (type(error), error.sent, error.code) == (TransportUnavailable, False, "InvalidSignatureException")
        assert "clock" in str(error)

        assert await transport.send(QUEUE, MESSAGE) == [Sent("m")]

    assert server.count("SendMessageBatch") == 2


async def test_calls_that_were_refused_together_are_all_explained(server: WireServer) -> None:
    server.reactions["SendMessageBatch"] = strict_about_dates(timedelta(hours=1))
    async with lean(server) as transport:
        errors = await asyncio.gather(*(failure_of(transport.send(QUEUE, MESSAGE)) for _ in range(8)))

    assert {type(error) for error in errors} == {TransportUnavailable}


@pytest.mark.parametrize(
    "date",
    [lambda: format_datetime(datetime.now(UTC), usegmt=True), None, lambda: "yesterday", lambda: ""],
    ids=["the same", "none", "no date", "empty"],
)
async def test_a_bad_signature_is_not_blamed_on_the_clock(server: WireServer, date: Callable[[], str] | None) -> None:
    headers = {"Date": date()} if date else {}
    refusal = {"__type": "SignatureDoesNotMatch", "message": "no"}
    server.reactions["SendMessageBatch"] = says(refusal, status=403, headers=headers)
    async with lean(server) as transport:
        for _ in range(2):
            assert type(await failure_of(transport.send(QUEUE, MESSAGE))) is AccessDenied


async def test_a_refusal_of_rights_is_not_blamed_on_the_clock(server: WireServer) -> None:
    """However wrong it is: another try would not help."""
    headers = {"Date": format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)}
    server.reactions["SendMessageBatch"] = says({"__type": "AccessDenied"}, status=403, headers=headers)
    async with lean(server) as transport:
        assert type(await failure_of(transport.send(QUEUE, MESSAGE))) is AccessDenied


# Credentials -----------------------------------------------------------------------------------------


def session_with(credentials: object) -> Callable[[], aioboto3.Session]:
    def session() -> aioboto3.Session:
        made = aioboto3.Session(region_name="us-east-1")
        made._session._credentials = credentials
        return made

    return session


def refreshable(refresh: Callable[[], Awaitable[dict[str, str]]], *, left: timedelta) -> AioRefreshableCredentials:
    expiry = datetime.now(UTC) + left
    return AioRefreshableCredentials("AKIAOLD", "old", "old-token", expiry, refresh, "test")


def fresh_keys(name: str) -> dict[str, str]:
    expiry = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    return {"access_key": name, "secret_key": "new", "token": "new-token", "expiry_time": expiry}


async def test_credentials_that_rotate_are_used_at_once_and_a_call_under_way_keeps_its_own(server: WireServer) -> None:
    """R58: renewed by botocore when they are about to expire, while a poll signed with the old ones is open."""
    polled = asyncio.Event()

    async def answer_late(request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await polled.wait()
        await says({"Messages": []})(request, reader, writer)

    async def refresh() -> dict[str, str]:
        return fresh_keys("AKIANEW")

    server.reactions["ReceiveMessage"] = answer_late
    credentials = refreshable(refresh, left=timedelta(hours=1))
    async with lean(server, session_factory=session_with(credentials)) as transport:
        poll = asyncio.create_task(transport.receive(QUEUE, limit=1, wait=20, visibility=30))
        await server.until(lambda it: it.count("ReceiveMessage") == 1)
        credentials._expiry_time = datetime.now(UTC) + timedelta(minutes=1)

        await transport.send(QUEUE, MESSAGE)
        polled.set()
        assert await poll == []

    old, new = server.requests
    assert "Credential=AKIAOLD/" in old.headers["authorization"]
    assert old.headers["x-amz-security-token"] == "old-token"
    assert "Credential=AKIANEW/" in new.headers["authorization"]
    assert new.headers["x-amz-security-token"] == "new-token"


@pytest.mark.parametrize("wire", ["lean", "aioboto3"])
@pytest.mark.parametrize("code", ["ExpiredTokenException", "UnrecognizedClientException"])
async def test_a_token_that_sqs_takes_no_more_is_access_denied_and_the_next_call_asks_for_credentials_anew(
    server: WireServer, wire: Wire, code: str
) -> None:
    """R58: also where its date says that it is good for an hour."""
    server.reactions["SendMessageBatch"] = fails(code, status=403)

    async def refresh() -> dict[str, str]:
        server.reactions["SendMessageBatch"] = SENT
        return fresh_keys("AKIANEW")

    session = session_with(refreshable(refresh, left=timedelta(hours=1)))
    async with SqsTransport(endpoint_url=server.endpoint_url, wire=wire, session_factory=session) as transport:
        assert type(await failure_of(transport.send(QUEUE, MESSAGE))) is AccessDenied
        assert await transport.send(QUEUE, MESSAGE) == [Sent("m")]
    assert ["AKIANEW" in request.headers["authorization"] for request in server.requests] == [False, True]


async def test_credentials_are_not_asked_for_at_every_refusal(server: WireServer) -> None:
    """Nor where the ones that come are refused, too, nor where it is rights that are missing."""
    asked: list[float] = []

    async def refresh() -> dict[str, str]:
        asked.append(asyncio.get_running_loop().time())
        return fresh_keys("AKIANEW")

    credentials = refreshable(refresh, left=timedelta(hours=1))
    async with lean(server, session_factory=session_with(credentials)) as transport:
        for code, renewals in (("AccessDeniedException", 0), ("ExpiredTokenException", 1)):
            server.reactions["SendMessageBatch"] = fails(code, status=403)
            for _ in range(4):
                assert type(await failure_of(transport.send(QUEUE, MESSAGE))) is AccessDenied
            assert len(asked) == renewals


async def test_the_keys_of_a_user_are_what_they_are_also_when_sqs_refuses_them(server: WireServer) -> None:
    server.reactions["SendMessageBatch"] = fails("InvalidClientTokenId", status=403)
    async with lean(server, session_factory=session_with(AioCredentials("AKIAOLD", "old"))) as transport:
        for _ in range(2):
            assert type(await failure_of(transport.send(QUEUE, MESSAGE))) is AccessDenied


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (CredentialRetrievalError(provider="test", error_msg="no"), AccessDenied),
        (EndpointConnectionError(endpoint_url="https://sts.amazonaws.com"), TransportUnavailable),
        (OSError("no file"), TransportUnavailable),
    ],
)
async def test_credentials_that_cannot_be_renewed_fail_the_call_before_it_is_made(
    server: WireServer, problem: Exception, kind: type[TransportError]
) -> None:
    async def refresh() -> dict[str, str]:
        raise problem

    credentials = refreshable(refresh, left=timedelta(0))
    async with lean(server, session_factory=session_with(credentials)) as transport:
        error = await failure_of(transport.send(QUEUE, MESSAGE))

    assert (type(error), error.sent, error.__cause__) == (kind, False, problem)
    assert server.requests == []


async def test_credentials_that_do_not_come_fail_the_call_in_time(server: WireServer) -> None:
    async def refresh() -> dict[str, str]:
        await asyncio.Event().wait()
        return {}

    credentials = refreshable(refresh, left=timedelta(0))
    timeouts = Timeouts(connect=0.2, read=0.2)
    async with lean(server, session_factory=session_with(credentials), timeouts=timeouts) as transport:
        error = await failure_of(transport.send(QUEUE, MESSAGE))

    assert (type(error), error.sent) == (TransportUnavailable, False)


async def test_credentials_with_a_line_break_are_refused_and_not_quoted(server: WireServer) -> None:
    """A token read from a file with its last line break would begin a new header."""

    def session() -> aioboto3.Session:
        return aioboto3.Session("AKIAMINE", "secret", "ends-with-a-line\r\nX-Other: y", region_name="us-east-1")

    async with lean(server, session_factory=session) as transport:
        error = await failure_of(transport.send(QUEUE, MESSAGE))

    assert (type(error), error.sent) == (AccessDenied, False)
    assert "X-Other" not in "".join(traceback.format_exception(error))
    assert server.requests == []


# What is never told ----------------------------------------------------------------------------------

SECRET, TOKEN = "s3cr3t-" * 6, "t0k3n-" * 60


async def says_what_it_was_told(request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Refuse as AWS does: with the canonical request in the text, signature and token and all."""
    told = "\n".join(f"{name}:{value}" for name, value in request.headers.items())
    await says({"__type": "SignatureDoesNotMatch", "message": f"Canonical:\n{told}"}, status=403)(
        request, reader, writer
    )


@pytest.mark.parametrize("reaction", [resets, keeps_silent, says_what_it_was_told, says("<html>", status=502)])
async def test_no_signature_and_no_token_is_in_any_log_event_error_or_frame(
    server: WireServer, caplog: pytest.LogCaptureFixture, reaction: Reaction
) -> None:
    """S13: not even where every local variable of a traceback is shown, as error reporters do."""
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    server.reactions["SendMessageBatch"] = reaction
    told: list[SqsCalled | WireChosen | ClockCorrected] = []

    def session() -> aioboto3.Session:
        return aioboto3.Session("AKIAMINE", SECRET, TOKEN, region_name="us-east-1")

    timeouts = Timeouts(connect=0.2, read=0.2)
    async with lean(server, session_factory=session, timeouts=timeouts, observer=told.append) as transport:
        error = await failure_of(transport.send(QUEUE, MESSAGE))

    [request] = server.requests
    signature = request.headers["authorization"].rpartition("=")[2]
    assert request.headers["x-amz-security-token"] == TOKEN
    frames = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "deadline" in frames
    for shown in (caplog.text, repr(told), str(error), repr(error), frames):
        assert not any(secret in shown for secret in (signature, TOKEN, SECRET))


# Deadlines -------------------------------------------------------------------------------------------


async def test_a_call_that_finds_every_connection_busy_was_not_sent(server: WireServer) -> None:
    """R60."""
    server.reactions["ReceiveMessage"] = keeps_silent
    timeouts = Timeouts(connect=0.3, read=0.3)
    async with lean(server, timeouts=timeouts, pools=Pools(poll=1)) as transport:
        poll = asyncio.create_task(transport.receive(QUEUE, limit=1, wait=20, visibility=30))
        await server.until(lambda it: it.count("ReceiveMessage") == 1)

        error = await failure_of(transport.receive(QUEUE, limit=1, wait=0, visibility=30))

        assert (type(error), error.sent) == (TransportUnavailable, False)
        assert server.count("ReceiveMessage") == 1
        poll.cancel()
        await asyncio.gather(poll, return_exceptions=True)


# Contents --------------------------------------------------------------------------------------------


async def test_a_batch_of_a_whole_mebibyte_arrives(server: WireServer) -> None:
    body = "ü" * (MAX_BATCH_BYTES // 2)
    async with lean(server) as transport:
        assert await transport.send(QUEUE, [OutgoingMessage(body)]) == [Sent("m")]

    assert server.requests[0].body["Entries"][0]["MessageBody"] == body


async def test_ten_messages_of_a_mebibyte_arrive(server: WireServer) -> None:
    body = "\x7f\n" * (MAX_BATCH_BYTES // 2)
    message = {"MessageId": "m", "ReceiptHandle": "h", "Body": body}
    server.reactions["ReceiveMessage"] = says({"Messages": [message] * 10})
    async with lean(server) as transport:
        deliveries = await transport.receive(QUEUE, limit=10, wait=0, visibility=30)

    assert [delivery.body for delivery in deliveries] == [body] * 10


async def test_text_that_is_no_unicode_is_rejected_before_it_is_sent(server: WireServer) -> None:
    async with lean(server) as transport:
        error = await failure_of(transport.send(QUEUE, [OutgoingMessage("\ud800")]))

    assert (type(error), error.sent) == (RequestRejected, False)
    assert server.requests == []


class SaysAnything(Connections):
    """Connections to a server that may answer whatever HTTP can carry."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def request(self, request: WireRequest) -> Answer:
        request.written = True
        return self._answer


class StandIn:
    async def current(self) -> Credentials:
        return Credentials("local", "local", None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["__type", "message", "code"]), inner),
)
CONTENTS = st.binary() | JSON.map(lambda it: json.dumps(it).encode()) | st.just(b'{"a":' * 5000 + b"}" * 5000)
HEADERS = st.dictionaries(st.sampled_from([b"content-type", b"x-amzn-query-error", b"date"]), st.binary())


@settings(deadline=None)
@given(status=st.integers(200, 599), headers=HEADERS, body=CONTENTS)
def test_any_answer_is_read_or_is_an_error_of_ours(status: int, headers: dict[bytes, bytes], body: bytes) -> None:
    """What a server says never raises anything else."""
    signer = Signer("localhost", "us-east-1", wall=lambda: 1_000_000.0)
    client = LeanClient(SaysAnything(Answer(status, headers, body)), signer, StandIn())

    read: object = None
    with suppress(TransportError):
        read = asyncio.run(client.answer("ReceiveMessage", "jobs", 5.0, {}))

    assert read is None or (status == 200 and isinstance(read, dict))
