"""Leases: the right to work on a message until a deadline, and the book that says which are due for a heartbeat.

The book is plain and synchronous; `heartbeat` carries out what it plans. A deadline counts from before the
request that granted it was sent, so it is never later than SQS's own. After a lease is lost nothing touches
the visibility of its message again. Everything here may be called from two threads: the event loop's, which
grants and retires, and the heartbeats'.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from random import Random
from typing import Final

import msgspec

from sqsjobs.clock import Clock
from sqsjobs.context import LeaseState
from sqsjobs.transport.base import MAX_BATCH_ENTRIES, MAX_VISIBILITY, Delivery, Done, EntryResult

__all__ = ["CAP_MARGIN", "Beat", "Lease", "LeaseBook", "StoreClaim"]

CAP_MARGIN: Final = 600.0
"""Seconds before the end of SQS's 12 hours at which a lease is given up, while something can still be done about it."""

_MOMENT: Final = 5.0
"""Seconds that a request may take on its way: no lease is extended closer than that to the end of the 12 hours."""
_COMPANY: Final = 0.25
"""Share of the heartbeat interval by which a lease may be extended early, so that beats go out in tens."""
_SPREAD: Final = 0.1
"""Share of the heartbeat interval by which beats are spread."""


@dataclass(frozen=True, slots=True)
class StoreClaim:
    """The claim in the job store whose end moves with the lease."""

    job_id: str
    epoch: int


class Lease(msgspec.Struct, eq=False):
    """The right to work on one message.

    Attributes:
        queue: where the message is.
        message_id: which it is.
        handle: the newest receipt handle.
        granted: when the receive that brought it was sent.
        deadline: until when it is certainly hidden; on the worker's clock.
        next_beat: when it is to be extended.
        on_lost: called on the event loop's thread, once, if the lease ends while it is held.
        on_cap: called there, once, when SQS's 12 hours are nearly over; the lease is still held.
        claim: the job store's record that runs under it, or None.
        lost: why it was lost, or empty.
        beating: whether a request that extends it is on its way.
        leaving: whether its message is being deleted, so that SQS may say any time that it is no longer held.
        retired: whether it is no longer to be extended.
        capped: whether `on_cap` was called.
    """

    queue: str
    message_id: str
    handle: str
    granted: float
    deadline: float
    next_beat: float
    clock: Clock
    on_lost: Callable[[Lease], None] | None = None
    on_cap: Callable[[Lease], None] | None = None
    claim: StoreClaim | None = None
    lost: str = ""
    beating: bool = False
    leaving: bool = False
    retired: bool = False
    capped: bool = False
    _settled: Future[None] | None = None

    def __repr__(self) -> str:  # a receipt handle is a right over the message
        return f"<Lease of message {self.message_id} on queue {self.queue!r}, {self.lost or 'held'}>"

    @property
    def state(self) -> LeaseState:
        """Whether the lease still stands."""
        return LeaseState.LOST if self.over else LeaseState.HELD

    @property
    def remaining(self) -> float:
        """Seconds for which the message is certainly hidden; 0 if the lease is lost."""
        return 0.0 if self.lost else max(0.0, self.deadline - self.clock.now())

    @property
    def over(self) -> bool:
        """Whether somebody else may have the message."""
        return bool(self.lost) or self.clock.now() >= self.deadline

    @property
    def wall(self) -> float:
        """When SQS's 12 hours are over, but for a moment that a request may take."""
        return self.granted + MAX_VISIBILITY - _MOMENT


@dataclass(frozen=True, slots=True)
class Beat:
    """One request to be made: extend these leases of one queue, by these changes (receipt handle, seconds)."""

    queue: str
    leases: tuple[Lease, ...]
    changes: tuple[tuple[str, float], ...]


