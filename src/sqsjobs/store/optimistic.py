"""The job store over any `Ledger`: what is likely is tried at once, and what is refused is decided anew."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Generic, Self, TypeVar

from sqsjobs.clock import Clock, SystemClock
from sqsjobs.errors import StoreUnavailable
from sqsjobs.job import JobId, JobStatus, Progress
from sqsjobs.store import rows, rules
from sqsjobs.store.base import ClaimRequest, ClaimResult, JobRecord, RecordChange
from sqsjobs.store.ledger import Entry, Ledger, Verdict, View, untouched
from sqsjobs.store.listing import JobQuery, Page, Place
from sqsjobs.store.residence import Residence
from sqsjobs.store.window import Unseen, Window

__all__ = ["OptimisticStore"]

L = TypeVar("L", bound=Ledger)
T = TypeVar("T")

_ROUNDS = 50
"""How often an operation is decided anew before its record is called contended: every loss is another's gain."""
_MOST_REMEMBERED = 10_000
"""Entries of jobs that run here; what is forgotten costs one more read."""


class OptimisticStore(Generic[L]):
    """A `JobStore` but for `clone`, made of a ledger.

    The common life costs one call a step: an insert finds nothing there, a first claim finds what the producer
    left, and the claimant remembers its entry when it extends the lease and ends the job.

    Args:
        ledger: not opened yet.
        clock: whose dates say what has expired.
    """

    def __init__(self, ledger: L, clock: Clock | None) -> None:
        self._ledger = ledger
        self._clock: Clock = clock or SystemClock()
        self._residence = Residence()
        self._running: OrderedDict[JobId, Entry] = OrderedDict()
        self._claims_find_records = True

    async def __aenter__(self) -> Self:
        self._residence.settle()
        try:
            await self._ledger.__aenter__()
        except BaseException:
            self._residence.leave()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._residence.leave()
        self._running.clear()
        await self._ledger.__aexit__(*exc_info)

    async def insert(self, record: JobRecord) -> JobRecord | None:
        now = self._clock.wall()
        guess = View({record.id: None})
        if record.unique is not None:
            guess.holders[record.task, record.unique] = None
        return await self._decided(lambda window: rows.insert(window, record, now), guess)

    async def get(self, job_id: JobId) -> JobRecord | None:
        self._residence.check()
        return rules.current(await self._ledger.whole(job_id), self._clock.wall())

    async def records(self, job_ids: Collection[JobId]) -> dict[JobId, JobRecord]:
        self._residence.check()
        entries, now = (await self._ledger.read(tuple(set(job_ids)))).entries, self._clock.wall()
        found = (rules.current(entry.record, now) for entry in entries.values() if entry)
        return {record.id: rules.shared(record) for record in found if record}

    async def page(self, query: JobQuery) -> Page[JobRecord]:
        self._residence.check()
        after = Place.of(query.cursor) if query.cursor else None
        listed = await self._ledger.newest(query, after, self._clock.wall())
        return Page(tuple(map(rules.listed, listed.records)), listed.rest.cursor() if listed.rest else None)

    async def claim(self, request: ClaimRequest) -> ClaimResult:
        def operation(window: Window) -> ClaimResult:
            self._claims_find_records = window.read(request.job_id) is not None
            return rows.claim(window, request)

        return await self._decided(
            operation, View({request.job_id: untouched(request) if self._claims_find_records else None})
        )

    async def change(self, job_id: JobId, epoch: int, change: RecordChange) -> bool:
        guess = self._remembered(job_id)
        return await self._decided(lambda window: rows.change(window, job_id, epoch, change), guess)

    async def extend(self, job_id: JobId, epoch: int, lease_until: float) -> bool:
        guess = self._remembered(job_id)
        return await self._decided(lambda window: rows.extend(window, job_id, epoch, lease_until), guess)

    async def report(self, job_id: JobId, epoch: int, progress: Progress) -> bool:
        guess = self._remembered(job_id)
        return await self._decided(lambda window: rows.report(window, job_id, epoch, progress), guess)

    async def cancel(self, job_id: JobId, now: float) -> JobRecord | None:
        return await self._decided(lambda window: rows.cancel(window, job_id, now))

    async def reopen(self, job_id: JobId, now: float, epoch: int | None = None) -> int | None:
        return await self._decided(lambda window: rows.reopen(window, job_id, now, epoch))

    async def put_back(self, before: JobRecord) -> bool:
        return await self._decided(lambda window: rows.put_back(window, before))

    async def remove(self, job_id: JobId) -> None:
        await self._decided(lambda window: rows.remove(window, job_id))

    async def purge(self, now: float) -> int:
        self._residence.check()
        return await self._ledger.purge(now)

    async def _decided(self, operation: Callable[[Window], T], guess: View | None = None) -> T:
        """Return what `operation` says, once what it wrote is committed, or over what was read if it wrote nothing."""
        self._residence.check()
        view, is_guess = guess or View(), guess is not None
        for _ in range(_ROUNDS):
            window = Window(view)
            try:
                answer = operation(window)
            except Unseen as unseen:
                view |= await self._ledger.read(tuple(unseen.ids), tuple(unseen.keys))
                continue
            moves = window.moves()
            if not moves and not is_guess:
                return answer
            # What was only guessed may be tried, but it refuses nobody.
            verdict = await self._ledger.commit(moves, self._clock.wall()) if moves else Verdict(done=False)
            self._remember(verdict.view)
            if verdict.done:
                return answer
            view, is_guess = verdict.view, False
        raise StoreUnavailable("too many write one job's record at once")

    def _remembered(self, job_id: JobId) -> View | None:
        entry = self._running.get(job_id)
        return None if entry is None else View({job_id: entry})

    def _remember(self, view: View) -> None:
        for job_id, entry in view.entries.items():
            self._running.pop(job_id, None)
            if entry is not None and entry.record.status is JobStatus.RUNNING:
                self._running[job_id] = entry
        while len(self._running) > _MOST_REMEMBERED:
            self._running.popitem(last=False)
