"""What an app has open on one event loop: transport, job store, producer."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Self

from sqsjobs.callbacks import Callbacks
from sqsjobs.clock import Clock
from sqsjobs.errors import ConfigurationError
from sqsjobs.events import Observer
from sqsjobs.following import JobRecords, Reader
from sqsjobs.producer import Producer
from sqsjobs.sealing import Sealing
from sqsjobs.store.base import JobStore
from sqsjobs.store.tracking import Tracking
from sqsjobs.transport.base import Transport

__all__ = ["Backends", "Session"]


@dataclass(frozen=True, slots=True)
class Backends:
    """What a session is opened from; never opened itself, so that there can be one session per event loop.

    Attributes:
        transport: to the queues.
        sealing: the layers around envelopes.
        store: of the records, or None.
        tracking: how much of a job is recorded; "off" without a store.
        observer: hears of everything.
        clock: dates the jobs, and times the workers.
        keep_envelopes: whether records keep envelopes, so that jobs can be sent again.
        callbacks: where callbacks may go, or None for nowhere.
    """

    transport: Transport
    sealing: Sealing
    store: JobStore | None
    tracking: Tracking
    observer: Observer
    clock: Clock
    keep_envelopes: bool = True
    callbacks: Callbacks | None = None


class Session:
    """Clones of an app's backends, open on the loop and in the process that entered it.

    Attributes:
        transport: open.
        sealing: the layers around envelopes.
        store: open, or None.
        producer: open.
        records: of the store, or None.
    """

    def __init__(self, app: str, backends: Backends) -> None:
        self._app = app
        self._pid = os.getpid()
        self._loop = asyncio.get_running_loop()
        self._closing = AsyncExitStack()
        self._is_open = False
        self.transport: Transport = backends.transport.clone()
        self.sealing: Sealing = backends.sealing.clone()
        self.store: JobStore | None = backends.store.clone() if backends.store else None
        self.producer: Producer = Producer(
            self.transport,
            self.store if backends.tracking == "full" else None,
            observer=backends.observer,
            clock=backends.clock,
            sealing=self.sealing,
            keep_envelopes=backends.keep_envelopes,
            callbacks=backends.callbacks,
        )
        self._reader = Reader(self.store, observer=backends.observer) if self.store else None
        self.records: JobRecords | None = (
            JobRecords(self.store, self._reader, backends.tracking, self.producer, backends.clock)
            if self.store and self._reader
            else None
        )

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opening:
            await opening.enter_async_context(self.transport)
            await opening.enter_async_context(self.sealing)
            if self.store:
                await opening.enter_async_context(self.store)
            await opening.enter_async_context(self.producer)
            if self._reader:
                await opening.enter_async_context(self._reader)
            self._closing = opening.pop_all()
        self._is_open = True
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._is_open = False
        await self._closing.aclose()

    @property
    def is_left_behind(self) -> bool:
        """Whether it can never be closed: it came along through a fork, or its loop has ended."""
        return self._pid != os.getpid() or self._loop.is_closed()

    def check_here(self) -> None:
        """Make sure that this is the process and the event loop on which it is open.

        Raises:
            ConfigurationError: if not.
        """
        # None where no loop runs, as after a fork; `get_running_loop` would raise.
        if self._loop is not asyncio._get_running_loop():  # noqa: SLF001 - exported by asyncio
            if self._pid != os.getpid():
                raise ConfigurationError(
                    f"app {self._app!r} was opened before this process was forked, and clients cannot be shared with "
                    f"the parent: enter `async with app:` in the child, or use enqueue_sync there"
                )
            raise ConfigurationError(
                f"app {self._app!r} is open on another event loop: use it there, enter `async with app:` on one loop only "
                f"(in tests: per test), or use enqueue_sync from threads"
            )
        if not self._is_open:
            raise ConfigurationError(f"app {self._app!r} is not open yet, or closing: use it inside `async with app:`")
