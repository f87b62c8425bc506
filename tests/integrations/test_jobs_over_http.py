"""Jobs as clients of a web API see them, over HTTP: the same from Starlette and from FastAPI."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.integrations.serving import app_in_memory, served, working

from sqsjobs import App, Callbacks, MemoryStore, Reject, Retry, current_job
from sqsjobs.errors import ConfigurationError, StoreUnavailable
from sqsjobs.integrations import fastapi as with_fastapi
from sqsjobs.integrations import starlette as with_starlette
from sqsjobs.integrations.resource import Limits
from sqsjobs.job import JobStatus

NOWHERE = "0" * 32


@dataclass
class Thumb:
    """What becomes of a picture."""

    path: str
    width: int


class Scene:
    """An app whose jobs wait until they may go on."""

    def __init__(self) -> None:
        self.app = app_in_memory()
        self.gate = asyncio.Event()
        self.running = asyncio.Event()
        app = self.app

        @app.task()
        async def resize(path: str, width: int = 200) -> Thumb:
            current_job().progress(1, 2, "half")
            self.running.set()
            await self.gate.wait()
            return Thumb(path, width)

        @app.task(retry=Retry(max_attempts=1))
        async def explode() -> None:
            raise ValueError("password=hunter2")

        @app.task()
        async def refuse() -> None:
            raise Reject("this is no picture")

        self.resize, self.explode, self.refuse = resize, explode, refuse


def mine(request: Request, record: Any) -> bool:
    """Everybody but the stranger owns every job."""
    return request.headers.get("user") != "stranger"


def starlette_api(scene: Scene, **options: Any) -> Starlette:
    async def create(request: Request) -> Response:
        return with_starlette.accepted(await scene.resize.enqueue("a.png"), request)

    routes = [
        Route("/thumbs", create, methods=["POST"]),
        with_starlette.job_routes(scene.app, **{"authorize": mine, "limits": Limits(wait=10, stream=60), **options}),
    ]
    return Starlette(routes=routes, lifespan=with_starlette.opening(scene.app))


def fastapi_api(scene: Scene, **options: Any) -> FastAPI:
    api = FastAPI(lifespan=with_fastapi.opening(scene.app))
    options = {"authorize": mine, "limits": Limits(wait=10, stream=60), **options}
    api.include_router(with_fastapi.job_router(scene.app, **options), prefix="/jobs")

    @api.post("/thumbs", status_code=202, response_model=with_fastapi.Accepted)
    async def create(request: Request) -> Response:
        return with_fastapi.accepted(await scene.resize.enqueue("a.png"), request)

    return api


Make = Callable[..., Any]


@pytest.fixture(params=[starlette_api, fastapi_api], ids=["starlette", "fastapi"])
def make(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
async def client(make: Make, scene: Scene) -> AsyncIterator[httpx.AsyncClient]:
    async with served(make(scene)) as client, working(scene.app):
        yield client


async def test_a_request_becomes_a_job_that_is_seen_until_its_result(client: httpx.AsyncClient, scene: Scene) -> None:
    answer = await client.post("/thumbs")
    assert answer.status_code == 202
    assert answer.headers["retry-after"] == "1"
    where = answer.headers["location"]
    assert answer.json() == {"id": where.rpartition("/")[2], "status": "queued", "url": where}
    await scene.running.wait()
    seen = await client.get(where, params={"wait": 0.2})
    assert seen.status_code == 200
    assert int(seen.headers["retry-after"]) >= 1
    assert seen.json()["status"] == "running"
    assert "result" not in seen.json()
    scene.gate.set()
    ended = (await client.get(where, params={"wait": 10})).json()
    assert (ended["status"], ended["result"]) == ("succeeded", {"path": "a.png", "width": 200})
    assert ended["ended_at"] >= ended["started_at"] >= ended["enqueued_at"]


async def test_what_has_not_changed_is_not_sent_again(client: httpx.AsyncClient, scene: Scene) -> None:
    job = await scene.resize.enqueue("a.png")
    await scene.running.wait()
    async for update in job.watch():
        if update.progress:
            break
    tag = (await client.get(f"/jobs/{job.id}")).headers["etag"]
    same = await client.get(f"/jobs/{job.id}", headers={"If-None-Match": tag})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert "retry-after" in same.headers
    asked = asyncio.create_task(client.get(f"/jobs/{job.id}?wait=10", headers={"If-None-Match": tag}))
    scene.gate.set()
    changed = await asked
    assert (changed.status_code, changed.json()["status"]) == (200, "succeeded")
    assert "retry-after" not in changed.headers


@pytest.mark.parametrize("form", ["W/{}", '"other", {}', '"other",W/{} , "more"', "*"])
async def test_an_entity_tag_is_known_in_every_form_of_it(client: httpx.AsyncClient, scene: Scene, form: str) -> None:
    """RFC 9110, 13.1.2: weak, as nginx makes it when it compresses, in a list, or any at all; a wait then waits."""
    job = await scene.resize.enqueue("a.png")
    async for update in job.watch():
        if update.progress:
            break
    tag = (await client.get(f"/jobs/{job.id}")).headers["etag"]
    known = {"If-None-Match": form.format(tag)}
    assert (await client.get(f"/jobs/{job.id}", headers=known)).status_code == 304
    began = asyncio.get_running_loop().time()
    assert (await client.get(f"/jobs/{job.id}?wait=0.2", headers=known)).status_code == 304
    assert asyncio.get_running_loop().time() - began >= 0.2


@pytest.mark.parametrize("form", ["W/{}", '"other"', "{}x", "*, {}x"])
async def test_another_entity_tag_is_not_known(client: httpx.AsyncClient, scene: Scene, form: str) -> None:
    job = await scene.resize.enqueue("a.png")
    known = {"If-None-Match": form.format('"0123456789abcdef01234567"')}
    assert (await client.get(f"/jobs/{job.id}?wait=10", headers=known)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/jobs/{}"), ("GET", "/jobs/{}?wait=1"), ("GET", "/jobs/{}/events"), ("DELETE", "/jobs/{}")],
)
async def test_a_job_of_another_is_not_there(client: httpx.AsyncClient, scene: Scene, method: str, path: str) -> None:
    """S12: what is told of it is told of ids that are unknown, and of what is no id."""
    job = await scene.resize.enqueue("a.png")
    answers = [
        await client.request(method, path.format(job_id), headers={"user": "stranger"})
        for job_id in (job.id, NOWHERE, "nonsense", "%2e%2e", "x" * 500)
    ]
    assert {(answer.status_code, answer.content) for answer in answers} == {(404, b'{"detail":"there is no such job"}')}
    assert (await job.record()).cancel_requested_at is None


async def test_errors_are_told_without_what_exceptions_say(client: httpx.AsyncClient, scene: Scene) -> None:
    """S13: what an exception says may be a secret; what a job rejects with is meant for others."""
    exploded, refused = await scene.explode.enqueue(), await scene.refuse.enqueue()
    told = [(await client.get(f"/jobs/{job.id}?wait=10")).json() for job in (exploded, refused)]
    assert [it["status"] for it in told] == ["failed", "failed"]
    assert told[0]["error"] == {"type": "ValueError", "message": ""}
    assert told[1]["error"] == {"type": "Reject", "message": "this is no picture"}


async def test_errors_are_told_whole_on_demand(make: Make, scene: Scene) -> None:
    async with served(make(scene, error_text=True)) as client, working(scene.app):
        job = await scene.explode.enqueue()
        told = (await client.get(f"/jobs/{job.id}?wait=10")).json()
    assert told["error"]["message"] == "password=hunter2"


async def test_a_running_job_is_cancelled(client: httpx.AsyncClient, scene: Scene) -> None:
    job = await scene.resize.enqueue("a.png")
    await scene.running.wait()
    answer = await client.delete(f"/jobs/{job.id}")
    assert (answer.status_code, answer.json()["cancelling"]) == (202, True)
    assert answer.headers["content-type"] == "application/json"
    assert (await client.get(f"/jobs/{job.id}?wait=10")).json()["status"] == "cancelled"


async def test_a_job_that_waits_is_cancelled_at_once_and_one_that_has_ended_is_not(make: Make, scene: Scene) -> None:
    async with served(make(scene)) as client:
        job = await scene.refuse.enqueue()
        first, again = await client.delete(f"/jobs/{job.id}"), await client.delete(f"/jobs/{job.id}")
        assert [(it.status_code, it.json()["status"]) for it in (first, again)] == [(200, "cancelled")] * 2
        ended = await scene.refuse.enqueue()
        async with working(scene.app):
            assert (await client.get(f"/jobs/{ended.id}?wait=10")).json()["status"] == "failed"
        late = await client.delete(f"/jobs/{ended.id}")
        assert (late.status_code, late.json()["status"]) == (409, "failed")


async def events(client: httpx.AsyncClient, path: str, **headers: str) -> AsyncIterator[dict[str, str]]:
    """Yield the events of a stream."""
    async with client.stream("GET", path, headers=headers) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        event: dict[str, str] = {}
        async for line in stream.aiter_lines():
            if line:
                name, _, value = line.partition(": ")
                event[name] = value
            elif "data" in event:
                yield event
                event = {}


async def test_a_job_is_followed_by_events_to_its_end(client: httpx.AsyncClient, scene: Scene) -> None:
    job = await scene.resize.enqueue("a.png")
    told = []
    async for event in events(client, f"/jobs/{job.id}/events"):
        told.append(event["event"])
        if json.loads(event["data"])["progress"]:
            scene.gate.set()
    assert told[-1] == "succeeded"
    assert "running" in told
    assert json.loads(event["data"])["result"] == {"path": "a.png", "width": 200}
    again = [it async for it in events(client, f"/jobs/{job.id}/events", **{"Last-Event-ID": event["id"]})]
    assert [it["event"] for it in again] == ["succeeded"]  # so that the client sees that it is over


async def test_a_quiet_stream_says_that_it_is_alive_and_ends_in_time(make: Make, scene: Scene) -> None:
    limits = Limits(stream=0.5, keep_alive=0.1)
    async with served(make(scene, limits=limits)) as client:
        job = await scene.resize.enqueue("a.png")
        text = (await client.get(f"/jobs/{job.id}/events")).text
    assert text.startswith("retry: ")
    assert text.count("event: queued") == 1
    assert text.count(": still here") >= 2


async def test_a_store_that_is_away_is_a_reason_to_ask_again(
    client: httpx.AsyncClient, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await scene.resize.enqueue("a.png")

    async def away(*_: object) -> None:
        raise StoreUnavailable("no route to the store")

    with monkeypatch.context() as while_away:
        while_away.setattr(type(scene.app.store), "get", away)
        answer = await client.get(f"/jobs/{job.id}")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "route" not in answer.text


@pytest.mark.parametrize("wait", ["soon", "-1", "inf", "nan"])
async def test_a_wait_that_is_no_time_is_refused(client: httpx.AsyncClient, scene: Scene, wait: str) -> None:
    job = await scene.refuse.enqueue()
    assert (await client.get(f"/jobs/{job.id}", params={"wait": wait})).status_code == 422


async def test_a_wait_is_bounded(make: Make, scene: Scene) -> None:
    async with served(make(scene, limits=Limits(wait=0.1))) as client:
        job = await scene.resize.enqueue("a.png")
        assert (await client.get(f"/jobs/{job.id}?wait=3600")).json()["status"] == "queued"


def test_jobs_that_nobody_records_cannot_be_shown() -> None:
    with pytest.raises(ConfigurationError, match="give it a job store"):
        with_starlette.job_routes(App("silent", store=None), authorize=with_starlette.ANYONE)


def test_the_description_knows_what_tasks_return(scene: Scene) -> None:
    schemas = fastapi_api(scene).openapi()["components"]["schemas"]
    result = schemas["Job"]["properties"]["result"]
    thumb = next(kind for kind in result["anyOf"] if kind.get("title") == "Thumb")
    assert thumb["properties"] == {"path": {"type": "string"}, "width": {"type": "integer"}}
    assert schemas["JobStatus"]["enum"] == list(JobStatus)


def test_the_description_tells_of_no_task_of_the_framework() -> None:
    """An app with callbacks serves a task that posts them; what that returns is no result of the app's."""
    app = App("shop", store=MemoryStore(), callbacks=Callbacks(hosts=["shop.example"]))

    @app.task
    async def size() -> str:
        return "large"

    api = FastAPI()
    api.include_router(with_fastapi.job_router(app, authorize=with_fastapi.ANYONE), prefix="/jobs")
    result = api.openapi()["components"]["schemas"]["Job"]["properties"]["result"]
    assert {key: value for key, value in result.items() if key != "title"} == {"type": "string"}
