"""Runs each test of the suite once for every rig, and expects the known differences."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from tests.conformance.differences import DIFFERENCES
from tests.conformance.reading import Look
from tests.conformance.rigs import LocalRig, MemoryRig, MovableClock, Rig, ServerRig

from sqsjobs.local import LocalServer
from sqsjobs.transport.base import Delivery, Transport
from sqsjobs.transport.memory import MemorySQS

WITH_A_CLOCK = ["memory", "local", "local-plain"]
"""Rigs whose time can be moved; the tests marked `moves_clock` run on these alone."""
ALL = [*WITH_A_CLOCK, "moto"]
"""The local server over the lean path and through aioboto3 ("plain"); moto over the lean path."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "moves_clock: the test lets more time pass than anybody waits for")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "rig" not in metafunc.fixturenames:
        return
    endpoint = metafunc.config.getoption("--sqs-endpoint")
    moves_clock = metafunc.definition.get_closest_marker("moves_clock") is not None
    rigs = [endpoint] if endpoint else WITH_A_CLOCK if moves_clock else ALL
    test = metafunc.definition.originalname
    metafunc.parametrize("rig", [_parameter(rig, test) for rig in rigs], indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what no foreign endpoint can do."""
    if config.getoption("--sqs-endpoint"):
        left_out = [item for item in items if item.get_closest_marker("moves_clock")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def _parameter(rig: str, test: str) -> object:
    reason = DIFFERENCES.get(rig, {}).get(test)
    marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
    return pytest.param(rig, id=rig, marks=marks)


@pytest.fixture
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(await _rig(request, stack))


async def _rig(request: pytest.FixtureRequest, stack: AsyncExitStack) -> Rig:
    match request.param:
        case "memory":
            return MemoryRig()
        case "local" | "local-plain":
            clock = MovableClock()
            server = await stack.enter_async_context(LocalServer(sqs=MemorySQS(clock=clock)))
            return LocalRig(server, clock, "lean" if request.param == "local" else "aioboto3")
        case "moto":
            return ServerRig(request.getfixturevalue("moto_endpoint"), "lean")
        case "aws":
            return ServerRig(None)
        case url:
            return ServerRig(url)


@pytest.fixture
async def transport(rig: Rig) -> Transport:
    """A transport to the rig's queues: "jobs" and "jobs.fifo", with nothing in them."""
    await rig.create_queue("jobs")
    await rig.create_queue("jobs.fifo")
    return await rig.open()


@pytest.fixture
def look(request: pytest.FixtureRequest, transport: Transport) -> Look:
    # A short poll of AWS asks only some of its hosts; here, and in emulators, it asks all there are.
    wait = 1 if request.config.getoption("--sqs-endpoint") else 0

    async def look(queue: str) -> list[Delivery]:
        return await transport.receive(queue, limit=10, wait=wait, visibility=30)

    return look
