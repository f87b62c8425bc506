"""Posting over real HTTP on the loopback, which has to be allowed: what is connected to, what is verified, what is not followed."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.callbacks.receiver import LOOPBACK, receiving

from sqsjobs import CallbackFailed, CallbackRefused, Callbacks, Discard, RetryAfter
from sqsjobs.callbacks.addresses import is_public
from sqsjobs.callbacks.answers import check_answer
from sqsjobs.callbacks.posting import posted
from sqsjobs.callbacks.posts import Answer, Post, Reach

LOCAL = Reach(tuple(map(ipaddress.ip_network, LOOPBACK)), timeout=5.0)


def post(url: str) -> Post:
    return Post(url, b"{}", {"content-type": "application/json", "webhook-id": "msg_1"})


def answering(*addresses: str, calls: list[str] | None = None):
    """Return a resolver whose first answer is the first address, and so on; the last one again and again."""
    left = list(addresses)

    async def resolve(host: str, port: int) -> list[str]:
        if calls is not None:
            calls.append(host)
        return [left.pop(0) if len(left) > 1 else left[0]]

    return resolve


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.100.100.200",
        ),
        *("192.0.0.192", "198.18.0.1", "192.0.2.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "168.63.129.16"),
        *(
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2001::1",
        ),
        *(
            "::ffff:169.254.169.254",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::1",
        ),
    ],
)
def test_no_address_but_a_public_one_is_public(address):
    """S21: private, loopback, link-local, shared, mapped, metadata, multicast, reserved."""
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::8.8.8.8", "172.32.0.1"])
def test_public_addresses_are_public(address):
    assert is_public(ipaddress.ip_address(address))


async def test_a_post_arrives_and_what_is_answered_is_told():
    async with receiving("429 Too Many\r\nRetry-After: 7\r\nSet-Cookie: a=b") as receiver:
        assert await posted(post(receiver.url), LOCAL) == Answer(429, "7")
    (request,) = receiver.requests
    assert request.line == "POST /hooks?token=s3cret-in-the-url HTTP/1.1"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert request.headers["webhook-id"] == "msg_1"
    assert "cookie" not in request.headers
    assert request.body == b"{}"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "[::ffff:7f00:1]"])
async def test_an_address_that_is_not_public_is_not_connected_to(host):
    """S21: not even where the allow-list lets its name through."""
    async with receiving() as receiver:
        with pytest.raises(CallbackRefused, match="not one of the public internet"):
            await posted(post(f"http://{host}:{receiver.port}/"), Reach(timeout=5.0))
    assert receiver.connections == 0


async def test_one_address_that_is_not_public_condemns_the_others():
    async def both(host: str, port: int) -> list[str]:
        return ["93.184.216.34", "127.0.0.1"]

    with pytest.raises(CallbackRefused, match=r"has the address 127\.0\.0\.1"):
        await posted(post("http://mixed.example/"), Reach(resolve=both, timeout=5.0))


async def test_the_connection_goes_to_the_address_that_was_checked():
    """S21: a name that has another address when it is asked again (DNS rebinding) is not asked again."""
    calls: list[str] = []
    async with receiving() as receiver, receiving() as trap:
        resolve = answering("127.0.0.1", "127.0.0.2", calls=calls)
        url = f"http://rebinding.example:{receiver.port}/"
        answer = await posted(post(url), Reach(LOCAL.networks, 5.0, resolve=resolve))
    assert answer.status == 204
    assert calls == ["rebinding.example"]
    assert receiver.requests[0].headers["host"] == f"rebinding.example:{receiver.port}"
    assert trap.connections == 0


async def test_a_name_that_turns_private_is_refused_at_the_next_try():
    """S21: every try resolves anew, and checks what it got."""
    resolve = answering("127.0.0.1", "10.0.0.1")
    async with receiving("500 Oops") as receiver:
        reach = Reach(LOCAL.networks, 5.0, resolve=resolve)
        url = f"http://rebinding.example:{receiver.port}/"
        assert (await posted(post(url), reach)).status == 500
        with pytest.raises(CallbackRefused, match=r"10\.0\.0\.1"):
            await posted(post(url), reach)
    assert receiver.connections == 1


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_not_followed(status):
    """S21: wherever it leads."""
    async with receiving() as trap, receiving(f"{status}\r\nLocation: {trap.url}") as receiver:
        answer = await posted(post(receiver.url), LOCAL)
    assert trap.connections == 0
    with pytest.raises(CallbackFailed, match="redirects are not followed"):
        check_answer(answer, "x", 0.0)


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch):
    """S21: it would resolve the name itself."""
    async with receiving() as proxy, receiving() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.host)
        monkeypatch.delenv("no_proxy", raising=False)
        await posted(post(receiver.url), LOCAL)
    assert (proxy.connections, receiver.connections) == (0, 1)


async def test_a_receiver_that_does_not_answer_has_its_time():
    async with receiving(hold=True) as receiver:
        with pytest.raises(CallbackFailed, match=r"gave no answer within 0\.2 s") as failed:
            await posted(post(receiver.url), Reach(LOCAL.networks, 0.2))
    assert "s3cret" not in str(failed.value)


async def test_an_answer_without_end_is_not_waited_for():
    """S21: nothing of a body is read, however long it is."""

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                await writer.drain()
        except ConnectionError:
            ended.set()

    ended = asyncio.Event()
    server = await asyncio.start_server(pour, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert (await posted(post(f"http://127.0.0.1:{port}/"), LOCAL)).status == 200
    async with asyncio.timeout(5):
        await ended.wait()
    server.close()


async def test_what_cannot_be_resolved_or_reached_is_worth_another_try_and_says_no_secret():
    """S21: no address is no reason to let somebody else resolve the name."""

    async def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(CallbackFailed, match="cannot be reached: gaierror") as failed:
        await posted(post("https://nowhere.example/?token=s3cret"), Reach(resolve=unknown))
    assert "s3cret" not in str(failed.value)
    async with receiving() as receiver:
        pass
    with pytest.raises(CallbackFailed, match="cannot be reached") as failed:
        await posted(post(receiver.url), LOCAL)
    assert "s3cret" not in str(failed.value)


# TLS ------------------------------------------------------------------------------------------------


def certified(name: str, folder) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the contexts of a server that is called `name`, and of clients that believe it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    plain = serialization.NoEncryption()
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cadata=certificate.public_bytes(serialization.Encoding.PEM).decode())


async def test_certificates_are_verified_for_the_name_though_the_address_is_pinned(tmp_path):
    """S21: the right name over the checked address arrives; another name, or an unknown authority, does not."""
    server, client = certified("shop.example", tmp_path)
    asked: list[str | None] = []
    server.sni_callback = lambda connection, name, context: asked.append(name)
    async with receiving(tls=server) as receiver:
        reach = Reach(LOCAL.networks, 5.0, client, answering("127.0.0.1"))
        assert (await posted(post(f"https://shop.example:{receiver.port}/"), reach)).status == 204
        with pytest.raises(CallbackFailed, match="ClientConnectorCertificateError"):
            await posted(post(f"https://other.example:{receiver.port}/"), reach)
        with pytest.raises(CallbackFailed, match="Certificate"):
            await posted(
                post(f"https://shop.example:{receiver.port}/"), Reach(LOCAL.networks, 5.0, None, reach.resolve)
            )
    assert asked[:2] == ["shop.example", "other.example"]
    assert len(receiver.requests) == 1


# Answers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_success_is_one(status):
    check_answer(Answer(status), "x", 0.0)


@pytest.mark.parametrize("status", [100, 301, 304, 400, 401, 404, 429, 500, 503, 599])
def test_all_else_is_tried_again(status):
    with pytest.raises(CallbackFailed, match=str(status)):
        check_answer(Answer(status), "x", 0.0)


def test_a_receiver_that_is_gone_is_left_alone():
    with pytest.raises(Discard, match="wants no callbacks"):
        check_answer(Answer(410, "5"), "x", 0.0)


@pytest.mark.parametrize(
    ("retry_after", "delay"),
    [
        ("7", 7.0),
        ("0", 1.0),
        ("86400", 3600.0),
        ("9" * 400, 3600.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 1.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_receiver_may_say_when_within_bounds(status, retry_after, delay):
    with pytest.raises(RetryAfter) as asked:
        check_answer(Answer(status, retry_after), "x", 10.0)
    assert asked.value.delay == delay


@pytest.mark.parametrize("retry_after", ["", "soon", "-5", "1.5", "\u0667", "Thu, 99 Jan 1970 00:00:01 GMT"])
def test_what_says_no_time_leaves_it_to_the_schedule(retry_after):
    with pytest.raises(CallbackFailed):
        check_answer(Answer(503, retry_after), "x", 10.0)


def test_nothing_shows_the_url():
    assert "s3cret" not in repr(post("https://shop.example/?token=s3cret"))
    assert "whsec_" not in repr(Callbacks(hosts=["*"], keys=["whsec_" + "QQ" * 16]))
