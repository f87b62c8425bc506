"""What becomes of every way in which a call to SQS can fail, over either wire, and that nothing is tried twice."""

from __future__ import annotations

import asyncio
import errno
import gc
import socket
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import NoReturn

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.canaries import canary
from tests.transport.wire_server import (
    Reaction,
    WireServer,
    drips,
    fails,
    is_no_http,
    keeps_silent,
    resets,
    says,
    stops_in_the_middle,
)

from sqsjobs.batching import Batcher
from sqsjobs.errors import (
    AccessDenied,
    QueueNotFound,
    RequestRejected,
    Throttled,
    TransportError,
    TransportUnavailable,
)
from sqsjobs.transport.base import (
    Delivery,
    Done,
    EntryFailed,
    EntryResult,
    NotSent,
    OutgoingMessage,
    Sent,
    SqsCalled,
)
from sqsjobs.transport.sqs import SqsTransport, Timeouts, Wire
from sqsjobs.transport.wire.connection import Connection

QUICK = Timeouts(connect=0.4, read=0.6)
"""For servers that do not answer. For those that do, a busy machine is given the usual time."""

Call = Callable[[SqsTransport], Awaitable[object]]
CALLS: dict[str, Call] = {
    "SendMessageBatch": lambda transport: transport.send("jobs", [OutgoingMessage("x")]),
    "ReceiveMessage": lambda transport: transport.receive("jobs", limit=10, wait=0, visibility=30),
    "DeleteMessageBatch": lambda transport: transport.delete("jobs", ["handle"]),
    "ChangeMessageVisibilityBatch": lambda transport: transport.change_visibility("jobs", [("handle", 30)]),
    "GetQueueAttributes": lambda transport: transport.describe("jobs"),
}


EXPIRED = "Value h for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."
NOT_AVAILABLE = (
    "Value h for parameter ReceiptHandle is invalid. "
    "Reason: Message does not exist or is not available for visibility timeout change."
)
BEYOND_TWELVE_HOURS = (
    "Value 43300 for parameter VisibilityTimeout is invalid. "
    "Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds]"
)


@pytest.fixture
async def server() -> AsyncIterator[WireServer]:
    async with WireServer() as server:
        yield server


@pytest.fixture(params=["lean", "aioboto3"])
def wire(request: pytest.FixtureRequest) -> Wire:
    chosen: Wire = request.param
    return chosen


@pytest.fixture
def told() -> list[SqsCalled]:
    return []


@pytest.fixture
def timeouts(request: pytest.FixtureRequest) -> Timeouts:
    if request.node.callspec.params.get("reaction") not in {keeps_silent, drips}:
        return Timeouts()
    gc.collect()  # or it may come, and take half a second, while the server is to answer GetQueueUrl
    return QUICK


@pytest.fixture
async def transport(
    server: WireServer, told: list[SqsCalled], wire: Wire, timeouts: Timeouts
) -> AsyncIterator[SqsTransport]:
    def observe(event: object) -> None:
        if isinstance(event, SqsCalled):
            told.append(event)

    endpoint = server.endpoint_url
    async with SqsTransport(endpoint_url=endpoint, timeouts=timeouts, observer=observe, wire=wire) as transport:
        yield transport


async def entry_of(call: Awaitable[object]) -> object:
    """Return what became of the one entry of a batch."""
    results = await call
    assert isinstance(results, list)
    (result,) = results
    return result


