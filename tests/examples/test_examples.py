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
            *_report_on(client, "to be or not to be"),
            *_report_on(client, " "),
            *_looked_up(client, "/jobs/nonsense"),
        ]
    assert seen == promised.splitlines()


def _report_on(client: httpx.Client, text: str) -> list[str]:
    """Have a report made of a text, and return what a client sees."""
    asked = {"text": text}
    accepted = client.post("/reports", json=asked)
    location = accepted.headers["Location"]
    template = location.replace(accepted.json()["id"], "<id>")
    return [
        f"POST /reports {json.dumps(asked)}",
        f"{accepted.status_code}, Location: {template}",
        *(line.replace(location, template) for line in _looked_up(client, location)),
    ]


def _looked_up(client: httpx.Client, location: str) -> list[str]:
    answer = client.get(location, params={"wait": 20})
    told = answer.json()
    parts = [told["status"], told.get("result") or told["error"]] if "status" in told else [told]
    words = " ".join(part if isinstance(part, str) else json.dumps(part) for part in parts)
    return [f"GET {location}?wait=20", f"{answer.status_code} {words}"]


def _address(server: subprocess.Popen[str]) -> str:
    assert server.stderr
    for line in server.stderr:
        if found := re.search(r"running on (http://\S+)", line):
            return found[1]
    raise AssertionError("the server ended")
