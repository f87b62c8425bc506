"""``sqsjobs demo``, as a process: it accounts for every file, and leaves nothing behind, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the demo makes its temporary one."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture(autouse=True)
def _importable(stage) -> None:
    """The demo brings its own server and store, and takes no notice of those that the environment names."""


def demo(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sqsjobs", "demo", *arguments]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_it_accounts_for_every_file(scratch):
    """Of forty of the standard library's files, the bad end in the dead-letter queue and the late after a retry."""
    with demo("--jobs", "40") as process:
        output, _ = process.communicate(timeout=60)
    rows = [line.split() for line in output.splitlines()]
    assert process.returncode == 0, output
    assert ["jobs", "40"] in rows
    assert ["succeeded", "36", "1", "of", "them", "after", "a", "retry"] in rows
    assert ["dead-lettered", "4", "for", "these", "reasons:"] in rows
    assert ["2", "exhausted:", "FileNotFoundError"] in rows
    assert ["1", "failed:", "IsADirectoryError"] in rows
    assert ["decompressed", "36", "equal", "their", "originals"] in rows
    assert "Every job is accounted for" in output
    assert not list(scratch.iterdir())


def test_any_folder_will_do(scratch, tmp_path):
    """Its files are left as they are, whatever their names and contents."""
    music = tmp_path / "music"
    (music / "album").mkdir(parents=True)
    files = {music / "album" / f"{n} ♫.mp3": bytes([n]) * 5000 for n in range(20)}
    for path, content in files.items():
        path.write_bytes(content)
    with demo("--dir", str(music)) as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert {path: path.read_bytes() for path in music.rglob("*.mp3")} == files


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing_behind(scratch, number):
    """Ctrl-C and SIGTERM in the middle end the worker process and remove the temporary folder."""
    with demo() as process:
        _wait_until(lambda: list(scratch.glob("*/*.gz")))
        workers = _children(process.pid)
        process.send_signal(number)
        process.communicate(timeout=30)
    assert process.returncode == 130
    assert workers
    assert not any(map(_lives, workers))
    assert not list(scratch.iterdir())


def test_a_dead_worker_is_reported(scratch):
    """If the worker process dies, the demo says so and ends, instead of waiting for results that nobody makes."""
    with demo() as process:
        _wait_until(lambda: list(scratch.glob("*/*.gz")))
        for pid in _children(process.pid):
            os.kill(pid, signal.SIGKILL)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "the worker process ended with code -9" in output
    assert not list(scratch.iterdir())


def _children(pid: int) -> list[int]:
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in listed.stdout.split()]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _wait_until(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