async def failure_of(call: Awaitable[object]) -> TransportError:
    """Return the error of a call that fails; it is one of ours and has its cause, or the code that SQS answered."""
    with pytest.raises(TransportError) as caught:
        await call
    assert not isinstance(caught.value, (BotoCoreError, ClientError))
    known = caught.value.__cause__ is not None or caught.value.code is not None
    assert known or "is the endpoint an SQS endpoint?" in str(caught.value)
    return caught.value


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize(
    ("reaction", "kind"),
    [
        (fails("RequestThrottled"), Throttled),
        (says("<html>busy</html>", status=503, content_type="text/html"), TransportUnavailable),
        (fails("InternalFailure", status=500), TransportUnavailable),
        (fails("ExpiredTokenException", status=403), AccessDenied),
        (resets, TransportUnavailable),
        (keeps_silent, TransportUnavailable),
        (drips, TransportUnavailable),
        (stops_in_the_middle, TransportUnavailable),
        (is_no_http, TransportUnavailable),
        (says("<html>log in</html>", content_type="text/html"), TransportUnavailable),
        (says("no JSON", status=400), TransportUnavailable),
    ],
    ids=[
        "throttled", "503", "500", "expired token", "reset", "half-open", "slow bytes", "cut off", "no HTTP",
        "login page", "rubbish",
    ],
)  # fmt: skip
async def test_every_failure_of_every_call_is_mapped_and_made_once(
    server: WireServer,
    transport: SqsTransport,
    told: list[SqsCalled],
    operation: str,
    reaction: Reaction,
    kind: type[TransportError],
) -> None:
    """R27, R59: one request on the wire for one call, an error of ours in bounded time, and one event."""
    server.reactions[operation] = reaction
    started_at = asyncio.get_running_loop().time()

    error = await failure_of(CALLS[operation](transport))

    assert type(error) is kind
    assert (error.operation, error.queue, error.sent) == (operation, "jobs", True)
    assert server.count(operation) == 1
    assert asyncio.get_running_loop().time() - started_at < 3
    [event] = [event for event in told if event.operation == operation]
    assert event.error == (error.code or kind.__name__)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no JSON",
        "[]",
        '{"Messages": [{}',
        '{"Messages": 7}',
        '{"Messages": [{"MessageId": "1"}]}',
        '{"Messages": [{"MessageId": "1", "ReceiptHandle": "r", "Body": "b", "Attributes": {"SentTimestamp": "%s"}}]}'
        % ("9" * 400),
    ],
    ids=["empty", "text", "list", "cut off", "number", "half a message", "no date"],
)
async def test_what_is_no_answer_of_sqs_is_no_empty_queue(
    server: WireServer, transport: SqsTransport, body: str
) -> None:
    server.reactions["ReceiveMessage"] = says(body)
    with pytest.raises(TransportUnavailable, match="is the endpoint an SQS endpoint"):
        await transport.receive("jobs", limit=10, wait=0, visibility=30)


@pytest.mark.parametrize("operation", ["SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"])
@pytest.mark.parametrize(
    "body",
    [
        "no JSON",
        "[]",
        '{"Successful": 7}',
        '{"Successful": [{}]}',
        '{"Successful": [{"Id": "0", "MessageId": 5}]}',
        '{"Failed": [{"Id": 0}]}',
        '{"Failed": [{"Id": "0", "Code": "InternalError", "Message": ["busy"]}]}',
    ],
)
async def test_what_is_no_answer_of_sqs_is_no_success(
    server: WireServer, transport: SqsTransport, operation: str, body: str
) -> None:
    server.reactions[operation] = says(body)
    with pytest.raises(TransportUnavailable, match="was answered with"):
        await CALLS[operation](transport)


@pytest.mark.parametrize("operation", ["SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"])
async def test_null_is_no_entry(server: WireServer, transport: SqsTransport, operation: str) -> None:
    """As some servers write a list that is empty: what was done is not done again for that."""
    done = [{"Id": "0", "MessageId": "m"}]
    server.reactions[operation] = says({"Successful": done, "Failed": None})
    result = await entry_of(CALLS[operation](transport))
    assert isinstance(result, Done | Sent)

    failed = [{"Id": "0", "Code": "InternalError", "Message": None, "SenderFault": None}]
    server.reactions[operation] = says({"Successful": None, "Failed": failed})
    result = await entry_of(CALLS[operation](transport))
    assert isinstance(result, NotSent | EntryFailed)
    assert (result.code, result.problem, result.retryable) == ("InternalError", "", True)


@pytest.mark.parametrize("operation", ["SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"])
async def test_an_error_is_not_as_long_as_what_was_answered(
    server: WireServer, transport: SqsTransport, operation: str
) -> None:
    """Whatever stands in SQS's place may say much, and it goes into logs."""
    long = "words and " * 2000
    server.reactions[operation] = says({"__type": f"sqs#{long}", "message": long}, status=400)
    assert len(str(await failure_of(CALLS[operation](transport)))) < 1500

    server.reactions[operation] = says({"Failed": [{"Id": "0", "Code": long, "Message": long, "SenderFault": True}]})
    result = await entry_of(CALLS[operation](transport))
    assert isinstance(result, NotSent | EntryFailed)
    assert len(result.code) + len(result.problem) < 1500

    server.reactions[operation] = says("moved", status=302, content_type="text/" + "x" * 5000)
    assert len(str(await failure_of(CALLS[operation](transport)))) < 1500


