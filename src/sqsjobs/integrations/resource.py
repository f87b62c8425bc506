"""Jobs as resources of a web API, without a framework: read, waited for, followed and cancelled by those who may.

Whoever may not see a job is told what is told of a job that is not there, so that nobody can look for ids.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeAlias, TypeVar  # Any: results of every type

import msgspec

from sqsjobs.app import App
from sqsjobs.errors import ConfigurationError, StoreError, UnknownJob
from sqsjobs.handle import JobHandle
from sqsjobs.integrations.view import KEEP_ALIVE, RETRY_STREAM, JobView
from sqsjobs.job import JobStatus
from sqsjobs.store.base import JobRecord

__all__ = ["ANYONE", "Answer", "Authorize", "JobResource", "Limits", "anyone"]

T = TypeVar("T")
R = TypeVar("R")

Authorize: TypeAlias = Callable[[R, JobRecord], bool | Awaitable[bool]]
"""Says whether the sender of a request may see, follow and cancel a job: ``(request, record) -> bool``, async or not."""


def anyone(_: object, __: JobRecord) -> bool:
    """Let everybody who knows its id see a job and cancel it: ids are random, but they end up in logs and histories."""
    return True


ANYONE: Final = anyone
"""The `Authorize` of an API whose jobs are everybody's."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long requests may take, in seconds.

    Attributes:
        wait: the longest ``?wait=``; keep it below the time-out of the proxies in front.
        stream: after how long an event stream is ended; browsers connect again by themselves.
        keep_alive: the longest silence of an event stream.
    """

    wait: float = 20.0
    stream: float = 300.0
    keep_alive: float = 15.0

    def __post_init__(self) -> None:
        if min(self.wait, self.stream, self.keep_alive) <= 0:
            raise ConfigurationError(f"limits are seconds above 0: {self}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer a request with."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class JobResource(Generic[R]):
    """The jobs of an app, for requests of type `R`.

    Args:
        app: it keeps records; open it with the API.
        authorize: who may see a job; there is no default, so that nobody publishes jobs by accident.
        error_text: whether clients see what exceptions say; what `Reject` and `Discard` say they always see.
        limits: how long requests may take.

    Raises:
        ConfigurationError: if the app keeps no records.
    """

    def __init__(
        self, app: App, authorize: Authorize[R], *, error_text: bool = False, limits: Limits | None = None
    ) -> None:
        if app.tracking == "off":
            raise ConfigurationError(
                f"app {app.name!r} keeps no records, so there is nothing to show of its jobs: give it a job store, "
                "App(..., store=...) or SQSJOBS_STORE"
            )
        self._app = app
        self._authorize = authorize
        self._error_text = error_text
        self.limits = limits or Limits()

    async def read(self, job_id: str, request: R, *, wait: float = 0.0, known: str = "") -> Answer:
        """Answer a GET.

        Args:
            job_id: as the client gave it.
            request: what `authorize` is asked about.
            wait: seconds for which an answer may be put off until the job has ended, or is no longer as `known` says.
            known: the entity tags that the client has (If-None-Match), ``*``, or nothing.
        """
        return await self._answered(self._read(job_id, request, min(wait, self.limits.wait), known))

    async def cancel(self, job_id: str, request: R) -> Answer:
        """Answer a DELETE: 200 where it is cancelled, 202 where its worker has yet to end it, 409 where it had ended."""
        return await self._answered(self._cancel(job_id, request))

    async def follow(self, job_id: str, request: R, *, known: str = "") -> Answer | AsyncIterator[bytes]:
        """Answer a GET for events: the stream, or why there is none.

        Args:
            job_id: as the client gave it.
            request: what `authorize` is asked about.
            known: the id of the event that the client saw last (Last-Event-ID), or nothing.
        """
        problem = await self._answered(self._seen(job_id, request))
        return problem or self._events(self._app.job(job_id), known)

    # -------------------------------------------------------------------------------------------------

    async def _read(self, job_id: str, request: R, wait: float, known: str) -> Answer:
        handle, view = await self._found(job_id, request)
        if wait > 0 and not view.ended and (not known or view.is_known(known)):
            view = await self._later(handle, view, wait, until_changed=bool(known))
        return self._shown(view, known)

    async def _cancel(self, job_id: str, request: R) -> Answer:
        handle, view = await self._found(job_id, request)
        if not view.ended:  # as it always has with tracking "result", which records nothing else
            await handle.cancel()
            view = self._view(await handle.record())
        match view.status:
            case JobStatus.CANCELLED:
                return self._shown(view)
            case status if status.ended:
                return Answer(409, view.body(), {"Content-Type": "application/json", "Cache-Control": "no-store"})
            case _:
                return Answer(202, view.body(), {**self._headers(view), "Content-Type": "application/json"})

    async def _seen(self, job_id: str, request: R) -> Answer | None:
        await self._found(job_id, request)
        return None

    async def _found(self, job_id: str, request: R) -> tuple[JobHandle[Any], JobView]:
        """Return a job and what is to be seen of it.

        Raises:
            UnknownJob: also if the request's sender may not see it.
        """
        handle = self._app.job(job_id)
        record = await handle.record()
        allowed = self._authorize(request, record)
        if inspect.isawaitable(allowed):
            allowed = await allowed
        if allowed is not True:
            raise UnknownJob(job_id)
        return handle, self._view(record)

    def _view(self, record: JobRecord) -> JobView:
        return JobView(record, error_text=self._error_text)

    async def _later(self, handle: JobHandle[Any], view: JobView, wait: float, *, until_changed: bool) -> JobView:
        """Return the job as it is at its end (or at its next change), or else when the time is over."""
        was = view.etag()
        with suppress(TimeoutError):
            async with asyncio.timeout(wait), handle.watch() as updates:
                async for update in updates:
                    view = self._view(update.record)
                    if view.ended or (until_changed and view.etag() != was):
                        break
        return view

    async def _events(self, handle: JobHandle[Any], known: str) -> AsyncIterator[bytes]:
        """Yield the stream; one that breaks off is begun again by the client, which says what it saw last."""
        yield RETRY_STREAM
        loop = asyncio.get_running_loop()
        end = loop.time() + self.limits.stream
        with suppress(StopAsyncIteration, StoreError, UnknownJob):
            async with handle.watch() as updates:
                while (left := end - loop.time()) > 0:
                    try:
                        update = await asyncio.wait_for(anext(updates), min(left, self.limits.keep_alive))
                    except TimeoutError:
                        yield KEEP_ALIVE
                        continue
                    view = self._view(update.record)
                    if view.etag() != known or view.ended:
                        yield view.event()

    async def _answered(self, work: Awaitable[T]) -> T | Answer:
        try:
            return await work
        except UnknownJob:
            return _problem(404, "there is no such job")
        except StoreError:
            return _problem(503, "the job could not be looked up: ask again", {"Retry-After": "5"})

    def _shown(self, view: JobView, known: str = "") -> Answer:
        headers = self._headers(view)
        if view.is_known(known):
            return Answer(304, b"", headers)
        return Answer(200, view.body(), {**headers, "Content-Type": "application/json"})

    def _headers(self, view: JobView) -> dict[str, str]:
        headers = {"ETag": view.etag(), "Cache-Control": "no-cache, private"}
        return headers if view.ended else {**headers, "Retry-After": str(view.retry_after(time.time()))}


def _problem(status: int, text: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer(
        status,
        msgspec.json.encode({"detail": text}),
        {"Content-Type": "application/json", "Cache-Control": "no-store", **(headers or {})},
    )
