"""What the tests of the worker share: a rig in real time; `tests.worker.virtual` has the one in virtual time."""

from __future__ import annotations

import asyncio

import pytest
from tests.worker.rig import Rig, no_unseen_errors


@pytest.fixture
async def rig():
    """Queues, a job store and workers, on the machine's clock."""
    with no_unseen_errors(asyncio.get_running_loop()):
        async with Rig() as opened:
            yield opened