@pytest.mark.parametrize(
    ("shape", "code", "status", "kind", "advice"),
    [
        ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", 400, QueueNotFound, "sqsjobs queues apply"),
        ("QueueDoesNotExist", None, 400, QueueNotFound, "sqsjobs queues apply"),
        ("ThrottlingException", None, 400, Throttled, ""),
        ("OverLimit", "OverLimit", 403, Throttled, ""),
        ("KmsThrottled", "KMS.ThrottlingException", 400, Throttled, ""),
        ("KmsAccessDenied", "KMS.AccessDeniedException", 400, AccessDenied, "kms:Decrypt"),
        ("KmsDisabled", "KMS.DisabledException", 400, AccessDenied, "the key is enabled"),
        ("AccessDeniedException", None, 400, AccessDenied, "allow sqs:SendMessage on the queue"),
        ("ExpiredToken", None, 403, AccessDenied, "renew the credentials"),
        ("InvalidClientTokenId", None, 403, AccessDenied, "check the access key"),
        ("UnrecognizedClientException", None, 400, AccessDenied, "check the access key"),
        ("SignatureDoesNotMatch", None, 403, AccessDenied, "machine's clock"),
        ("InvalidMessageContents", None, 400, RequestRejected, ""),
        ("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong", 400, RequestRejected, ""),
        ("SomethingNew", None, 400, RequestRejected, ""),
        ("ServiceUnavailable", None, 503, TransportUnavailable, ""),
    ],
)
async def test_error_codes_become_errors_that_say_what_to_do(
    server: WireServer,
    transport: SqsTransport,
    shape: str,
    code: str | None,
    status: int,
    kind: type[TransportError],
    advice: str,
) -> None:
    """R58, R61, R62, R67."""
    server.reactions["SendMessageBatch"] = fails(shape, status=status, code=code)

    error = await failure_of(transport.send("jobs", [OutgoingMessage("x")]))

    assert type(error) is kind
    assert error.code == (code or shape)
    assert advice in str(error)


async def test_an_endpoint_where_nobody_listens_was_not_sent_to(wire: Wire) -> None:
    """A send that never left is not uncertain."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        async with SqsTransport(endpoint_url=url, timeouts=QUICK, wire=wire) as transport:
            error = await failure_of(
                transport.send("https://sqs.us-east-1.amazonaws.com/1/jobs", [OutgoingMessage("x")])
            )

    assert type(error) is TransportUnavailable
    assert not error.sent


async def test_an_endpoint_whose_name_leads_nowhere_was_not_sent_to(wire: Wire) -> None:
    async with SqsTransport(endpoint_url="http://nowhere.localhost:1", timeouts=QUICK, wire=wire) as transport:
        error = await failure_of(transport.send("https://sqs.us-east-1.amazonaws.com/1/jobs", [OutgoingMessage("x")]))

    assert type(error) is TransportUnavailable
    assert not error.sent


@pytest.mark.parametrize("silent", [False, True], ids=["no such name", "no answer"])
async def test_a_name_that_does_not_resolve_ends_the_call_in_time(
    monkeypatch: pytest.MonkeyPatch, wire: Wire, silent: bool
) -> None:
    """R59: DNS says that there is no such name, or nothing at all. Its answers are made up: nobody is asked."""
    asked: list[str] = []

    async def resolve(host: str, *_: object, **__: object) -> NoReturn:
        asked.append(host)
        if silent:
            await asyncio.Event().wait()
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    for name, value in {"REGION": "eu-west-1", "ACCESS_KEY_ID": "id", "SECRET_ACCESS_KEY": canary("KEY")}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    async with SqsTransport(endpoint_url="https://sqs.invalid", timeouts=QUICK, wire=wire) as transport:
        call = transport.send("https://sqs.us-east-1.amazonaws.com/1/jobs", [OutgoingMessage("x")])
        error = await asyncio.wait_for(failure_of(call), timeout=10)

    assert set(asked) == {"sqs.invalid"}
    assert type(error) is TransportUnavailable
    # Under aioboto3 only the deadline of the whole call ends the wait for a resolver, and that may pass anywhere.
    assert error.sent == (silent and wire == "aioboto3")


async def test_a_server_that_accepts_no_connections_was_not_sent_to(wire: Wire) -> None:
    """R59: packets that nobody answers, as behind a firewall; a full backlog stands for it."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        address = listening.getsockname()
        fillers = [_connect(address) for _ in range(3)]
        endpoint = f"http://127.0.0.1:{address[1]}"
        async with SqsTransport(endpoint_url=endpoint, timeouts=QUICK, wire=wire) as transport:
            call = transport.send("https://sqs.us-east-1.amazonaws.com/1/jobs", [OutgoingMessage("x")])
            error = await failure_of(call)
        for filler in fillers:
            filler.close()

    assert type(error) is TransportUnavailable
    assert not error.sent


