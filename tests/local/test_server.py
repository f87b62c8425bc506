"""The server itself: where it listens, long polls and hang-ups, faults, starting and stopping."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError
from tests.local.conftest import Boto3

import sqsjobs
from sqsjobs.errors import ConfigurationError
from sqsjobs.local import LocalServer
from sqsjobs.transport.base import OutgoingMessage
from sqsjobs.transport.memory import MemorySQS, MemoryTransport
from sqsjobs.transport.model import Fault, NoAnswer, Refusal

# Where it listens -------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "example.com"])
def test_it_listens_on_loopback_unless_it_is_allowed_to_do_otherwise(host: str) -> None:
    with pytest.raises(ConfigurationError, match="allow_remote"):
        LocalServer(host)
    assert LocalServer(host, 9324, allow_remote=True).endpoint_url.endswith(":9324")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
async def test_any_name_of_loopback_will_do(host: str) -> None:
    async with LocalServer(host) as server:
        assert urlsplit(server.endpoint_url).hostname == host
        assert urlsplit(server.endpoint_url).port


@pytest.mark.parametrize(
    ("host", "status"), [("localhost", 200), ("[::1]:80", 200), ("evil.example", 403), ("", 403), ("[", 403)]
)
async def test_it_answers_to_names_of_loopback_alone(local_server: LocalServer, host: str, status: int) -> None:
    """Lest a web page, whose name leads here for a moment, send jobs to the queues."""
    parts = urlsplit(local_server.endpoint_url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    writer.close()
    await writer.wait_closed()


async def test_a_taken_port_is_an_error(local_server: LocalServer) -> None:
    port = urlsplit(local_server.endpoint_url).port
    assert port is not None
    with pytest.raises(OSError, match="address already in use"):
        async with LocalServer(port=port):
            pass


async def test_a_transport_can_share_its_queues(local_server: LocalServer, sqs: Boto3) -> None:
    url = await sqs.create("jobs")
    async with MemoryTransport(local_server.sqs) as transport:
        await transport.send("jobs", [OutgoingMessage("from inside")])
    assert (await sqs.call("receive_message", QueueUrl=url))["Messages"][0]["Body"] == "from inside"


async def test_queues_are_not_made_up(sqs: Boto3, local_server: LocalServer) -> None:
    url = f"{local_server.endpoint_url}/000000000000/jobs"
    code, _, _ = await sqs.error("send_message", QueueUrl=url, MessageBody="x")
    assert code == "AWS.SimpleQueueService.NonExistentQueue"


# Long polls -------------------------------------------------------------------------------------------


class RawPoll:
    """A long poll on a connection of its own, which can be hung up."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, url: str, **parameters: object) -> RawPoll:
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        body = json.dumps({"QueueUrl": url, **parameters})
        head = f"POST / HTTP/1.1\r\nHost: {parts.netloc}\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()
        return cls(reader, writer)

    async def answer(self) -> bytes:
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return await self.reader.readexactly(length)

    async def hang_up(self) -> None:
        self.writer.transport.abort()
        await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)


async def until_open(server: LocalServer, polls: int) -> None:
    """Wait until so many long polls are open in the server."""
    while sum(map(len, server.sqs._polls._open.values())) < polls:
        await asyncio.sleep(0.001)


async def test_a_long_poll_answers_when_a_message_comes(local_server: LocalServer, sqs: Boto3) -> None:
    url = await sqs.create("jobs")
    poll = await RawPoll.open(url, WaitTimeSeconds=20)
    await until_open(local_server, 1)
    await sqs.call("send_message", QueueUrl=url, MessageBody="x")
    assert json.loads(await poll.answer())["Messages"][0]["Body"] == "x"
    await poll.hang_up()


async def test_twenty_long_polls_hold_nobody_up_and_share_what_comes(local_server: LocalServer, sqs: Boto3) -> None:
    url, other = await sqs.create("jobs"), await sqs.create("other")
    polls = [await RawPoll.open(url, WaitTimeSeconds=20, MaxNumberOfMessages=10) for _ in range(20)]
    await until_open(local_server, 20)
    await sqs.call("send_message", QueueUrl=other, MessageBody="x")
    assert (await sqs.call("receive_message", QueueUrl=other))["Messages"]
    for _ in range(2):
        entries = [{"Id": str(n), "MessageBody": "x"} for n in range(10)]
        await sqs.call("send_message_batch", QueueUrl=url, Entries=entries)
    answers = await asyncio.gather(*(poll.answer() for poll in polls))
    assert [len(json.loads(answer)["Messages"]) for answer in answers] == [1] * 20
    for poll in polls:
        await poll.hang_up()


async def test_a_receive_goes_on_when_its_client_has_hung_up(local_server: LocalServer, sqs: Boto3) -> None:
    """R5: the message is hidden and nobody has it."""
    url = await sqs.create("jobs")
    poll = await RawPoll.open(url, WaitTimeSeconds=20, VisibilityTimeout=1)
    await until_open(local_server, 1)
    await poll.hang_up()
    await sqs.call("send_message", QueueUrl=url, MessageBody="x")
    assert await sqs.call("receive_message", QueueUrl=url) == {}
    answer = await sqs.call("receive_message", QueueUrl=url, WaitTimeSeconds=5, AttributeNames=["All"])
    assert answer["Messages"][0]["Attributes"]["ApproximateReceiveCount"] == "2"


