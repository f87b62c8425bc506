"""The quickstart of the README works as it is printed: its program, `sqsjobs dev`, and what `dev` tells a second shell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import sqsjobs
from sqsjobs.job import checked_job_id

README = Path(__file__).parents[2] / "README.md"
NAMED_IN_THE_CODE = 'store="sqlite:///jobs.db"'


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the program in it; nothing in the environment says where queues or records are."""
    block = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert block
    (tmp_path / "thumbs.py").write_text(block[1])
    for variable in ("SQSJOBS_STORE", "SQSJOBS_APP", "AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(variable, raising=False)
    source = str(Path(sqsjobs.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH", "")])))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@contextmanager
def dev(folder: Path) -> Iterator[dict[str, str]]:
    """Run ``sqsjobs dev`` for the program; yields what it says that another shell is to export."""
    command = [sys.executable, "-m", "sqsjobs", "dev", "thumbs:app", "--port", "0"]
    with (folder / "dev.log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, text=True, stdout=log, stderr=subprocess.PIPE)
    with process:
        try:
            yield _exports(process)
        finally:
            process.terminate()
            try:
                process.communicate(timeout=30)
            finally:
                process.kill()


def _exports(process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stderr
    exports: dict[str, str] = {}
    for line in process.stderr:
        if found := re.fullmatch(r"\s+export (\w+)=(\S+)\n", line):
            exports[found[1]] = found[2]
        if "Ctrl-C" in line:
            return exports
    raise AssertionError("dev ended")


def printed(folder: Path, exports: dict[str, str]) -> list[str]:
    """Run the program in a second shell; returns the words that it prints."""
    command = [sys.executable, "thumbs.py"]
    environment = os.environ | exports
    return subprocess.check_output(command, cwd=folder, env=environment, text=True, timeout=60).split()


def test_the_quickstart_prints_the_result(shell):
    """The job store is the app's own, so that a second shell needs the queues' address and nothing else."""
    with dev(shell) as exports:
        assert list(exports) == ["AWS_ENDPOINT_URL_SQS"]
        job_id, result = printed(shell, exports)
    assert checked_job_id(job_id)
    assert result == "in/a.png@200"
    assert (shell / "jobs.db").exists()


def test_an_app_that_names_no_store_gets_one_for_the_time(shell):
    program = shell / "thumbs.py"
    assert NAMED_IN_THE_CODE in program.read_text()
    program.write_text(program.read_text().replace(f", {NAMED_IN_THE_CODE}", ""))
    with dev(shell) as exports:
        assert list(exports) == ["AWS_ENDPOINT_URL_SQS", "SQSJOBS_STORE"]
        assert printed(shell, exports)[1] == "in/a.png@200"
    assert not Path(exports["SQSJOBS_STORE"].removeprefix("sqlite:///")).exists()


def test_a_store_that_the_settings_name_is_used(shell):
    program = shell / "thumbs.py"
    program.write_text(program.read_text().replace(f", {NAMED_IN_THE_CODE}", ""))
    (shell / "pyproject.toml").write_text('[tool.sqsjobs]\nstore = "sqlite:///chosen.db"\n')
    with dev(shell) as exports:
        assert list(exports) == ["AWS_ENDPOINT_URL_SQS"]
        assert printed(shell, exports)[1] == "in/a.png@200"
    assert (shell / "chosen.db").exists()
