"""A web API whose requests do not wait: POST accepts a job, GET tells how it is.

    sqsjobs dev web_api.jobs:app --store sqlite:///jobs.db
    uvicorn web_api.api:api

A client then sees (and `"status": "queued"` or `"running"`, where it asks earlier):

    POST /reports {"text": "to be or not to be"}
    202, Location: /reports/<id>
    GET /reports/<id>
    200 {"status": "succeeded", "report": {"words": 6, "most_frequent": "to"}, "problem": null}
    POST /reports {"text": " "}
    202, Location: /reports/<id>
    GET /reports/<id>
    200 {"status": "failed", "report": null, "problem": "there are no words in this text"}
    GET /reports/nonsense
    404 {"detail": "there is no such report"}
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Response
from pydantic import BaseModel

from sqsjobs import JobFailed, JobStatus, ResultTimeout, UnknownJob
from web_api.jobs import Report, analyse, app


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with app:
        yield


api = FastAPI(lifespan=lifespan)


class Asked(BaseModel):
    text: str


class Told(BaseModel):
    status: JobStatus
    report: Report | None = None
    problem: str | None = None


@api.post("/reports", status_code=202)
async def create_report(asked: Asked, response: Response) -> Told:
    job = await analyse.enqueue(asked.text)
    response.headers["Location"] = f"/reports/{job.id}"
    return Told(status=JobStatus.QUEUED)


@api.get("/reports/{job_id}")
async def read_report(job_id: str) -> Told:
    try:
        job = app.job(job_id)
        return Told(status=JobStatus.SUCCEEDED, report=await job.result(timeout=0))
    except ResultTimeout as not_yet:
        return Told(status=JobStatus(not_yet.status))
    except JobFailed as failed:
        return Told(status=JobStatus.FAILED, problem=failed.error_message)
    except UnknownJob:
        raise HTTPException(404, "there is no such report") from None