async def test_stopping_answers_the_open_polls() -> None:
    sqs = MemorySQS()
    sqs.create_queue("jobs")
    async with LocalServer(sqs=sqs) as server:
        poll = await RawPoll.open(f"{server.endpoint_url}/000000000000/jobs", WaitTimeSeconds=20)
        await until_open(server, 1)
        loop = asyncio.get_running_loop()
        started = loop.time()
    assert loop.time() - started < 5
    assert await poll.answer() == b"{}"
    await poll.hang_up()


# Faults -----------------------------------------------------------------------------------------------


async def test_everything_can_fail_with_a_500(sqs: Boto3, local_server: LocalServer) -> None:
    """R59: and it is over when the fault is."""
    url = await sqs.create("jobs")
    local_server.sqs.faults = lambda _operation, _queue: Fault(before=Refusal("InternalFailure", "broken"))
    assert await sqs.error("send_message", QueueUrl=url, MessageBody="x") == ("InternalFailure", "ClientError", 500)
    assert await sqs.error("list_queues") == ("InternalFailure", "ClientError", 500)
    local_server.sqs.faults = None
    assert await sqs.call("list_queues") == {"QueueUrls": [url]}


@pytest.mark.parametrize(
    ("shape", "code", "status"),
    [
        ("RequestThrottled", "RequestThrottled", 403),
        ("KmsThrottled", "KMS.ThrottlingException", 400),
        ("ExpiredTokenException", "ExpiredToken", 403),
        ("ServiceUnavailable", "ServiceUnavailable", 503),
    ],
)
async def test_faults_have_the_codes_of_aws(
    sqs: Boto3, local_server: LocalServer, shape: str, code: str, status: int
) -> None:
    local_server.sqs.faults = lambda _operation, _queue: Fault(before=Refusal(shape, "…"))
    answered_code, _, answered_status = await sqs.error("list_queues")
    assert (answered_code, answered_status) == (code, status)


@pytest.mark.parametrize(("when", "visible"), [("before", 0), ("after", 1)])
async def test_the_connection_can_break_before_or_after(
    sqs: Boto3, local_server: LocalServer, when: str, visible: int
) -> None:
    """R28: the client cannot tell which."""
    url = await sqs.create("jobs")
    fault = Fault(before=NoAnswer()) if when == "before" else Fault(after=NoAnswer())
    local_server.sqs.faults = lambda operation, _: fault if operation == "SendMessage" else None
    with pytest.raises((ConnectionClosedError, EndpointConnectionError)):
        await sqs.call("send_message", QueueUrl=url, MessageBody="x")
    counts = await sqs.call("get_queue_attributes", QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    assert counts["Attributes"]["ApproximateNumberOfMessages"] == str(visible)


async def test_faults_are_those_of_the_server_if_it_has_any() -> None:
    asked: list[str] = []

    def note(operation: str, queue: str | None) -> Fault | None:
        asked.append(operation)
        return None

    async with LocalServer(faults=note) as server:
        client = Boto3(server.endpoint_url)
        await client.create("jobs")
        client.client.close()
    assert asked == ["CreateQueue"]


async def test_a_server_can_go_away_and_come_back_with_its_queues(sqs: Boto3) -> None:
    queues = MemorySQS()
    async with LocalServer(sqs=queues) as server:
        client = Boto3(server.endpoint_url)
        url = await client.create("jobs")
        port = urlsplit(server.endpoint_url).port
    with pytest.raises((EndpointConnectionError, ConnectionClosedError)):
        await client.call("list_queues")
    assert port is not None
    async with LocalServer(port=port, sqs=queues):
        assert await client.call("list_queues") == {"QueueUrls": [url]}
    client.client.close()


# As a process -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_it_announces_its_url_and_ends_on_a_signal(signum: signal.Signals) -> None:
    process = start("--port", "0", "--announce")
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert url.startswith("http://127.0.0.1:")
    client = Boto3(url).client
    assert client.list_queues()["ResponseMetadata"]["HTTPStatusCode"] == 200
    client.close()
    process.send_signal(signum)
    rest, errors = process.communicate(timeout=10)
    assert (process.returncode, rest, errors) == (0, "", "")


def test_without_announce_it_says_how_to_use_it() -> None:
    process = start("--port", "0")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("http://127.0.0.1:")
    assert "AWS_ENDPOINT_URL_SQS=http://127.0.0.1:" in process.stdout.readline()
    process.terminate()
    process.communicate(timeout=10)


def test_importing_sqsjobs_does_not_import_the_server() -> None:
    code = "import sys, sqsjobs; print('aiohttp' in sys.modules, 'sqsjobs.local' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment())
    assert done.stdout.split() == ["False", "False"]


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sqsjobs.local", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(sqsjobs.__file__).parents[1])}
