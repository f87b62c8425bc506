"""Jobs in an API made with Starlette.

    api = Starlette(
        routes=[Route("/thumbnails", create, methods=["POST"]), job_routes(app, authorize=owns)],
        lifespan=opening(app),
    )

    async def create(request: Request) -> Response:
        job = await resize.using(headers={"user": request.user.id}).enqueue(...)
        return accepted(job, request)

`sqsjobs.integrations.fastapi` has the same for FastAPI.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Final  # Any: handles of every type, and frameworks' applications

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Mount, Route

from sqsjobs.app import App
from sqsjobs.handle import JobHandle
from sqsjobs.integrations.resource import ANYONE, Answer, Authorize, JobResource, Limits

__all__ = ["ANYONE", "JOB_ROUTE", "Limits", "accepted", "events_of", "job_routes", "opening", "response_of"]

JOB_ROUTE: Final = "sqsjobs-job"
"""The name of the route of one job, for ``request.url_for(JOB_ROUTE, job_id=...)``."""


def job_routes(
    app: App,
    *,
    authorize: Authorize[Request],
    path: str = "/jobs",
    error_text: bool = False,
    limits: Limits | None = None,
) -> Mount:
    """Return the routes of an app's jobs: ``GET /jobs/{id}``, ``GET /jobs/{id}/events``, ``DELETE /jobs/{id}``.

    Args:
        app: it keeps records, and is open while the API serves: ``lifespan=opening(app)``.
        authorize: who may see a job and cancel it, `ANYONE` for everybody; who may not is told that there is none.
        path: under which they are.
        error_text: whether clients see what exceptions say; what `Reject` and `Discard` say they always see.
        limits: how long requests may take.

    Raises:
        ConfigurationError: if the app keeps no records.
    """
    resource = JobResource(app, authorize, error_text=error_text, limits=limits)

    async def job(request: Request) -> Response:
        job_id = request.path_params["job_id"]
        if request.method == "DELETE":
            return response_of(await resource.cancel(job_id, request))
        wait = _seconds(request.query_params.get("wait", "0"))
        if wait is None:
            return Response(b'{"detail":"wait is a number of seconds"}', 422, media_type="application/json")
        known = request.headers.get("if-none-match", "")
        return response_of(await resource.read(job_id, request, wait=wait, known=known))

    async def events(request: Request) -> Response:
        return await events_of(resource, request.path_params["job_id"], request)

    return Mount(
        path,
        routes=[
            Route("/{job_id}", job, methods=["GET", "DELETE"], name=JOB_ROUTE),
            Route("/{job_id}/events", events, methods=["GET"], name=f"{JOB_ROUTE}-events"),
        ],
    )


def accepted(job: JobHandle[Any], request: Request) -> Response:
    """Return the answer to a request that became a job: 202, where the job can be seen, and when to ask first.

    Raises:
        NoMatchFound: if the API has no `job_routes`.
    """
    where = request.url_for(JOB_ROUTE, job_id=job.id).path
    body = msgspec.json.encode({"id": job.id, "status": "queued", "url": where})
    return Response(body, 202, {"Location": where, "Retry-After": "1"}, media_type="application/json")


def opening(*apps: App) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """Return a lifespan that opens the apps before the first request and closes them after the last."""

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        async with AsyncExitStack() as open_apps:
            for app in apps:
                await open_apps.enter_async_context(app)
            yield

    return lifespan


def response_of(answer: Answer) -> Response:
    """Return an answer as a response."""
    return Response(answer.body, answer.status, answer.headers)


async def events_of(resource: JobResource[Request], job_id: str, request: Request) -> Response:
    """Return the event stream of a job (HTML standard, "Server-sent events"), or why there is none."""
    followed = await resource.follow(job_id, request, known=request.headers.get("last-event-id", ""))
    if isinstance(followed, Answer):
        return response_of(followed)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx, too, is to pass each event on
    return StreamingResponse(followed, headers=headers, media_type="text/event-stream")


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None
