"""A web API whose requests do not wait: POST accepts a job, GET tells how it is.

    sqsjobs dev web_api.jobs:app --store sqlite:///jobs.db
    uvicorn web_api.api:api

A client then sees:

    POST /reports {"text": "to be or not to be"}
    202, Location: /jobs/<id>
    GET /jobs/<id>?wait=20
    200 succeeded {"words": 6, "most_frequent": "to"}
    POST /reports {"text": " "}
    202, Location: /jobs/<id>
    GET /jobs/<id>?wait=20
    200 failed {"type": "Reject", "message": "there are no words in this text"}
    GET /jobs/nonsense?wait=20
    404 {"detail": "there is no such job"}

The description of the API, with what reports are, is at http://127.0.0.1:8000/docs.
"""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

from sqsjobs.integrations.fastapi import ANYONE, Accepted, accepted, job_router, opening
from web_api.jobs import analyse, app

api = FastAPI(lifespan=opening(app))
api.include_router(job_router(app, authorize=ANYONE), prefix="/jobs")  # these reports are no secrets


class Asked(BaseModel):
    text: str


@api.post("/reports", status_code=202, response_model=Accepted, responses={400: {"description": "No JSON."}})
async def create_report(asked: Asked, request: Request) -> Response:
    return accepted(await analyse.enqueue(asked.text), request)
