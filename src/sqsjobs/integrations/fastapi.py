"""Jobs in an API made with FastAPI, with an OpenAPI description that knows what the tasks return.

api = FastAPI(lifespan=opening(app))
api.include_router(job_router(app, authorize=owns), prefix="/jobs")

@api.post("/thumbnails", status_code=202, response_model=Accepted)
async def create(wanted: Wanted, request: Request) -> Response:
job = await resize.enqueue(wanted.bucket, wanted.key, width=wanted.width)
return accepted(job, request)
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Final  # Any: JSON, and responses that FastAPI types so

from fastapi import APIRouter, Header, Query
from pydantic import BaseModel, WithJsonSchema, create_model
from starlette.requests import Request
from starlette.responses import Response

from sqsjobs.app import App
from sqsjobs.integrations.resource import ANYONE, Authorize, JobResource, Limits
from sqsjobs.integrations.schema import result_schema
from sqsjobs.integrations.starlette import JOB_ROUTE, accepted, events_of, opening, response_of
from sqsjobs.job import JobStatus
from sqsjobs.task import Task

__all__ = ["ANYONE", "Accepted", "JobSeen", "Limits", "accepted", "job_router", "opening"]


class Accepted(BaseModel):
    """A request that became a job."""

    id: str
    status: str
    url: str


class ProgressSeen(BaseModel):
    """How far a running job has come, in its own words."""

    done: float
    total: float | None
    note: str


class ErrorSeen(BaseModel):
    """Why a job has no result; without a message where that is nobody's business."""

    type: str
    message: str


class JobSeen(BaseModel):
    """A job, as clients see it."""

    id: str
    task: str
    status: JobStatus
    attempts: int
    progress: ProgressSeen | None
    cancelling: bool
    enqueued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    error: ErrorSeen | None = None
    """Only of a job that has ended without a result."""


class Problem(BaseModel):
    """Why there is no answer."""

    detail: str


_NO_JOB: Final[dict[int | str, dict[str, Any]]] = {
    404: {"model": Problem, "description": "There is no such job, or not for you."},
    503: {"model": Problem, "description": "The job could not be looked up; ask again."},
}


def job_router(
    app: App,
    *,
    authorize: Authorize[Request],
    tasks: Iterable[Task[..., Any]] | None = None,
    error_text: bool = False,
    limits: Limits | None = None,
) -> APIRouter:
    """Return the router of an app's jobs: ``GET /{id}``, ``GET /{id}/events``, ``DELETE /{id}``; give it a prefix.

    Args:
        app: it keeps records, and is open while the API serves: ``lifespan=opening(app)``.
        authorize: who may see a job and cancel it, `ANYONE` for everybody; who may not is told that there is none.
        tasks: whose results the OpenAPI description tells of; by default all that the app knows by now.
        error_text: whether clients see what exceptions say; what `Reject` and `Discard` say they always see.
        limits: how long requests may take.

    Raises:
        ConfigurationError: if the app keeps no records.
    """
    resource = JobResource(app, authorize, error_text=error_text, limits=limits)
    seen = _seen_with_results(app.registry.declared if tasks is None else tasks)
    router = APIRouter(tags=["jobs"])

    @router.get(
        "/{job_id}",
        name=JOB_ROUTE,
        response_model=seen,
        responses={304: {"description": "It is as If-None-Match says."}, **_NO_JOB},
    )
    async def read_job(
        job_id: str,
        request: Request,
        wait: Annotated[float, Query(ge=0, allow_inf_nan=False, description="Seconds to wait for its end.")] = 0.0,
        if_none_match: Annotated[str, Header()] = "",
    ) -> Response:
        """Tell how a job is; with `wait`, once it has ended (or has changed, with If-None-Match) or that time is over."""
        return response_of(await resource.read(job_id, request, wait=wait, known=if_none_match))

    @router.get(
        "/{job_id}/events",
        name=f"{JOB_ROUTE}-events",
        response_class=Response,
        responses={200: {"content": {"text/event-stream": {}}, "description": "Its changes, its end last."}, **_NO_JOB},
    )
    async def follow_job(job_id: str, request: Request) -> Response:
        """Follow a job by server-sent events: each is named after its status, and is what GET would answer."""
        return await events_of(resource, job_id, request)

    @router.delete(
        "/{job_id}",
        name=f"{JOB_ROUTE}-cancel",
        response_model=seen,
        responses={
            202: {"model": seen, "description": "It runs, and has been told to end."},
            409: {"model": seen, "description": "It had ended before."},
            **_NO_JOB,
        },
    )
    async def cancel_job(job_id: str, request: Request) -> Response:
        """Cancel a job."""
        return response_of(await resource.cancel(job_id, request))

    return router


def _seen_with_results(tasks: Iterable[Task[..., Any]]) -> type[BaseModel]:
    result = Annotated[Any, WithJsonSchema(result_schema(tasks))]
    return create_model("Job", __base__=JobSeen, __doc__=JobSeen.__doc__, result=(result, None))
