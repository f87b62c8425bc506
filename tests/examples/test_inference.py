"""The picture service, started as its README says: over real HTTP, and in a real browser where there is one."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.examples.chromium import Browser, chromium

import sqsjobs
from inference.samples import sample
from inference.vision.decoding import NotUsable, decoded
from inference.vision.fingerprint import fingerprint_of

EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = pytest.mark.xdist_group("inference")  # so that the service is started once


@contextmanager
def service(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run what ``make example-inference`` runs."""
    source = str(Path(sqsjobs.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH", "")]))}
    command = [sys.executable, "-m", "inference", "--port", "0", "--folder", str(folder)]
    with subprocess.Popen(command, cwd=EXAMPLES, env=environment, text=True, stdout=subprocess.PIPE) as process:
        assert process.stdout
        try:
            line = process.stdout.readline()
            found = re.search(r"http://\S+", line)
            assert found, line
            yield found[0], process
        finally:
            process.send_signal(signal.SIGINT)  # which does nothing to one that has ended
            try:
                process.wait(30)
            finally:
                process.kill()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with service(tmp_path_factory.mktemp("inference")) as (address, process):
        yield address
    assert process.returncode == 0


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    """A browser without a page: it keeps its cookie."""
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as opened:
        opened.get("/").raise_for_status()
        yield opened


def events(client: httpx.Client, job: str) -> list[dict[str, Any]]:
    """Follow a job to its end."""
    with client.stream("GET", f"/jobs/{job}/events") as answer:
        assert answer.status_code == 200
        return [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]


def send(client: httpx.Client, content: bytes) -> str:
    answer = client.post("/pictures", content=content, params={"name": "hills.jpg"})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def test_a_picture_is_looked_at(client):
    """It is accepted at once, its progress is told while a child process computes, and what is found is shown."""
    job = send(client, sample(2, 1500, 1000))
    told = events(client, job)
    assert told[-1]["status"] == "succeeded"
    assert any(event["progress"] for event in told[:-1])
    seen = told[-1]["result"]
    assert (seen["width"], seen["height"]) == (640, 427)
    assert seen["palette"][0]["name"] == "violet"
    assert sum(colour["share"] for colour in seen["palette"]) == pytest.approx(1, abs=0.01)
    assert seen["sentence"].startswith("A dim, vivid landscape in violet")
    for part in ("thumbnail", "attention"):
        file = client.get(f"/pictures/{job}/{part}")
        assert file.headers["content-type"] == "image/webp"
        assert decoded(file.content, 1000).size == (480, 320)


def test_pictures_are_their_browsers_own(client, url):
    """Nobody else sees a job, its events, its files or its name, nor cancels it: for them it does not exist."""
    job = send(client, sample(3))
    with httpx.Client(base_url=url, trust_env=False) as other:
        other.get("/")
        for path in (f"/jobs/{job}", f"/jobs/{job}/events", f"/pictures/{job}/original"):
            assert other.get(path).status_code == 404
        assert other.delete(f"/jobs/{job}").status_code == 404
        assert other.get("/pictures").json() == []
    assert [sent["job"] for sent in client.get("/pictures").json()] == [job]
    assert client.get(f"/pictures/{job}/original").content == sample(3)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            b"<script>alert(1)</script>",
            "This file is not a picture, or it is damaged. JPEG, PNG, WebP, GIF or BMP will do.",
        ),
        (sample(1)[:900], "This file is not a picture, or it is damaged. JPEG, PNG, WebP, GIF or BMP will do."),
    ],
    ids=["no picture", "half a picture"],
)
def test_what_is_no_picture_is_told_so(client, content, told):
    """The job ends as discarded, with words for its sender; there is no second attempt."""
    end = events(client, send(client, content))[-1]
    assert (end["status"], end["attempts"]) == ("discarded", 1)
    assert end["error"] == {"type": "Discard", "message": told}


