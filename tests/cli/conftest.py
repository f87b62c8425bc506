"""What the tests of the command line share: an app in a module of its own, on a local server and a store in a file.

Commands run in this process where they can (`sqsjobs`), as processes where signals, exits or children are at stake.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.canaries import canary, no_secret_in

import sqsjobs
from sqsjobs.cli.commands import run
from sqsjobs.testing.server_thread import LocalServerThread

APP = '''
"""The app of the tests."""

import asyncio
import os
import sys
import time
from sqsjobs import App, Reject, Retry, constant

app = App("shop")
other = App("other")


@app.task(queue="images")
async def resize(key: str, width: int = 100, note: str | None = None) -> int:
    return width * 2


@app.task(queue="images")
async def sleep(seconds: float) -> str:
    open("started", "a").close()
    await asyncio.sleep(seconds)
    return "slept"


@app.task(queue="images")
def stuck(seconds: float) -> None:
    open("started", "a").close()
    time.sleep(seconds)


@app.task(queue="mails", retry=Retry(max_attempts=2, backoff=constant(0.05)))
async def mail(to: str) -> str:
    if not os.path.exists("mail-works"):
        raise ValueError("no such address \\x1b[31m")
    return "sent"


@app.task(queue="orders.fifo")
async def order(number: int) -> int:
    return number
'''


class Command(subprocess.Popen[str]):
    """A command as a process; what is read of it at its end is searched for secrets."""

    def communicate(self, input: str | None = None, timeout: float | None = None) -> tuple[str, str]:  # noqa: A002
        out, err = super().communicate(input, timeout)
        no_secret_in(f"{out}{err}", "the output of a command")
        return out, err


@dataclass(frozen=True)
class Shell:
    """A working directory with the app `jobs:app` in it, and the environment of its commands."""

    folder: Path
    module: str
    endpoint_url: str
    environment: dict[str, str]

    @property
    def app(self) -> str:
        return f"{self.module}:app"

    def start(self, *words: str, **options: Any) -> Command:
        """Start a command as a process."""
        return Command(
            [sys.executable, "-m", "sqsjobs", *words],
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,
        )

    def burst(self) -> str:
        """Work until the queues are empty; return what the worker logged."""
        with self.start("worker", self.app, "--burst", "--wait", "1", "--log-format", "json") as worker:
            _, logged = worker.communicate(timeout=60)
        assert worker.returncode == 0, logged
        return logged


@pytest.fixture(scope="session")
def server() -> Iterator[LocalServerThread]:
    with LocalServerThread() as server:
        yield server


@pytest.fixture(autouse=True)
def _importable_by_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Child processes find the package where the tests found it."""
    source = str(Path(sqsjobs.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH", "")])))


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """The worker command sends the lines of its process, which is the tests', to standard error."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.fixture
def shell(server: LocalServerThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Queues of its own on the local server, a job store of its own, and an app in the working directory."""
    server.reset()
    server.create_queues("images", "mails", "orders.fifo")
    module = f"jobs_{uuid.uuid4().hex}"  # modules are imported once a process
    (tmp_path / f"{module}.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", server.endpoint_url)
    monkeypatch.setenv("SQSJOBS_STORE", f"sqlite:///{tmp_path}/jobs.db")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIACANARY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", canary("ENV"))
    return Shell(tmp_path, module, server.endpoint_url, dict(os.environ))


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run_here(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run a command line in this process; no secret may be in its output but those that are to be `shown`."""

    def run_line(*words: str, shown: Collection[str] = ()) -> Ran:
        capsys.readouterr()
        code = run(words)
        written = capsys.readouterr()
        no_secret_in(f"{written.out}{written.err}", f"the output of {words[0]}", shown=shown)
        return Ran(code, written.out, written.err)

    return run_line
