"""How a worker hears that jobs which it runs were cancelled, at next to no cost for those that are short.

Jobs that have run for a second are listened for where the job store pushes; the records of those of any other
store are read now and then, all in one call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Final

from anyio import move_on_after

from sqsjobs.errors import ResultsUnread, StoreError
from sqsjobs.events import Observer, StoreFailed
from sqsjobs.job import JobId
from sqsjobs.outcome import Cancelled
from sqsjobs.store.base import JobStore
from sqsjobs.store.hearing import Hearing, hearing
from sqsjobs.worker.dispatcher import Dispatcher
from sqsjobs.worker.held import Held

__all__ = ["Cancellations"]

_LOOK: Final = 1.0
"""Seconds between two looks at what runs; what two of them see has run for a second."""
_ASK_EVERY: Final = 5
"""Looks from one reading of all their records to the next, where the store does not push …"""
_MAKE_SURE_EVERY: Final = 60
"""… and where it does."""
_GATHER: Final = 0.05
"""Seconds in which what wakes together is read together."""
_AFTER_TROUBLE: Final = 5.0


class Cancellations:
    """Ends the runs of jobs whose cancellation was asked for.

    Args:
        store: open, on the running loop.
        dispatcher: has the jobs in hand.
    """

    def __init__(self, store: JobStore, dispatcher: Dispatcher, *, observer: Observer) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._tell = observer
        self._woken: set[JobId | None] = set()
        self._awake = asyncio.Event()

    async def hear(self) -> None:
        """Hear and end, until cancelled; a store that is away is asked again."""
        while True:
            try:
                async with hearing(self._store, self._wake) as heard:
                    await self._follow(heard)
            except StoreError as problem:
                self._tell(StoreFailed("cancellations", str(problem)))
                await asyncio.sleep(_AFTER_TROUBLE)

    def _wake(self, job_id: JobId | None) -> None:
        self._woken.add(job_id)
        self._awake.set()

    async def _follow(self, heard: Hearing) -> None:
        every = _MAKE_SURE_EVERY if heard.is_told else _ASK_EVERY
        seen: set[JobId] = set()
        looks = 0
        while True:
            is_look = await self._woken_or_time_to_look()
            woken, self._woken = self._woken, set()
            running = self._running()
            followed = running.keys() & seen
            if is_look:
                looks, seen = looks + 1, set(running)
            new = followed - heard.jobs if heard.is_told else set()
            await heard.turn_to(followed)
            everything = None in woken or (is_look and looks % every == 0)
            await self._end_cancelled(running, followed if everything else followed & (woken | new))

    async def _woken_or_time_to_look(self) -> bool:
        """Wait for either; return whether it is time to look."""
        with move_on_after(_LOOK) as nap:
            await self._awake.wait()
            await asyncio.sleep(_GATHER)
        self._awake.clear()
        return nap.cancelled_caught

    def _running(self) -> Mapping[JobId, Held]:
        return {held.job.id: held for held in self._dispatcher.in_hand if held.job and held.run and held.epoch}

    async def _end_cancelled(self, running: Mapping[JobId, Held], doubtful: Collection[JobId]) -> None:
        if not doubtful:
            return
        try:
            found = await self._store.records(doubtful)
        except ResultsUnread as some:  # what has a result is none of those that run here
            found = some.records
        for job_id, record in found.items():
            held = running[job_id]
            if held.run is not None and record.cancel_requested_at is not None and record.epoch == held.epoch:
                held.run.end(Cancelled())