def test_a_picture_that_claims_too_many_pixels_is_not_decoded():
    """A PNG of sixty bytes that claims 30,000 x 30,000 pixels is refused by its first lines."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    with pytest.raises(NotUsable, match="more than 40 million pixels"):
        decoded(png, 640)


def test_too_large_a_file_is_refused_as_it_comes(client):
    """By its length where that is said, and while it comes in where it is not."""

    def endless() -> Iterator[bytes]:
        for _ in range(200):
            yield bytes(100_000)

    declared = client.post("/pictures", content=bytes(12_000_001))
    assert (declared.status_code, declared.json()["detail"]) == (
        413,
        "This file is larger than 12 MB. Send a smaller one.",
    )
    assert client.post("/pictures", content=endless()).status_code == 413
    assert client.post("/pictures", content=b"").status_code == 422


def test_a_fingerprint_outlives_scaling():
    """Of one picture in two sizes nearly all bits agree; of two pictures they do not."""
    small, large, other = (
        int(fingerprint_of(decoded(file, 640)), 16) for file in (sample(1), sample(1, 960, 600), sample(2))
    )
    assert (small ^ large).bit_count() <= 6
    assert (small ^ other).bit_count() > 16


def test_a_burst(url):
    """All are accepted and answered at once, all are finished; the chart and the summary say so."""
    command = [sys.executable, "-m", "inference.burst", url, "--pictures", "12"]
    lines = subprocess.check_output(command, cwd=EXAMPLES, text=True, timeout=90).splitlines()
    assert re.fullmatch(r" *[\d.]+ s  accepted █{32}   12   finished █{32}   12", lines[-3])
    assert re.fullmatch(r"12 requests answered with 202, median \d+ ms, 99 % \d+ ms", lines[-2])
    assert re.fullmatch(r"12 succeeded in [\d.]+ s, [\d.]+ pictures a second", lines[-1])


def test_a_burst_against_nothing_says_what_to_start():
    command = [sys.executable, "-m", "inference.burst", "http://127.0.0.1:9"]
    ended = subprocess.run(command, cwd=EXAMPLES, text=True, capture_output=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (
        1,
        "http://127.0.0.1:9 does not answer as the service does: start it with python -m inference\n",
    )


def test_a_port_that_is_taken_is_told_of(url):
    command = [sys.executable, "-m", "inference", "--port", url.rpartition(":")[2]]
    ended = subprocess.run(command, cwd=EXAMPLES, text=True, capture_output=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert re.fullmatch(r"port \d+ is taken: choose another, --port 0 for any that is free\n", ended.stderr)


def test_the_service_ends_with_its_worker(tmp_path):
    """It does not go on accepting pictures that nobody looks at."""
    with service(tmp_path) as (_, process):
        (worker,) = subprocess.check_output(["pgrep", "-P", str(process.pid)], text=True).split()
        os.kill(int(worker), signal.SIGKILL)
        assert process.wait(30) == 1


def test_the_page_follows_jobs_whatever_becomes_of_one(tmp_path):
    """Three streams at a time, refused ones, results that have expired: in Node, with made-up streams."""
    node = shutil.which("node")
    if not node:
        pytest.skip("Node is not installed")
    script, page = Path(__file__).with_name("page_jobs.mjs"), EXAMPLES / "inference" / "page" / "jobs.js"
    ended = subprocess.run([node, script, page], text=True, capture_output=True, timeout=30, check=False)
    assert ended.returncode == 0, ended.stderr


def test_in_a_browser(url, tmp_path):
    """A person sends pictures, sees what is found in one and why another is none, cancels, and sends a burst."""
    picture, text = tmp_path / "hills.jpg", tmp_path / "notes.txt"
    picture.write_bytes(sample(7, 1200, 800))
    text.write_text("no picture")
    with chromium(tmp_path / "profile") as browser:
        browser.open(f"{url}/?burst=8")
        send_and_see(browser, picture)
        send_and_be_told(browser, text)
        browser.open(f"{url}/?burst=8")
        assert browser.until("document.querySelectorAll('.card .palette li').length") >= 3, "they are still listed"
        browser.click("#send-many")
        browser.until("document.getElementById('burst-said').textContent.startsWith('8 pictures finished')")
        browser.until("document.querySelectorAll('.tiles i.ended').length === 8")
        cancel(browser, picture)
        assert browser.errors() == []


def send_and_see(browser: Browser, picture: Path) -> None:
    browser.choose_file("#file", picture)
    browser.until("document.querySelector('.card[data-status=succeeded]')")
    assert browser.run("return document.querySelector('.card h3').textContent") == "hills.jpg"
    assert "and the eye goes to the" in browser.run("return document.querySelector('.card .sentence').textContent")
    loaded = "[...document.querySelectorAll('.card img')].every(image => image.complete && image.naturalWidth >= 480)"
    assert browser.until(loaded)


def send_and_be_told(browser: Browser, text: Path) -> None:
    browser.choose_file("#file", text)
    told = browser.until("document.querySelector('.card[data-status=discarded] .state')?.textContent")
    assert told.startswith("This file is not a picture")


def cancel(browser: Browser, picture: Path) -> None:
    """Cancel the last of several pictures: it waits in the queue or runs, and ends either way."""
    before = browser.run("return document.querySelectorAll('.card').length")
    for number in range(6):
        browser.choose_file("#file", picture)
        browser.until("document.querySelectorAll('.card').length === arguments[0]", before + number + 1)
    browser.click(".card .cancel")
    browser.until("['cancelled', 'succeeded'].includes(document.querySelector('.card').dataset.status)")
