"""Every example is a whole program: run as its docstring says, it prints what its docstring says."""

from __future__ import annotations

import json
import re
import subprocess

import httpx
import pytest


@pytest.mark.parametrize("promised", ["quickstart/greetings.py"], indirect=True)
def test_quickstart(stage, promised):
    with stage.worker("quickstart.greetings:app", "default"):
        assert stage.output("quickstart.greetings") == promised


@pytest.mark.parametrize("promised", ["fifo/accounts.py"], indirect=True)
def test_fifo(stage, promised):
    """The order of each group holds, although one job of each is tried twice."""
    with stage.worker("fifo.accounts:app", "bookings.fifo"):
        assert stage.output("fifo.accounts") == promised


@pytest.mark.parametrize("promised", ["sync_and_cpu/numbers.py"], indirect=True)
def test_sync_and_cpu(stage, promised):
    """Threads, processes, enqueue_sync, and a computation that is killed at its timeout."""
    with stage.worker("sync_and_cpu.numbers:app", "default"):
        assert stage.output("sync_and_cpu.numbers") == promised


def test_compress(stage, tmp_path):
    """Good files are compressed, and a bad one is reported with its reason."""
    folder, target = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for n in range(25):
        (folder / f"{n:02}.txt").write_text(f"{n}\n" * 1000)
    (folder / "broken.txt").symlink_to("nothing")
    (folder / "folder.txt").mkdir()
    with stage.worker("compress.tasks:app", "files"):
        lines = stage.output("compress.main", str(folder), str(target)).splitlines()
    assert re.fullmatch(r"25 files compressed into [\d,]+ bytes, 9\d% less than before", lines[0])
    assert lines[1:] == [
        "broken.txt: failed after 3 attempts: FileNotFoundError",
        "folder.txt: failed after 1 attempts: Reject",
    ]
    assert {path.name for path in target.iterdir()} == {f"{n:02}.txt.gz" for n in range(25)}


@pytest.mark.parametrize("promised", ["web_api/api.py"], indirect=True)
def test_web_api(stage, promised):
    """POST answers 202 with a Location at once; GET tells how the job is, and at last its result."""
    with (
        stage.worker("web_api.jobs:app", "reports"),
        stage.process("uvicorn", "web_api.api:api", "--port", "0", stderr=subprocess.PIPE) as server,
        httpx.Client(base_url=_address(server), timeout=30) as client,
    ):
        seen = [
            *_made_of(client, "/reports", {"text": "to be or not to be"}),
            *_made_of(client, "/reports", {"text": " "}),
            *_looked_up(client, "/jobs/nonsense"),
        ]
    assert seen == promised.splitlines()


@pytest.mark.parametrize("promised", ["flask_api/api.py"], indirect=True)
def test_flask_api(stage, promised):
    """The same without an event loop; a body that is no call of the task is refused at once."""
    tea = {"item": "tea", "price": "3.50", "count": 2}
    with (
        stage.worker("flask_api.jobs:app", "invoices"),
        stage.process("flask", "--app", "flask_api.api:api", "run", "--port", "0", stderr=subprocess.PIPE) as server,
        httpx.Client(base_url=_address(server), timeout=30) as client,
    ):
        seen = [
            *_made_of(client, "/invoices", {"customer": "Ada", "lines": [tea]}),
            *_made_of(client, "/invoices", {"customer": "Bob", "lines": []}, then="DELETE"),
            *_refused(client, "/invoices", {"customer": "Eve", "lines": [{"item": "tea"}]}),
            *_looked_up(client, "/jobs/nonsense"),
        ]
        job = client.post("/invoices", json={"customer": "Ada", "lines": [tea]}).json()
        tag = client.get(job["url"], params={"wait": 20}).headers["ETag"]
        assert client.get(job["url"], headers={"If-None-Match": tag}).status_code == 304
        strange: list[object] = [[], {}, {"customer": "Ada", "lines": [], "discount": 1}]
        assert [client.post("/invoices", json=body).status_code for body in strange] == [422] * 3
        assert client.get(job["url"], params={"wait": "nan"}).status_code == 200
    assert seen == promised.splitlines()


def _made_of(client: httpx.Client, path: str, asked: object, then: str = "") -> list[str]:
    """Have a job made of what is asked for, see how it is, and do `then` with it; return what a client sees."""
    accepted = client.post(path, json=asked)
    location = accepted.headers["Location"]
    template = location.replace(accepted.json()["id"], "<id>")
    lines = [*_looked_up(client, location)]
    if then:
        lines += [f"{then} {location}", _told(client.request(then, location))]
    return [
        f"POST {path} {json.dumps(asked)}",
        f"{accepted.status_code}, Location: {template}",
        *(line.replace(location, template) for line in lines),
    ]


def _looked_up(client: httpx.Client, location: str) -> list[str]:
    return [f"GET {location}?wait=20", _told(client.get(location, params={"wait": 20}))]


def _refused(client: httpx.Client, path: str, asked: object) -> list[str]:
    return [f"POST {path} {json.dumps(asked)}", _told(client.post(path, json=asked))]


def _told(answer: httpx.Response) -> str:
    told = answer.json()
    parts = [told["status"], told.get("result") or told["error"]] if "status" in told else [told]
    words = " ".join(part if isinstance(part, str) else json.dumps(part) for part in parts)
    return f"{answer.status_code} {words}"


def _address(server: subprocess.Popen[str]) -> str:
    assert server.stderr
    for line in server.stderr:
        if found := re.search(r"[Rr]unning on (http://\S+)", line):
            return found[1]
    raise AssertionError("the server ended")
