"""Answers over the lean wire: where they end, and every way in which they do not come, or are none."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest
from tests.transport.wire.scripted import BODY, Peer, Script, answer, answers, chunked, request, unmeasured, wired

from sqsjobs.transport.wire import connection as wire_connection
from sqsjobs.transport.wire.connection import Answer, NoAnswer, Request

WAYS = {
    "measured": answer(),
    "chunked": chunked(BODY[:5], BODY[5:6], BODY[6:]),
    "chunked with a trailer": chunked(BODY, trailer="Content-Type: text/html\r\n"),
    "until the end": unmeasured(BODY),
    "until the end, in HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n" + BODY,
    "after others": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + answer(),
}


@pytest.mark.parametrize("way", WAYS)
async def test_an_answer_is_whole_wherever_it_is_split(way: str) -> None:
    """Cut in two at every byte."""
    whole = WAYS[way]
    cuts = iter(range(len(whole)))

    async def play(peer: Peer) -> None:
        for cut in cuts:
            await peer.hears()
            await peer.says(whole[:cut], whole[cut:])
            if way.startswith("until"):
                return

    async with wired(play) as (server, connections):
        for _ in whole:
            got = await connections.request(request())
            assert (got.status, got.body) == (200, BODY)
            assert b"link" not in got.headers

    assert len(server.bodies) == len(whole)


@pytest.mark.parametrize("way", WAYS)
async def test_an_answer_is_whole_when_it_comes_byte_by_byte(way: str) -> None:
    async def play(peer: Peer) -> None:
        await peer.hears()
        await peer.says(*(bytes([byte]) for byte in WAYS[way]))

    async with wired(play) as (_, connections):
        assert (await connections.request(request())).body == BODY


async def test_an_answer_in_tiny_chunks_takes_no_more_memory_than_its_bytes() -> None:
    body = b"ab" * 150_000
    whole = chunked(*(body[start : start + 2] for start in range(0, len(body), 2)))
    async with wired(answers(whole)) as (_, connections):
        tracemalloc.start()
        try:
            got = await connections.request(request())
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert got.body == body
    assert most < 3 * len(whole)


async def test_trailers_mean_nothing() -> None:
    async with wired(answers(WAYS["chunked with a trailer"])) as (_, connections):
        assert b"content-type" not in (await connections.request(request())).headers


async def test_an_answer_without_contents_is_one() -> None:
    async with wired(answers(answer(b""), b"HTTP/1.1 204 No Content\r\n\r\n")) as (server, connections):
        assert (await connections.request(request())).body == b""
        assert (await connections.request(request())).status == 204

    assert server.connections == 1


# Answers that do not come, or are none -------------------------------------------------------------


async def ends(peer: Peer) -> None:
    await peer.hears()


async def resets(peer: Peer) -> None:
    await peer.hears()
    peer.resets()


async def ends_its_side_only(peer: Peer) -> None:
    await peer.hears()
    peer.writer.write_eof()
    await peer.stays()


def says_and_ends(said: bytes) -> Script:
    async def play(peer: Peer) -> None:
        await peer.hears()
        await peer.says(said)

    return play


def says_and_stays(said: bytes) -> Script:
    async def play(peer: Peer) -> None:
        await peer.hears()
        await peer.says(said)
        await peer.stays()

    return play


@pytest.mark.parametrize(
    "script",
    [
        ends,
        resets,
        ends_its_side_only,
        says_and_ends(b"HTTP/1.1 200 OK\r\nContent-Le"),
        says_and_ends(answer()[:-1]),
        says_and_ends(chunked(BODY)[:-1]),
        says_and_ends(unmeasured(b"")),
        says_and_ends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n{}"),
        says_and_stays(b"220 mail.example.com ESMTP\r\n\r\n"),
        says_and_stays(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        says_and_stays(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"),
        says_and_stays(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x"),
        says_and_stays(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}"),
        says_and_stays(b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}"),
        says_and_stays(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nmany\r\n{}\r\n"),
    ],
    ids=[
        "ends", "resets", "half-closes", "cut in the head", "cut in the body", "cut in the last chunk",
        "ends before its unmeasured body", "an encoding we did not ask for", "mail", "TLS", "another protocol",
        "two lengths", "length and chunks", "negative length", "no length of a chunk",
    ],
)  # fmt: skip
async def test_no_answer_is_an_error_and_is_not_asked_for_again(script: Script) -> None:
    """R27, R59: the one who asked hears that the request may have arrived; the connection is not used again."""
    async with wired(script, answers(answer())) as (server, connections):
        asked = request()
        with pytest.raises(NoAnswer):
            await connections.request(asked)
        assert asked.written
        assert (server.connections, len(server.bodies)) == (1, 1)

        assert (await connections.request(request())).body == BODY
        assert server.connections == 2


async def test_a_server_that_hangs_up_at_once_may_have_heard_nothing_or_not() -> None:
    """R59: reset before the request has come; the client cannot know."""

    async def play(peer: Peer) -> None:
        peer.resets()

    async with wired(play) as (server, connections):
        with pytest.raises(NoAnswer):
            await connections.request(request())
        assert len(server.bodies) == 0


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000,
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000,
        b"HTTP/1.1 200 " + b"y" * 100_000,
        answer(b" " * 300_000),
        chunked(*[b" " * 30_000] * 10),
        unmeasured(b" " * 300_000),
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000,
    ],
    ids=["headers", "a header", "the first line", "measured", "chunked", "unmeasured", "answers that are not final"],
)
async def test_an_answer_that_is_too_long_is_cut_off(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    """Whatever part of it is too long, and however much is promised."""
    monkeypatch.setattr(wire_connection, "MOST_BYTES", 200_000)

    async with wired(says_and_stays(said)) as (server, connections):
        with pytest.raises(NoAnswer, match="too long"):
            await connections.request(request())
        await server.until_gone()


async def test_a_long_answer_and_a_long_request_pass() -> None:
    """Ten messages of a MiB with every character escaped, to a server that reads slowly (backpressure)."""
    long = b"\\u0001" * (1024 * 1024)

    async def play(peer: Peer) -> None:
        left = await peer.hears_head()
        while left:
            await asyncio.sleep(0)
            left -= len(await peer.reader.read(min(left, 100_000)))
        await peer.says(answer(long))
        await peer.stays()

    async with wired(play) as (_, connections):
        assert (await connections.request(request(long))).body == long


async def test_an_answer_before_the_request_is_read_counts_and_the_connection_does_not() -> None:
    """A refusal of what is too long comes early; what is left of the request must not be taken for the next."""
    over = asyncio.Event()

    async def refuse(peer: Peer) -> None:
        await peer.hears_head()
        await peer.says(answer(b"{}", status="413 Too Long"))
        await over.wait()

    async with wired(refuse, answers(answer())) as (server, connections):
        assert (await connections.request(request(b"x" * 20_000_000))).status == 413
        assert (await connections.request(request())).body == BODY
        assert server.connections == 2
        over.set()


def test_what_a_request_and_its_answer_hold_is_never_shown() -> None:
    shown = repr(Request(b"{secret}", b"Authorization: secret")), repr(Answer(200, {b"token": b"secret"}, b"{secret}"))
    assert shown == ("<Request of 8 bytes, not written>", "<Answer 200 of 8 bytes>")
