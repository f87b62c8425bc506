"""Hearing of the changes of some jobs, whichever store keeps their records: one that pushes tells, any other does not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Set
from contextlib import asynccontextmanager

from sqsjobs.job import JobId
from sqsjobs.store.base import JobStore
from sqsjobs.store.push import Listening, Pushing, Wake

__all__ = ["Hearing", "hearing"]


class Hearing:
    """What is listened for; nothing, ever, where the store does not push."""

    def __init__(self, ear: Listening | None) -> None:
        self._ear = ear
        self._jobs: set[JobId] = set()

    @property
    def is_told(self) -> bool:
        """Whether the store tells of changes at all."""
        return self._ear is not None

    @property
    def jobs(self) -> Set[JobId]:
        """Of which jobs it tells."""
        return self._jobs

    async def turn_to(self, followed: Set[JobId]) -> None:
        """Listen for `followed`, and for nothing else; what is committed once this has returned, wakes.

        Raises:
            StoreUnavailable: if the store cannot be reached; those who are new are then not listened for.
        """
        if self._ear is None:
            return
        if gone := self._jobs - followed:
            self._jobs -= gone
            await self._ear.discard(gone)
        if new := followed - self._jobs:
            await self._ear.add(new)
            self._jobs |= new


@asynccontextmanager
async def hearing(store: JobStore, wake: Wake) -> AsyncIterator[Hearing]:
    """Open an ear of `store` that calls `wake`, see `push.Pushing.listening`, if it has any.

    Raises:
        StoreError: if it has one, and that cannot be opened.
    """
    if isinstance(store, Pushing):
        async with store.listening(wake) as ear:
            yield Hearing(ear)
    else:
        yield Hearing(None)