def _connect(address: tuple[str, int]) -> socket.socket:
    filler = socket.socket()
    filler.setblocking(False)
    assert filler.connect_ex(address) in (0, errno.EINPROGRESS)
    return filler


async def test_a_server_that_speaks_no_tls_was_not_sent_to(server: WireServer) -> None:
    """R59: nothing has left before the handshake is done."""
    url = server.endpoint_url.replace("http://", "https://")
    async with SqsTransport(endpoint_url=url, timeouts=QUICK) as transport:
        error = await failure_of(transport.send("https://sqs.us-east-1.amazonaws.com/1/jobs", [OutgoingMessage("x")]))

    assert type(error) is TransportUnavailable
    assert not error.sent


async def test_a_queue_whose_url_cannot_be_found_was_not_sent_to(server: WireServer, transport: SqsTransport) -> None:
    server.reactions["GetQueueUrl"] = fails("InternalFailure", status=500)

    error = await failure_of(transport.send("jobs", [OutgoingMessage("x")]))

    assert (type(error), error.operation, error.sent) == (TransportUnavailable, "GetQueueUrl", False)
    assert server.count("SendMessageBatch") == 0


async def test_a_name_is_resolved_once_even_by_many_calls_at_once(server: WireServer, transport: SqsTransport) -> None:
    server.reactions["ReceiveMessage"] = says({"Messages": []})

    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(transport.receive("jobs", limit=1, wait=0, visibility=30))

    assert server.count("GetQueueUrl") == 1
    await transport.clone().__aenter__()


async def test_a_queue_that_was_not_found_is_looked_for_again(server: WireServer, transport: SqsTransport) -> None:
    """R61: it may have been created meanwhile."""
    found = server.reactions["GetQueueUrl"]
    server.reactions["GetQueueUrl"] = fails("QueueDoesNotExist")
    assert type(await failure_of(transport.delete("jobs", ["handle"]))) is QueueNotFound
    server.reactions["GetQueueUrl"] = found
    server.reactions["DeleteMessageBatch"] = says({"Successful": [{"Id": "0"}]})

    assert await transport.delete("jobs", ["handle"]) == [Done()]


@pytest.mark.parametrize(
    ("code", "text", "lease_over", "retryable"),
    [
        ("ReceiptHandleIsInvalid", "The input receipt handle is invalid.", True, False),
        ("AWS.SimpleQueueService.MessageNotInflight", "", True, False),
        ("InvalidParameterValue", EXPIRED, True, False),
        ("InvalidParameterValue", NOT_AVAILABLE, True, False),
        ("InvalidParameterValue", "something nobody knows", True, False),
        ("InvalidParameterValue", BEYOND_TWELVE_HOURS, False, False),
        ("InternalError", "", False, True),
        ("RequestThrottled", "", False, True),
    ],
)
async def test_what_an_entry_s_code_says_of_its_lease(
    server: WireServer, transport: SqsTransport, code: str, text: str, lease_over: bool, retryable: bool
) -> None:
    """R16: a lease is over, or it is not and another try may help, or it does not."""
    failed = {"Id": "1", "Code": code, "Message": text, "SenderFault": code != "InternalError"}
    server.reactions["ChangeMessageVisibilityBatch"] = says({"Successful": [{"Id": "0"}], "Failed": [failed]})

    results = await transport.change_visibility("jobs", [("a", 30), ("b", 30)])

    assert results == [Done(), EntryFailed(code, text, retryable=retryable, lease_over=lease_over)]


