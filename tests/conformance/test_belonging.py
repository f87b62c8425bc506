"""A transport belongs to the event loop and the process in which it was opened."""

from __future__ import annotations

import asyncio

import pytest
from tests.conformance.reading import send, take_one

from sqsjobs.errors import ConfigurationError
from sqsjobs.transport.base import Transport


async def test_another_event_loop_is_refused(transport: Transport) -> None:
    """R69: its connections and locks would fail later, and less clearly."""

    def elsewhere() -> None:
        with pytest.raises(ConfigurationError, match="clone"):
            asyncio.run(transport.describe("jobs"))

    await asyncio.to_thread(elsewhere)


async def test_a_clone_works_in_another_event_loop(transport: Transport) -> None:
    async def use_a_clone() -> str:
        async with transport.clone() as clone:
            return (await take_one(clone, "jobs")).body

    await send(transport, "jobs", "x")

    assert await asyncio.to_thread(asyncio.run, use_a_clone()) == "x"


async def test_it_cannot_be_used_before_it_is_opened(transport: Transport) -> None:
    with pytest.raises(ConfigurationError, match="async with"):
        await transport.clone().describe("jobs")


async def test_it_cannot_be_opened_twice_at_once(transport: Transport) -> None:
    with pytest.raises(ConfigurationError, match="open already"):
        async with transport:
            pass


async def test_it_can_be_opened_again_after_it_was_closed(transport: Transport) -> None:
    clone = transport.clone()
    async with clone:
        pass
    with pytest.raises(ConfigurationError, match="async with"):
        await clone.describe("jobs")

    async with clone:
        assert not (await clone.describe("jobs")).fifo
