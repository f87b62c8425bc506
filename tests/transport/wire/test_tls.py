"""TLS on both wires: nobody is talked to who cannot prove to be the one that was asked for."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from tests.transport.wire.certificates import Authority
from tests.transport.wire.scripted import ScriptedServer, answer, answers, request, unmeasured
from tests.transport.wire_server import WireServer, says

from sqsjobs.errors import ConfigurationError, TransportUnavailable
from sqsjobs.transport.base import OutgoingMessage, Sent
from sqsjobs.transport.sqs import SqsTransport, Wire
from sqsjobs.transport.wire import pool as wire_pool
from sqsjobs.transport.wire.connection import NoAnswer
from sqsjobs.transport.wire.pool import Connections, Origin

QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/jobs"
MESSAGE = [OutgoingMessage("x")]


@pytest.fixture(params=["lean", "aioboto3"])
def wire(request: pytest.FixtureRequest) -> Wire:
    chosen: Wire = request.param
    return chosen


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority that is trusted, as the environment says, and nobody else is."""
    made = Authority(tmp_path, "trusted")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(made.path))
    return made


@asynccontextmanager
async def serving(tls: ssl.SSLContext) -> AsyncIterator[WireServer]:
    async with WireServer(tls=tls) as server:
        server.reactions["SendMessageBatch"] = says({"Successful": [{"Id": "0", "MessageId": "m"}]})
        yield server


async def refused(server: WireServer, wire: Wire, *, saying: str) -> None:
    """See that a server is not talked to."""
    async with SqsTransport(endpoint_url=server.endpoint_url, wire=wire) as transport:
        with pytest.raises(TransportUnavailable, match=saying) as caught:
            await transport.send(QUEUE, MESSAGE)
    assert not caught.value.sent
    assert server.requests == []


async def test_a_server_that_proves_its_name_is_talked_to(wire: Wire, authority: Authority) -> None:
    async with serving(authority.server("localhost")) as server:
        transport = SqsTransport(endpoint_url=server.endpoint_url, wire=wire)
        async with transport:
            for _ in range(3):
                assert await transport.send(QUEUE, MESSAGE) == [Sent("m")]
            assert len(server.connections) == 1


async def test_one_with_another_name_is_not(wire: Wire, authority: Authority) -> None:
    async with serving(authority.server("sqs.us-east-1.amazonaws.com", "127.0.0.1")) as server:
        await refused(server, wire, saying="Hostname mismatch")


async def test_one_that_nobody_vouches_for_is_not(wire: Wire, authority: Authority, tmp_path: Path) -> None:
    async with serving(Authority(tmp_path, "unknown").server("localhost")) as server:
        await refused(server, wire, saying="CERTIFICATE_VERIFY_FAILED")


async def test_one_whose_certificate_has_run_out_is_not(wire: Wire, authority: Authority) -> None:
    async with serving(authority.server("localhost", age=timedelta(days=30))) as server:
        await refused(server, wire, saying="expired")


async def test_the_world_s_authorities_are_trusted_where_nothing_else_is_said(
    wire: Wire, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And ours of the tests is none of them."""
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    async with serving(authority.server("localhost")) as server:
        await refused(server, wire, saying="CERTIFICATE_VERIFY_FAILED")


async def test_the_server_is_told_which_name_it_is_asked_for_by(authority: Authority) -> None:
    """SNI, by which AWS's servers choose their certificate."""
    told: list[str | None] = []
    tls = authority.server("localhost")
    tls.sni_callback = lambda _, name, __: told.append(name)
    async with serving(tls) as server, SqsTransport(endpoint_url=server.endpoint_url, wire="lean") as transport:
        await transport.send(QUEUE, MESSAGE)

    assert told == ["localhost"]


async def test_addresses_can_be_names(authority: Authority) -> None:
    async with serving(authority.server("127.0.0.1")) as server:
        endpoint = server.endpoint_url.replace("localhost", "127.0.0.1")
        async with SqsTransport(endpoint_url=endpoint, wire="lean") as transport:
            assert await transport.send(QUEUE, MESSAGE) == [Sent("m")]


async def test_certificates_that_cannot_be_read_are_refused_at_opening(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "nowhere.pem"))
    with pytest.raises(ConfigurationError, match="No such file"):
        async with SqsTransport(endpoint_url="https://localhost:1", wire="lean"):
            pass


@pytest.mark.parametrize("said", [answer(), unmeasured(answer())], ids=["measured", "until the end"])
async def test_answers_end_over_tls_as_they_do_without(authority: Authority, said: bytes) -> None:
    async with ScriptedServer(answers(said), tls=authority.server("localhost")) as server:
        trusting = ssl.create_default_context(cafile=authority.path)
        connections = Connections(Origin("localhost", server.port, trusting), 1, connect_timeout=3)
        for _ in range(2):
            assert (await connections.request(request())).body == said.partition(b"\r\n\r\n")[2]
            await server.until_gone()
            await asyncio.sleep(2 * wire_pool.FRESH)
        await connections.aclose()


async def test_a_server_that_does_not_shake_hands_is_given_up() -> None:
    """R59: it accepts the connection, and then says nothing."""
    async with ScriptedServer(lambda peer: peer.stays()) as server:
        tls = ssl.create_default_context()
        connections = Connections(Origin("localhost", server.port, tls), 1, connect_timeout=0.3)
        asked = request()
        with pytest.raises(NoAnswer, match="no connection"):
            await connections.request(asked)
        await server.until_gone()
    assert not asked.written


async def test_a_proxy_does_not_make_certificates_unnecessary(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The plain wire goes through proxies, and the server at their other end must prove itself all the same."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with serving(Authority(tmp_path, "unknown").server("localhost")) as server, tunnel() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        await refused(server, "auto", saying="CERTIFICATE_VERIFY_FAILED")


@asynccontextmanager
async def tunnel() -> AsyncIterator[str]:
    """Run a proxy that connects to wherever it is asked to; give its URL."""
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readuntil(b"\r\n\r\n")
        host, _, port = line.split()[1].decode().rpartition(":")
        there_reader, there_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        await asyncio.gather(pass_on(reader, there_writer), pass_on(there_reader, writer))
        ended.set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while some := await reader.read(10_000):
                writer.write(some)
            writer.close()
            await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await ended.wait()