async def test_a_send_that_sqs_failed_to_take_can_be_tried_again(server: WireServer, transport: SqsTransport) -> None:
    """R29."""
    failed = [
        {"Id": "0", "Code": "InternalError", "Message": "oops", "SenderFault": False},
        {"Id": "1", "Code": "InvalidMessageContents", "Message": "", "SenderFault": True},
    ]
    server.reactions["SendMessageBatch"] = says({"Successful": [], "Failed": failed})

    results = await transport.send("jobs", [OutgoingMessage("a"), OutgoingMessage("b")])

    assert results == [
        NotSent("InternalError", "oops", retryable=True),
        NotSent("InvalidMessageContents", "", retryable=False),
    ]


@pytest.mark.parametrize(
    "answer",
    [{}, {"Successful": []}, {"Successful": [{"Id": "7", "MessageId": "m"}]}, {"Successful": [{"Id": "0"}]}],
    ids=["empty", "names nobody", "names another", "has no id"],
)
async def test_an_answer_that_does_not_account_for_every_entry_is_none(
    server: WireServer, transport: SqsTransport, answer: dict[str, object]
) -> None:
    """A send is accepted, refused or uncertain; it is never silently taken for accepted."""
    server.reactions["SendMessageBatch"] = says(answer)

    error = await failure_of(transport.send("jobs", [OutgoingMessage("x")]))

    assert type(error) is TransportUnavailable
    assert error.sent


async def test_receipt_handles_stay_out_of_messages(server: WireServer, transport: SqsTransport) -> None:
    handle = "AQEB" + "h" * 300
    text = f"Value {handle} for parameter ReceiptHandle is invalid."
    failed = {"Id": "0", "Code": "InvalidParameterValue", "Message": text, "SenderFault": True}
    server.reactions["DeleteMessageBatch"] = says({"Failed": [failed]})

    [result] = await transport.delete("jobs", [handle])

    assert isinstance(result, EntryFailed)
    assert result.problem == "Value AQEBhhhhhhhh… for parameter ReceiptHandle is invalid."


async def test_attributes_are_read_as_text(server: WireServer, transport: SqsTransport) -> None:
    """Also those of other senders: Number as its text, String with a custom suffix; bytes are left out."""
    attributes = {
        "reason": {"DataType": "String", "StringValue": "x"},
        "count": {"DataType": "Number", "StringValue": "7"},
        "kind": {"DataType": "String.custom", "StringValue": "y"},
        "raw": {"DataType": "Binary", "BinaryValue": "AA=="},
    }
    message = {"MessageId": "m", "ReceiptHandle": "h", "Body": "b", "MessageAttributes": attributes}
    server.reactions["ReceiveMessage"] = says({"Messages": [message]})

    [delivery] = await transport.receive("jobs", limit=1, wait=0, visibility=30)

    assert delivery.attributes == {"reason": "x", "count": "7", "kind": "y"}


async def test_null_stands_for_what_is_absent(server: WireServer, transport: SqsTransport) -> None:
    absent: dict[str, object] = {"Attributes": None, "MessageAttributes": None}
    null = {"raw": {"DataType": "Binary", "BinaryValue": "AA==", "StringValue": None}}
    times = {"SentTimestamp": None, "ApproximateReceiveCount": None, "MessageGroupId": None}
    message = {"MessageId": "m", "ReceiptHandle": "h", "Body": "b"}
    server.reactions["ReceiveMessage"] = says(
        {"Messages": [message | absent, message | {"Attributes": times, "MessageAttributes": null}]}
    )
    deliveries = await transport.receive("jobs", limit=10, wait=0, visibility=30)
    assert deliveries == [Delivery("jobs", "m", "h", "b")] * 2

    server.reactions["ReceiveMessage"] = says({"Messages": None})
    assert await transport.receive("jobs", limit=10, wait=0, visibility=30) == []


@pytest.mark.parametrize("wire", ["lean"])
async def test_a_failure_leaves_nothing_to_the_garbage_collector(server: WireServer, transport: SqsTransport) -> None:
    """Neither its error nor its connection has itself, by a traceback or a parser: they are gone with their last user."""
    await transport.receive("jobs", limit=1, wait=0, visibility=30)
    gc.collect()
    gc.disable()
    try:
        before = connections()
        for reaction in (fails("ServiceUnavailable", status=503), resets):
            server.reactions["DeleteMessageBatch"] = reaction
            async with Batcher(partial(transport.delete, "jobs"), max_items=10) as deletes:
                gone = await failure_of_both(deletes.submit_nowait("a"), deletes.submit_nowait("b"))
            assert gone() is None
        assert connections() == before
    finally:
        gc.enable()