class LeaseBook:
    """All leases of a worker. What is in the book is in hand; what is not gets no heartbeat."""

    def __init__(self, *, visibility: float, interval: float, clock: Clock, random: Random) -> None:
        self.visibility = visibility
        self.interval = interval
        self._clock = clock
        self._random = random
        self._lock = threading.Lock()
        self._leases: dict[str, Lease] = {}

    def __len__(self) -> int:
        return len(self._leases)

    def grant(self, delivery: Delivery, asked_at: float) -> Lease:
        """Enter a delivery that a receive sent at `asked_at` brought."""
        lease = Lease(
            queue=delivery.queue,
            message_id=delivery.message_id,
            handle=delivery.receipt_handle,
            granted=asked_at,
            deadline=asked_at + self.visibility,
            next_beat=asked_at + self._until_beat(),
            clock=self._clock,
        )
        with self._lock:
            self._leases[lease.message_id] = lease
        return lease

    def renew(self, lease: Lease, delivery: Delivery, asked_at: float) -> None:
        """Go on with the handle of a second delivery of the same message."""
        with self._lock:
            lease.handle = delivery.receipt_handle
            lease.granted = asked_at
            lease.deadline = max(lease.deadline, asked_at + self.visibility)

    def drop(self, lease: Lease) -> Future[None] | None:
        """Take the lease out of the book: no further heartbeat.

        Returns what to wait for before its visibility may be changed: a heartbeat on its way, or None.
        """
        with self._lock:
            lease.retired = True
            if self._leases.get(lease.message_id) is lease:
                del self._leases[lease.message_id]
            if not lease.beating:
                return None
            if lease._settled is None:  # noqa: SLF001 - the book and its leases are one thing
                lease._settled = Future()  # noqa: SLF001
                # Running, it cannot be cancelled by one who waits no longer: others may, and the heart sets it.
                lease._settled.set_running_or_notify_cancel()  # noqa: SLF001
            return lease._settled  # noqa: SLF001

    def due(self) -> list[Beat]:
        """Return the requests to make now, and mark their leases as beating."""
        now = self._clock.now()
        ahead = now + _COMPANY * self.interval
        by_queue: dict[str, list[Lease]] = {}
        urgent: dict[str, None] = {}
        with self._lock:
            for lease in self._leases.values():
                if lease.beating or lease.lost or lease.retired or lease.next_beat > ahead or lease.wall <= now:
                    continue
                by_queue.setdefault(lease.queue, []).append(lease)
                if lease.next_beat <= now:
                    urgent[lease.queue] = None
            beats = [
                self._beat(queue, ten, now)
                for queue in urgent
                for ten in _in_tens(by_queue[queue])
                if ten[0].next_beat <= now  # else all of them can wait, and may find company that fills the request
            ]
            for beat in beats:
                for lease in beat.leases:
                    lease.beating = True
        return beats

    def is_late(self, beat: Beat, now: float) -> bool:
        """Whether one of its leases has ended since it was planned: the process stood still between the two."""
        return any(lease.deadline <= now for lease in beat.leases)

    def expired(self) -> list[Lease]:
        """Return the leases that have ended by the clock; they are lost."""
        now = self._clock.now()
        with self._lock:
            expired = [
                lease
                for lease in self._leases.values()
                if now >= lease.deadline and not lease.lost and not lease.retired
            ]
            for lease in expired:
                lease.lost = "no heartbeat got through before its deadline"
        return expired

    def capped(self) -> list[Lease]:
        """Return the leases whose 12 hours are nearly over, each once; they are still held."""
        now = self._clock.now()
        with self._lock:
            capped = [lease for lease in self._leases.values() if now >= lease.wall - CAP_MARGIN and not lease.capped]
            for lease in capped:
                lease.capped = True
        return capped

    def beaten(self, beat: Beat, results: Iterable[EntryResult], asked_at: float) -> list[Lease]:
        """Enter what a request sent at `asked_at` achieved; return the leases that were lost by it."""
        lost: list[Lease] = []
        with self._lock:
            for lease, (handle, seconds), result in zip(beat.leases, beat.changes, results, strict=True):
                lease.beating = False
                if isinstance(result, Done):
                    lease.deadline = max(lease.deadline, asked_at + seconds)
                    lease.next_beat = asked_at + self._until_beat()
                elif handle != lease.handle:  # the message was received again meanwhile
                    lease.next_beat = self._clock.now()
                elif result.retryable and not result.lease_over:
                    lease.next_beat = self._clock.now() + self._until_retry()
                elif lease.leaving:  # it is deleted, though the answer to that may still be on its way
                    lease.retired = True
                elif not lease.lost:
                    lease.lost = f"{result.code}: {result.problem}"
                    if not lease.retired:  # else whoever waits for this beat sees it
                        lost.append(lease)
            self._release_waiters(beat)
        return lost

    def failed(self, beat: Beat) -> None:
        """Enter that a request failed as a whole; its leases are tried again until their deadlines."""
        with self._lock:
            for lease in beat.leases:
                lease.beating = False
                lease.next_beat = self._clock.now() + self._until_retry()
            self._release_waiters(beat)

    def lose(self, lease: Lease, reason: str) -> bool:
        """Declare a lease lost; False if it was before, or is no longer in the book."""
        with self._lock:
            if lease.lost or lease.retired:
                return False
            lease.lost = reason
            return True

    def held(self) -> list[Lease]:
        """Return the leases in the book."""
        with self._lock:
            return list(self._leases.values())

    def _beat(self, queue: str, leases: list[Lease], now: float) -> Beat:
        """Extend none beyond the 12 hours, which SQS would refuse."""
        changes = tuple((lease.handle, min(self.visibility, lease.wall - now)) for lease in leases)
        return Beat(queue, tuple(leases), changes)

    def _release_waiters(self, beat: Beat) -> None:
        for lease in beat.leases:
            if lease._settled is not None:  # noqa: SLF001
                lease._settled.set_result(None)  # noqa: SLF001

    def _until_beat(self) -> float:
        return self.interval * (1 + _SPREAD * (2 * self._random.random() - 1))

    def _until_retry(self) -> float:
        return self.interval * (0.1 + 0.15 * self._random.random())


def _in_tens(leases: list[Lease]) -> Iterator[list[Lease]]:
    leases.sort(key=lambda lease: lease.next_beat)
    for start in range(0, len(leases), MAX_BATCH_ENTRIES):
        yield leases[start : start + MAX_BATCH_ENTRIES]
