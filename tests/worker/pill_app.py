"""An app whose tasks run in child processes, each with its own lifespan."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqsjobs import App
from sqsjobs.transport.memory import MemoryTransport

set_up: list[int] = []


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    set_up.append(os.getpid())
    yield


app = App("pills", transport=MemoryTransport(), store=None, lifespan=lifespan)


@app.task(queue="work", executor="process")
def lifespans() -> list[int]:
    return [*set_up, os.getpid()]