def connections() -> int:
    return sum(isinstance(it, Connection) for it in gc.get_objects())


async def failure_of_both(*futures: asyncio.Future[EntryResult]) -> weakref.ref[BaseException]:
    """Not raised here: that would put this frame, and so the futures, into the traceback."""
    await asyncio.wait(futures)
    one, other = (weakref.ref(future.exception() or AssertionError()) for future in futures)
    assert one is other
    return one


async def test_a_receive_asks_in_whole_seconds_and_for_what_is_read(
    server: WireServer, transport: SqsTransport
) -> None:
    await transport.receive("jobs", limit=3, wait=0.2, visibility=29.1, attempt_id="ignored on a standard queue")
    await transport.receive("jobs.fifo", limit=3, wait=0, visibility=30, attempt_id="attempt")

    first, second = [request.body for request in server.requests if request.operation == "ReceiveMessage"]
    assert first == {
        "QueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/jobs",
        "MaxNumberOfMessages": 3,
        "WaitTimeSeconds": 1,
        "VisibilityTimeout": 30,
        "MessageSystemAttributeNames": [
            "ApproximateReceiveCount",
            "SentTimestamp",
            "ApproximateFirstReceiveTimestamp",
            "MessageGroupId",
        ],
        "MessageAttributeNames": ["All"],
    }
    assert second["ReceiveRequestAttemptId"] == "attempt"


async def test_the_observer_is_told_what_each_request_carried(
    server: WireServer, transport: SqsTransport, told: list[SqsCalled]
) -> None:
    message = {"MessageId": "m", "ReceiptHandle": "h", "Body": "b"}
    server.reactions["ReceiveMessage"] = says({"Messages": [message, message]})
    server.reactions["DeleteMessageBatch"] = says({"Successful": [{"Id": str(number)} for number in range(3)]})

    await transport.receive("jobs", limit=10, wait=0, visibility=30)
    await transport.delete("jobs", ["a", "b", "c"])

    assert [(event.operation, event.queue, event.entries, event.error) for event in told] == [
        ("GetQueueUrl", "jobs", 0, None),
        ("ReceiveMessage", "jobs", 2, None),
        ("DeleteMessageBatch", "jobs", 3, None),
    ]
    assert all(0 <= event.seconds < 5 for event in told)


async def test_a_cancelled_receive_leaves_no_connection_behind(
    server: WireServer, transport: SqsTransport, told: list[SqsCalled]
) -> None:
    """Nobody should cancel one; where it happens all the same, the connection is closed and the event told."""
    server.reactions["ReceiveMessage"] = keeps_silent
    poll = asyncio.create_task(transport.receive("jobs", limit=1, wait=20, visibility=30))
    await server.until(lambda it: it.count("ReceiveMessage") == 1)
    assert len(server.connections) == 2

    poll.cancel()
    with pytest.raises(asyncio.CancelledError):
        await poll

    await server.until(lambda it: len(it.connections) == 1)
    assert told[-1].error == "Cancelled"


async def test_open_polls_use_connections_of_their_own(server: WireServer, transport: SqsTransport) -> None:
    """R60: with more polls than a pool of botocore's default size has connections."""
    server.reactions["ReceiveMessage"] = keeps_silent
    server.reactions["DeleteMessageBatch"] = says({"Successful": [{"Id": "0"}]})
    polls = [asyncio.create_task(transport.receive("jobs", limit=1, wait=20, visibility=30)) for _ in range(20)]
    await server.until(lambda it: it.count("ReceiveMessage") == 20)

    assert await transport.delete("jobs", ["handle"]) == [Done()]

    for poll in polls:
        poll.cancel()
    await asyncio.gather(*polls, return_exceptions=True)


async def test_connections_are_used_again(server: WireServer, transport: SqsTransport) -> None:
    server.reactions["DeleteMessageBatch"] = says({"Successful": [{"Id": "0"}]})

    await transport.delete("jobs", ["handle"])
    connected = set(server.connections)

    for _ in range(5):
        await transport.delete("jobs", ["handle"])

    assert server.connections == connected
