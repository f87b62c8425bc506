"""pytest's fixtures for applications that use sqsjobs. All are synchronous, so any asyncio plugin, or none, will do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # imported by the fixtures that are used: pytest loads this module in every run
    from sqsjobs.app import App
    from sqsjobs.testing.memory_app import MemoryApp, PutInMemory
    from sqsjobs.testing.recorded_events import RecordedEvents
    from sqsjobs.testing.server_thread import LocalServerThread

__all__ = ["sqsjobs_app", "sqsjobs_events", "sqsjobs_local_server"]


@pytest.fixture
def sqsjobs_app() -> Iterator[PutInMemory]:
    """Put an app on queues and a job store in memory until the test ends.

    It is a function: ``jobs = sqsjobs_app(app)``. Opening the app is left to the code under test, or to ``async with app:``.
    """
    from sqsjobs.testing.memory_app import MemoryApp  # noqa: PLC0415

    with ExitStack() as restoring:

        def put_in_memory(app: App, *, store: bool = True) -> MemoryApp:
            return restoring.enter_context(MemoryApp(app, store=store))

        yield put_in_memory


@pytest.fixture
def sqsjobs_events() -> RecordedEvents:
    """An observer that remembers, and can be waited on; for ``App(observers=[...])`` or ``app.configure(...)``."""
    from sqsjobs.testing.recorded_events import RecordedEvents  # noqa: PLC0415

    return RecordedEvents()


@pytest.fixture(scope="session")
def sqsjobs_local_server() -> Iterator[LocalServerThread]:
    """An SQS-compatible server on this machine, one for the whole run; `reset` empties it between tests."""
    from sqsjobs.testing.server_thread import LocalServerThread  # noqa: PLC0415

    with LocalServerThread() as server:
        yield server
