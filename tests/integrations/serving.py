"""An app with a worker, and an API in front of it, over real HTTP on the loopback interface."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn

from sqsjobs import App
from sqsjobs.store.memory import MemoryStore
from sqsjobs.store.tracking import Tracking
from sqsjobs.transport.memory import MemoryTransport
from sqsjobs.transport.memory_sqs import MemorySQS


def app_in_memory(tracking: Tracking = "full") -> App:
    return App(
        "api",
        transport=MemoryTransport(MemorySQS(), create_missing=True),
        store=MemoryStore(),
        allow_no_dlq=True,
        tracking=tracking,
    )


@asynccontextmanager
async def served(api: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an ASGI application, its lifespan included; give a client of it."""
    server = uvicorn.Server(uvicorn.Config(api, port=0, log_level="warning", lifespan="on", ws="none"))
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:
            if serving.done():
                await serving
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            yield client
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def working(app: App) -> AsyncIterator[None]:
    """Let a worker run the jobs of an open app."""
    worker = app.worker(wait=1, grace=0.1)
    running = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stop()
        worker.stop()
        await running
