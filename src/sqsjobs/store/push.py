"""Being woken when a record changes: what some job stores can do beside `JobStore`; the others are asked now and then."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias, runtime_checkable

from sqsjobs.job import JobId

__all__ = ["Listening", "Pushing", "Wake"]

Wake: TypeAlias = Callable[[JobId | None], None]
"""Called on the event loop of the store with the id of a record that has changed, or with None: any may have."""


class Listening(Protocol):
    """An ear that is open for the changes of some jobs."""

    async def add(self, job_ids: Collection[JobId]) -> None:
        """Listen for these, too; what is committed once this has returned, wakes.

        Raises:
            StoreUnavailable: if the store cannot be reached; they are then not listened for.
        """
        ...

    async def discard(self, job_ids: Collection[JobId]) -> None:
        """Listen for these no more; raises nothing."""
        ...


@runtime_checkable
class Pushing(Protocol):
    """A job store that says which records change, whichever process changes them."""

    def listening(self, wake: Wake) -> AbstractAsyncContextManager[Listening]:
        """Open an ear of this (open) store that calls `wake`; it is closed when the block is left.

        Every committed change of a record that is listened for is followed by a wake with its id: claims, progress,
        requests to cancel, ends, removals; an `extend` may be left out. Wakes may come twice, or for no change.
        Where a connection was lost the store opens another by itself and then wakes with None, since changes may
        have been missed; it never raises out of the block for that.
        """
        ...
