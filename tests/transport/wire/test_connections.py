"""Connections of the lean wire: made, used again, never more than so many, and ended when they should be."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import Any

import pytest
from aiohappyeyeballs import start_connection
from tests.transport.wire.scripted import BODY, Peer, answer, answers, request, unmeasured, wired

from sqsjobs.transport.wire import pool as wire_pool
from sqsjobs.transport.wire.connection import NoAnswer
from sqsjobs.transport.wire.pool import Connections, Origin

# Connections that are used again, and that are not -------------------------------------------------


async def test_a_connection_is_used_again() -> None:
    async with wired(answers(*[answer()] * 9)) as (server, connections):
        for _ in range(9):
            await connections.request(request())
        assert "1 open, 1 idle" in repr(connections)

    assert server.connections == 1


@pytest.mark.parametrize(
    "last",
    [
        answer(headers=["Connection: close"]),
        b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY),
        unmeasured(BODY),
        answer() + b"HTTP/1.1 200 OK\r\n",
        answer() + answer(),
    ],
    ids=["said so", "HTTP/1.0", "unmeasured", "half an answer more", "an answer more"],
)
async def test_a_connection_is_not_used_again(last: bytes) -> None:
    async def play(peer: Peer) -> None:
        await peer.hears()
        await peer.says(last)
        if b"Content-Length" in last:
            await peer.stays()

    async with wired(play) as (server, connections):
        for _ in range(3):
            assert (await connections.request(request())).body == BODY

    assert server.connections == 3


async def test_what_nobody_asked_for_ends_an_idle_connection() -> None:
    """Such as the 408 of a server that waited too long: it is not the answer to the next request."""

    async def play(peer: Peer) -> None:
        await peer.hears()
        await peer.says(answer())
        await peer.says(answer(b"{}", status="408 Request Timeout"))
        await peer.stays()

    async with wired(play) as (server, connections):
        assert (await connections.request(request())).body == BODY
        await server.until_gone()
        assert (await connections.request(request())).body == BODY


async def test_a_connection_that_was_closed_while_idle_costs_no_request() -> None:
    async with wired(answers(answer())) as (server, connections):
        for _ in range(3):
            await connections.request(request())
            await server.until_gone()
            await asyncio.sleep(0.01)

    assert server.connections == 3


def test_nor_does_one_whose_end_a_busy_loop_has_not_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop was blocked while the server hung up: the socket knows, and is asked."""
    monkeypatch.setattr(wire_pool, "FRESH", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        bodies: list[bytes] = []

        def serve() -> None:
            for _ in range(2):
                accepted, _ = listening.accept()
                with accepted:
                    bodies.append(accepted.recv(10_000))
                    accepted.sendall(answer())

        serving = threading.Thread(target=serve)
        serving.start()

        async def ask_twice() -> None:
            origin = Origin("127.0.0.1", listening.getsockname()[1], None)
            connections = Connections(origin, 1, connect_timeout=3)
            await connections.request(request(b"first"))
            time.sleep(0.1)  # the loop stands still, and the server hangs up
            await connections.request(request(b"second"))
            await connections.aclose()

        asyncio.run(ask_twice())
        serving.join()

    assert [body.rpartition(b"\n")[2] for body in bodies] == [b"first", b"second"]


async def test_a_connection_that_was_idle_for_long_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_pool, "IDLE", 0.0)
    async with wired(answers(*[answer()] * 2)) as (server, connections):
        await connections.request(request())
        await connections.request(request())

    assert server.connections == 2


# Many requests, and none -----------------------------------------------------------------------------


async def test_there_are_never_more_connections_than_the_pool_may_have() -> None:
    released = asyncio.Event()

    async def play(peer: Peer) -> None:
        while True:
            await peer.hears()
            await released.wait()
            await peer.says(answer())

    async with wired(play, most=2) as (server, connections), asyncio.TaskGroup() as group:
        asking = [group.create_task(connections.request(request())) for _ in range(6)]
        while len(server.bodies) < 2:
            await asyncio.sleep(0.01)
        asking[5].cancel()  # one that waits for its turn
        released.set()

    assert server.connections == 2
    assert len(server.bodies) == 5


async def test_a_cancelled_request_ends_its_connection() -> None:
    """What would come is nobody's answer, and must not be taken for another's."""
    heard = asyncio.Event()

    async def play(peer: Peer) -> None:
        await peer.hears()
        heard.set()
        await peer.stays()

    async with wired(play, answers(answer()), most=1) as (server, connections):
        asking = asyncio.create_task(connections.request(request()))
        await heard.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await server.until_gone()

        assert (await connections.request(request())).body == BODY


async def test_closing_ends_what_is_under_way_and_takes_nothing_more() -> None:
    heard = asyncio.Event()

    async def play(peer: Peer) -> None:
        await peer.hears()
        heard.set()
        await peer.stays()

    async with wired(play) as (server, connections):
        asking = asyncio.create_task(connections.request(request()))
        await heard.wait()
        await connections.aclose()
        with pytest.raises(NoAnswer):
            await asking
        await server.until_gone()

        late = request()
        with pytest.raises(NoAnswer, match="closed"):
            await connections.request(late)
        assert not late.written


# Making connections ----------------------------------------------------------------------------------


async def test_a_connection_that_cannot_be_made_was_not_written_to() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        connections = Connections(Origin("127.0.0.1", unused.getsockname()[1], None), 1, connect_timeout=3)
        asked = request()
        with pytest.raises(NoAnswer, match="no connection"):
            await connections.request(asked)
        await connections.aclose()

    assert not asked.written


async def test_a_host_name_that_cannot_be_is_no_connection() -> None:
    connections = Connections(Origin("x" * 70 + ".localhost", 1, None), 1, connect_timeout=3)
    with pytest.raises(NoAnswer, match="no connection"):
        await connections.request(request())


async def test_ipv6_addresses_are_talked_to_and_written_in_brackets() -> None:
    async with wired(answers(answer()), host="::1") as (_, connections):
        assert (await connections.request(request())).body == BODY

    assert Origin("::1", 9324, None).header == "[::1]:9324"
    assert Origin("::1", 80, None).header == "[::1]"


async def test_no_delay_is_made_for_company() -> None:
    """Nagle's algorithm would hold the end of a request back until the server has acknowledged its beginning."""
    async with wired(answers(answer())) as (_, connections):
        await connections.request(request())
        [connection] = connections._open
        assert connection._transport is not None
        made = connection._transport.get_extra_info("socket")
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_an_address_that_does_not_answer_does_not_keep_the_others_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """R59: of several addresses of a host, or of IPv6 and IPv4, one is dead."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [_connecting(full.getsockname()) for _ in range(3)]
        async with wired(answers(answer())) as (server, connections):
            kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
            addresses = [(*kind, full.getsockname()), (*kind, ("127.0.0.1", server.port))]

            async def start(_: object, **options: Any) -> socket.socket:
                return await start_connection(addresses, **options)

            monkeypatch.setattr(wire_pool, "start_connection", start)
            assert (await connections.request(request())).body == BODY
        for filler in fillers:
            filler.close()


def _connecting(address: tuple[str, int]) -> socket.socket:
    filler = socket.socket()
    filler.setblocking(False)
    filler.connect_ex(address)
    return filler
