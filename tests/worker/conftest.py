"""What the tests of the worker share: a rig in real time; `tests.worker.virtual` has the one in virtual time."""

from __future__ import annotations

import asyncio
import gc

import pytest
from tests.worker.rig import Rig, no_unseen_errors


@pytest.fixture(scope="session", autouse=True)
def _old_objects_are_left_alone():
    """Every test collects garbage at its end, to see the errors of lost tasks; what was there before need not be looked at."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
async def rig():
    """Queues, a job store and workers, on the machine's clock."""
    with no_unseen_errors(asyncio.get_running_loop()):
        async with Rig() as opened:
            yield opened
