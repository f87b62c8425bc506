"""What is shipped: the same bytes from the same sources, of versions that are locked with their hashes."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def build(folder: Path, *, at: int) -> bytes:
    """Build the wheel from a copy of the sources whose files are `at` seconds old; return its digest."""
    for name in ("src", "pyproject.toml", "README.md", "LICENSE"):
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(exist_ok=True)
            shutil.copy(source, target)
    for path in folder.rglob("*"):
        os.utime(path, (at, at))
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel"],
        cwd=folder,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    (wheel,) = (folder / "dist").glob("*.whl")
    return hashlib.sha256(wheel.read_bytes()).digest()


def test_a_wheel_built_twice_is_the_same(tmp_path):
    """S23: whoever builds it, and whenever."""
    assert build(tmp_path / "one", at=1_600_000_000) == build(tmp_path / "two", at=1_650_000_000)


@pytest.mark.parametrize("name", ["runtime.txt", "dev.txt"])
def test_what_is_installed_is_locked_with_its_hash(name):
    """S23: every requirement is one version, with the hashes of its files, and from no address."""
    text = (ROOT / "requirements" / name).read_text()
    entries = [entry for entry in re.split(r"\n(?=\S)", text.strip()) if not entry.startswith("#")]
    assert len(entries) > 10
    for entry in entries:
        assert re.match(r"[A-Za-z0-9_.\[\]-]+==\S+", entry), entry
        assert "--hash=sha256:" in entry
        assert "://" not in entry


@pytest.mark.parametrize(
    ("said", "code", "ends"),
    [
        ("No known vulnerabilities found", 0, 0),
        ("Found 1 known vulnerability in 1 package", 1, 1),
        ("werkzeug  Dependency not found on PyPI and could not be audited. No known vulnerabilities found", 0, 3),
        ("requests.exceptions.ConnectionError: no route", 1, 3),
    ],
)
def test_an_audit_that_could_not_be_made_says_so(tmp_path, said, code, ends):
    """S23: silence is not taken for a clean result."""
    tool = tmp_path / "pip-audit"
    tool.write_text(f"#!/bin/sh\necho '{said}'\nexit {code}\n")
    tool.chmod(0o755)
    command = [sys.executable, str(ROOT / "requirements" / "audit.py"), str(tool), "runtime.txt"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == ends
    assert ("NOT AUDITED" in ended.stderr) == (ends == 3)
