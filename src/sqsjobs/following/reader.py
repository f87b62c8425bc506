"""The one reader of a session: whoever waits for a job looks through it, and a thousand looks are a few reads."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from random import Random
from typing import Final, Self

from sqsjobs.errors import ConfigurationError, ResultsUnread, StoreUnavailable
from sqsjobs.events import Observer, StoreFailed
from sqsjobs.following.schedule import Schedule
from sqsjobs.job import JobId
from sqsjobs.store.base import JobRecord, JobStore
from sqsjobs.store.hearing import Hearing, hearing

__all__ = ["Reader", "View"]

_APART: Final = 0.02
"""Seconds between two reads, at least: fifty a second at most."""
_APART_WHERE_TOLD: Final = 0.005
_PATIENCE: Final = 60.0
"""Seconds that a store may be away before those who wait are told."""
_EAR_AGAIN: Final = 10.0
"""Seconds for which jobs are only asked for, after an ear could not be opened."""


class Reader:
    """Reads the records of all jobs that are followed in a session; nothing is read while there are none.

    Args:
        store: open, on the running loop, for as long as the reader is.
        observer: hears of reads that failed.
    """

    def __init__(self, store: JobStore, *, observer: Observer, random: Random | None = None) -> None:
        self._store = store
        self._tell = observer
        self._loop = asyncio.get_running_loop()
        self._schedule = Schedule(random or Random())
        self._subjects: dict[JobId, _Subject] = {}
        self._changed = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self.reads: int = 0
        """Reads that were begun."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Read no more; who still waits hears that the app was closed."""
        if self._reading is not None:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading
        closed = ConfigurationError("the app was closed while a job was waited for")
        for subject in self._subjects.values():
            subject.fail(closed)

    def view(self, job_id: JobId) -> View:
        """Return a view of a job's record; to be closed."""
        subject = self._subjects.get(job_id)
        if subject is None:
            subject = self._subjects[job_id] = _Subject(job_id)
            self._schedule.add(job_id, self._loop.time())
        self._wake(job_id)  # what is seen first is not older than the view
        subject.views += 1
        if self._reading is None:
            self._reading = self._loop.create_task(self._read_for_ever(), name="sqsjobs reader")
        return View(self, subject)

    def leave(self, subject: _Subject) -> None:
        """Close a view."""
        subject.views -= 1
        if not subject.views and self._subjects.get(subject.job_id) is subject:
            del self._subjects[subject.job_id]
            self._schedule.discard(subject.job_id)
            self._changed.set()

    def _wake(self, job_id: JobId | None) -> None:
        self._schedule.wake(job_id, self._loop.time())
        self._changed.set()

    async def _read_for_ever(self) -> None:
        while True:
            try:
                async with hearing(self._store, self._wake) as heard:
                    await self._read_on(heard)
            except Exception as problem:  # noqa: BLE001 - an ear is a comfort: without one there is always asking
                self._tell(StoreFailed("listen", str(problem)))
                with suppress(TimeoutError):
                    async with asyncio.timeout(_EAR_AGAIN):
                        await self._read_on(Hearing(None))

    async def _read_on(self, heard: Hearing) -> None:
        self._schedule.told_of_none()
        while True:
            await self._until_due()
            if heard.is_told:
                await self._turn(heard)
            if due := self._schedule.take_due(self._loop.time()):
                await self._read(due)
                await asyncio.sleep(_APART_WHERE_TOLD if heard.is_told else _APART)

    async def _until_due(self) -> None:
        due = self._schedule.next_due
        if due is None or due > self._loop.time():
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._changed.wait()
        self._changed.clear()

    async def _turn(self, heard: Hearing) -> None:
        """Listen for those who are followed now, before they are read, so that no change falls in between."""
        followed = set(self._subjects)
        new = followed - heard.jobs
        with suppress(StoreUnavailable):  # they are asked for until it can be reached
            await heard.turn_to(followed)
        for job_id in new:
            self._schedule.told_of(job_id, told=job_id in heard.jobs)

    async def _read(self, due: Collection[JobId]) -> None:
        self.reads += 1
        records, problems = await self._found(due)
        for job_id in due:
            subject = self._subjects.get(job_id)
            if subject is None:
                continue
            if problem := problems.get(job_id):
                self._show_problem(subject, problem)
            else:
                subject.show(records.get(job_id), self.reads)

    async def _found(self, due: Collection[JobId]) -> tuple[Mapping[JobId, JobRecord], Mapping[JobId, Exception]]:
        """Return the records of `due`, and of which of them the read failed, and why."""
        try:
            return await self._store.records(due), {}
        except ResultsUnread as problem:  # which is nothing to those who wait for other jobs
            self._tell(StoreFailed("records", str(problem)))
            return problem.records, problem.problems
        except Exception as problem:  # noqa: BLE001 - whatever it is, those who wait are told, and others are read
            self._tell(StoreFailed("records", str(problem)))
            return {}, dict.fromkeys(due, problem)

    def _show_problem(self, subject: _Subject, problem: Exception) -> None:
        now = self._loop.time()
        subject.problem = problem
        subject.away_since = now if subject.away_since is None else subject.away_since
        self._schedule.again(subject.job_id, now)
        if not isinstance(problem, StoreUnavailable) or now - subject.away_since >= _PATIENCE:
            subject.fail(problem)


class _Subject:
    """A job that is followed, as it was seen last."""

    __slots__ = ("away_since", "job_id", "problem", "read", "record", "version", "views", "waiting")

    def __init__(self, job_id: JobId) -> None:
        self.job_id: JobId = job_id
        self.record: JobRecord | None = None
        self.read: int = 0
        self.version: int = 0
        self.views: int = 0
        self.waiting: set[asyncio.Future[None]] = set()
        self.problem: Exception | None = None
        self.away_since: float | None = None

    def show(self, record: JobRecord | None, read: int) -> None:
        self.problem = None
        self.away_since = None
        self.read = read
        if record != self.record or not self.version:
            self.record = record
            self.version += 1
        self._release(None)

    def fail(self, problem: Exception) -> None:
        self._release(problem)

    def _release(self, problem: Exception | None) -> None:
        for waiting in self.waiting:
            if not waiting.done():
                waiting.set_exception(problem) if problem else waiting.set_result(None)
        self.waiting.clear()


class View:
    """One waiter's view of a job's record: the newest state of it, and no state twice."""

    __slots__ = ("_after", "_reader", "_seen", "_subject")

    def __init__(self, reader: Reader, subject: _Subject) -> None:
        self._reader = reader
        self._subject: _Subject | None = subject
        self._after = reader.reads  # one that is under way may bring what was before this view
        self._seen = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    @property
    def problem(self) -> Exception | None:
        """Why the last read failed, if it did."""
        return self._subject.problem if self._subject else None

    async def next(self) -> JobRecord | None:
        """Return the record as it is (None: there is none); after the first time, once it has changed.

        A cancelled call loses nothing: the next one returns what it would have.

        Raises:
            StoreError: if the store has not answered for a minute, or failed for good.
            ConfigurationError: if the app was closed.
        """
        subject = self._subject
        if subject is None:
            raise ConfigurationError("this view of a job is closed")
        while subject.read <= self._after or subject.version == self._seen:
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            subject.waiting.add(waiting)
            try:
                await waiting
            finally:
                subject.waiting.discard(waiting)
        self._seen = subject.version
        return subject.record

    def close(self) -> None:
        """Look no more."""
        if self._subject is not None:
            self._reader.leave(self._subject)
            self._subject = None
