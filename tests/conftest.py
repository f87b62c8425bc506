"""What all tests share: the servers they run against."""

from __future__ import annotations

import functools
import gc
import logging
from collections.abc import AsyncIterator, Iterator

import pytest
from tests.canaries import Watch
from tests.trials import more_examples

from sqsjobs.local import LocalServer

more_examples()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--sqs-endpoint",
        metavar="URL",
        help="run tests/conformance against this server only, or against AWS itself with 'aws' (see docs/emulators.md)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Watch(), "canaries")


@pytest.fixture(scope="session", autouse=True)
def old_objects_are_left_alone() -> None:
    """Many tests collect garbage at their end, to see the errors of lost tasks; what was there before all need not be looked at."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def aws_described_once() -> Iterator[None]:
    """Read AWS's descriptions of its services from the disk once, and not for each session: that is all of its cost."""
    import botocore.session  # noqa: PLC0415 - takes a second

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", functools.cache(botocore.session.create_loader))
        yield


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    """The URL of moto's server, one for all tests. Keep backlogs tiny: its calls slow down with them."""
    from botocore.handlers import BUILTIN_HANDLERS  # noqa: PLC0415 - takes a second
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - the same

    # Imported, moto listens to every request of botocore, in case that it is to be mocked; the lean wire keeps clear
    # of sessions to which others than botocore listen.
    BUILTIN_HANDLERS[:] = [entry for entry in BUILTIN_HANDLERS if not type(entry[1]).__module__.startswith("moto.")]
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
async def local_server() -> AsyncIterator[LocalServer]:
    """The project's own server in the test's event loop, with no queues."""
    async with LocalServer() as server:
        yield server
