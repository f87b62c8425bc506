"""A web API on Flask, or whatever else has no event loop: everything by the methods whose names end in ``_sync``.

    sqsjobs dev flask_api.jobs:app --store sqlite:///jobs.db
    flask --app flask_api.api:api run

A client then sees:

    POST /invoices {"customer": "Ada", "lines": [{"item": "tea", "price": "3.50", "count": 2}]}
    202, Location: /jobs/<id>
    GET /jobs/<id>?wait=20
    200 succeeded {"customer": "Ada", "total": "7.00"}
    POST /invoices {"customer": "Bob", "lines": []}
    202, Location: /jobs/<id>
    GET /jobs/<id>?wait=20
    200 failed {"type": "Reject", "message": "there is nothing to pay for"}
    DELETE /jobs/<id>
    409 failed {"type": "Reject", "message": "there is nothing to pay for"}
    POST /invoices {"customer": "Eve", "lines": [{"item": "tea"}]}
    422 {"detail": "task 'bill': argument 'lines': Object missing required field `price` - at `lines[0]`"}
    GET /jobs/nonsense?wait=20
    404 {"detail": "there is no such job"}
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from flask import Flask, Response, request, url_for

from flask_api.jobs import app, bill
from sqsjobs import InvalidArguments, JobCancelled, JobFailed, ResultExpired, ResultTimeout, UnknownJob
from sqsjobs.integrations.view import JobView

LONGEST_WAIT = 20.0
"""Seconds; a request that waits holds a thread of the server."""

api = Flask(__name__)


@api.post("/invoices")
def create_invoice() -> tuple[dict[str, Any], int, dict[str, str]]:
    asked = request.get_json()
    given: dict[str, Any] = asked if isinstance(asked, dict) else {}
    job = bill.enqueue_sync(**given)  # it judges what clients say
    url = url_for("read_job", job_id=job.id)
    return {"id": job.id, "status": "queued", "url": url}, 202, {"Location": url, "Retry-After": "1"}


@api.get("/jobs/<job_id>")
def read_job(job_id: str) -> Response:
    job = app.job(job_id)  # whether its id is all that one needs to know of a job is yours to decide
    if wait := request.args.get("wait", 0.0, type=float):
        with suppress(JobFailed, JobCancelled, ResultTimeout, ResultExpired):
            job.result_sync(timeout=max(0.0, min(LONGEST_WAIT, wait)))
    view = JobView(job.record_sync())
    response = Response(view.body(), mimetype="application/json")
    response.headers["ETag"] = view.etag()
    response.make_conditional(request.environ)
    return response


@api.delete("/jobs/<job_id>")
def cancel_job(job_id: str) -> tuple[Response, int]:
    job = app.job(job_id)
    had_ended = job.record_sync().status.ended
    status = job.cancel_sync()
    code = 409 if had_ended else 200 if status.ended else 202  # 202: it runs, and has been told to end
    return Response(JobView(job.record_sync()).body(), mimetype="application/json"), code


@api.errorhandler(UnknownJob)
def no_such_job(_: UnknownJob) -> tuple[dict[str, str], int]:
    return {"detail": "there is no such job"}, 404


@api.errorhandler(InvalidArguments)
def no_such_invoice(problem: InvalidArguments) -> tuple[dict[str, str], int]:
    return {"detail": str(problem)}, 422
