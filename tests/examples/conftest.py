"""What a reader of the examples does: a queue server, a worker process for the example, and its program beside it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import sqsjobs
from sqsjobs.testing import LocalServerThread

EXAMPLES = Path(__file__).parents[2] / "examples"
START_AND_WORK = 60
"""Seconds that a program may take."""


@dataclass(frozen=True)
class Stage:
    """Where examples are run; programs find the server and the job store in their environment."""

    server: LocalServerThread

    @contextmanager
    def worker(self, app: str, *queues: str) -> Iterator[None]:
        """Run ``sqsjobs worker`` for the app of an example."""
        self.server.create_queues(*queues)
        with self.process("sqsjobs", "worker", app, "--wait", "1", "--log-level", "error"):
            yield

    @contextmanager
    def process(self, *module_and_arguments: str, stderr: int | None = None) -> Iterator[subprocess.Popen[str]]:
        """Run a Python module in the folder of the examples, and end it."""
        command = [sys.executable, "-m", *module_and_arguments]
        with subprocess.Popen(command, cwd=EXAMPLES, text=True, stderr=stderr) as process:
            try:
                yield process
                assert process.poll() is None, f"{module_and_arguments} ended by itself"
            finally:
                process.terminate()
                try:
                    process.wait(START_AND_WORK)
                finally:
                    process.kill()

    def output(self, module: str, *arguments: str) -> str:
        """Run the program of an example to its end, and return what it printed."""
        command = [sys.executable, "-m", module, *arguments]
        return subprocess.check_output(command, cwd=EXAMPLES, text=True, timeout=START_AND_WORK)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    source = str(Path(sqsjobs.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH", "")])))
    monkeypatch.setenv("SQSJOBS_STORE", f"sqlite:///{tmp_path / 'jobs.db'}")
    with LocalServerThread() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", server.endpoint_url)
        yield Stage(server)


@pytest.fixture
def promised(request: pytest.FixtureRequest) -> str:
    """The output that the docstring of an example promises: its last indented block. The test names the example."""
    path = EXAMPLES / request.param
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring
    blocks = [block for block in docstring.split("\n\n") if block.startswith("    ")]
    return textwrap.dedent(blocks[-1]).rstrip("\n") + "\n"
