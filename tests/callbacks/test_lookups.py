"""Names are looked up in threads of their own: nameservers that do not answer hold up nobody else."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sqsjobs.callbacks.lookups import Lookups, resolved


class Nameservers:
    """Those of names that begin with ``dead`` answer once they are let."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.alive = threading.Event()

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        if host.startswith("dead"):
            self.alive.wait(60)
        if host.startswith("no-such"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return ["192.0.2.1"]


@pytest.fixture
def nameservers() -> Iterator[Nameservers]:
    servers = Nameservers()
    yield servers
    servers.alive.set()


class Untouched(ThreadPoolExecutor):
    """The threads of the loop, which others need."""

    def submit(self, *call: Any, **options: Any) -> Any:
        raise AssertionError("a lookup took one of the loop's own threads")


async def test_a_lookup_takes_no_thread_of_the_loop() -> None:
    asyncio.get_running_loop().set_default_executor(Untouched())
    assert await resolved("127.0.0.1", 443) == ["127.0.0.1"]
    with pytest.raises(UnicodeError):  # and no nameserver is asked
        await resolved("x" * 64 + ".example", 443)


async def test_a_nameserver_that_is_away_holds_up_its_own_names_alone(nameservers: Nameservers) -> None:
    """However many callbacks go to one of them, and however often they are tried."""
    lookups = Lookups(most=3, ask=nameservers)
    for _ in range(10):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await lookups.addresses("dead.example", 443)
    assert await lookups.addresses("shop.example", 443) == ["192.0.2.1"]
    with pytest.raises(socket.gaierror):
        await lookups.addresses("no-such.example", 443)
    patient = asyncio.ensure_future(lookups.addresses("dead.example", 443))
    others = [asyncio.ensure_future(lookups.addresses(f"dead{n}.example", 443)) for n in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(OSError, match="too many names"):
        await lookups.addresses("shop.example", 443)
    assert nameservers.asked.count("dead.example") == 1
    nameservers.alive.set()
    assert await asyncio.gather(patient, *others) == [["192.0.2.1"]] * 3
    assert await lookups.addresses("shop.example", 443) == ["192.0.2.1"]


def test_no_lookup_outlives_its_loop_with_a_complaint(
    nameservers: Nameservers, caplog: pytest.LogCaptureFixture
) -> None:
    lookups = Lookups(ask=nameservers)

    async def give_up() -> None:
        async with asyncio.timeout(0.001):
            await lookups.addresses("dead.example", 443)

    with pytest.raises(TimeoutError):
        asyncio.run(give_up())
    nameservers.alive.set()
    assert asyncio.run(lookups.addresses("dead.example", 443)) == ["192.0.2.1"]
    assert caplog.records == []
