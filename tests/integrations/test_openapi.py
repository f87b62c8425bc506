"""What an API says of itself in OpenAPI is what it does: requests made from the description by schemathesis."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI, Response
from hypothesis import HealthCheck, given
from schemathesis import Case, GenerationMode
from schemathesis.core.failures import FailureGroup
from tests.integrations.serving import app_in_memory, served, working
from tests.trials import examples

from sqsjobs import App, JobFailed, Reject, Retry
from sqsjobs.integrations.fastapi import ANYONE, Limits, job_router, opening
from sqsjobs.store.tracking import Tracking
from sqsjobs.testing import MemoryApp
from web_api.jobs import analyse, app

pytestmark = pytest.mark.hypothesis  # so that `make properties` tries more of it

FEW = 3
"""Requests of each kind to each operation."""


@dataclass
class Thumb:
    """What becomes of a picture."""

    path: str
    width: int


class Scene:
    """An app, an API that shows its jobs, and a job in each state that lasts."""

    def __init__(self, tracking: Tracking = "full") -> None:
        self.app = app_in_memory(tracking)
        limits = Limits(wait=0.05, stream=0.1, keep_alive=0.05)
        self.api = FastAPI(lifespan=opening(self.app))
        self.api.include_router(job_router(self.app, authorize=ANYONE, limits=limits), prefix="/jobs")
        self.begun = asyncio.Event()
        self._declare(self.app)

    def _declare(self, app: App) -> None:
        @app.task()
        async def resize(path: str, width: int) -> Thumb:
            return Thumb(path, width)

        @app.task(retry=Retry(max_attempts=1))
        async def refuse() -> None:
            raise Reject("this is no picture")

        @app.task()
        async def endless() -> None:
            self.begun.set()
            await asyncio.Event().wait()

        self.resize, self.refuse, self.endless = resize, refuse, endless

    async def jobs(self) -> list[str]:
        done, failed, running = (
            await self.resize.enqueue("a", 1),
            await self.refuse.enqueue(),
            await self.endless.enqueue(),
        )
        waiting = await self.resize.using(delay=900).enqueue("b", 2)
        await done.result(timeout=20)
        with pytest.raises(JobFailed):
            await failed.result(timeout=20)
        await self.begun.wait()
        return [done.id, failed.id, running.id, waiting.id]


@pytest.mark.parametrize(
    ("tracking", "only_there"), [("full", {"DELETE 200", "DELETE 202"}), ("result", {"DELETE 409"})]
)
async def test_the_router_does_what_its_description_says(tracking: Tracking, only_there: set[str]) -> None:
    """Of jobs in all states, and of whatever else stands in the place of an id."""
    scene = Scene(tracking)
    async with served(scene.api) as client, working(scene.app):
        answers = await asked(scene.api, str(client.base_url), await scene.jobs())
    assert {"GET 200", "GET 404", "GET 422", "DELETE 404", "DELETE 409"} | only_there <= answers


async def test_the_example_does_what_its_description_says() -> None:
    with MemoryApp(app):
        from web_api.api import api  # noqa: PLC0415 - it wants a job store to be named

        async with served(api) as client, working(app):
            job = await analyse.enqueue("to be or not to be")
            await job.result(timeout=20)
            answers = await asked(api, str(client.base_url), [job.id])
            no_json = await client.post("/reports", content=b"\xff", headers={"Content-Type": "application/json"})
    assert {"POST 202", "POST 422", "GET 200", "GET 404", "DELETE 404", "DELETE 409"} <= answers
    assert str(no_json.status_code) in api.openapi()["paths"]["/reports"]["post"]["responses"]


async def test_an_api_that_does_something_else_is_found_out() -> None:
    api = FastAPI()

    @api.get("/numbers/{number}")
    async def read(number: int) -> Response:
        return Response(b"", 418)

    async with served(api) as client:
        with pytest.raises(FailureGroup):
            await asked(api, str(client.base_url), [])


async def asked(api: FastAPI, url: str, jobs: list[str]) -> set[str]:
    """Ask all that the description of an API allows, and what it does not; return methods and statuses of the answers.

    Raises:
        FailureGroup: if an answer is not as the description says.
    """
    schema = schemathesis.openapi.from_dict(api.openapi())
    schema.config.update(base_url=url)
    return await asyncio.to_thread(ask_all, schema, jobs)


def ask_all(schema: Any, jobs: list[str]) -> set[str]:
    operations = [found.ok() for found in schema.get_all_operations()]
    operations.sort(key=lambda operation: operation.method == "delete")  # first see the jobs, then end them
    told: set[str] = set()
    for operation, mode in product(operations, GenerationMode):
        if mode is GenerationMode.NEGATIVE and not (len(operation.query) or len(operation.body)):
            continue  # every text may stand in the place of an id
        for job in ("", *jobs) if "{job_id}" in operation.path else ("",):
            told |= ask(operation, mode, job)
    return told


def ask(operation: Any, mode: GenerationMode, job: str) -> set[str]:
    """Make requests to an operation, right ones or wrong ones, of a job or of whatever id there may be."""
    told = set()

    @examples(FEW, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def once(case: Case[Any]) -> None:
        if job:
            case.path_parameters["job_id"] = job
        told.add(f"{case.method} {case.call_and_validate(timeout=10).status_code}")

    once()
    return told
