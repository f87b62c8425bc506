"""Fixtures of the process tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.process import jobs
from tests.process.rig import Ground, ground

from sqsjobs import App

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of this folder on one of pytest-xdist's workers: they wait more than they compute, and have deadlines."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.xdist_group("process"))


@pytest.fixture
async def field(tmp_path: Path) -> AsyncIterator[Ground]:
    """A local server with all queues of the app."""
    async with ground(tmp_path, "work", "ordered.fifo", "busy", "seldom") as made:
        yield made


@pytest.fixture
async def app(field: Ground) -> AsyncIterator[App]:
    """The app, open in the test as the producer."""
    jobs.app.configure(endpoint_url=field.server.endpoint_url, store=field.store)
    async with jobs.app:
        yield jobs.app
