"""What is shipped: the same bytes from the same sources, of versions that are locked with their hashes."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
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


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "requirements").glob("*.txt")))
def test_what_is_installed_is_locked_with_its_hash(name):
    """S23: every requirement is one version, with the hashes of its files, and from no address."""
    text = (ROOT / "requirements" / name).read_text()
    entries = [entry for entry in re.split(r"\n(?=\S)", text.strip()) if not entry.startswith("#")]
    assert len(entries) > 10
    for entry in entries:
        assert re.match(r"[A-Za-z0-9_.\[\]-]+==\S+", entry), entry
        assert "--hash=sha256:" in entry
        assert "://" not in entry


def test_make_installs_what_is_locked_and_nothing_else():
    """S23: the tools that audit, list and lock are no exception; the project itself is installed as it lies here."""
    lines = (ROOT / "Makefile").read_text().replace("\\\n", "").splitlines()
    installs = [line for line in lines if re.search(r"(pip|PIP\)).* install ", line)]
    assert len(installs) >= 6
    own = "install --no-deps --no-build-isolation --editable ."
    assert [line for line in installs if "--no-deps --require-hashes" not in line and not line.endswith(own)] == []


def test_the_list_of_what_is_installed_covers_all_extras():
    """S23: `make sbom` reads this file."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = {re.split(r"[^\w-]", requirement)[0] for requirements in extras.values() for requirement in requirements}
    locked = set(re.findall(r"^([\w-]+)==", (ROOT / "requirements" / "extras.txt").read_text(), re.MULTILINE))
    assert {"cryptography", "redis"} <= wanted <= locked
    assert "requirements/extras.txt" in (ROOT / "Makefile").read_text().partition("\nsbom:")[2].partition("\n\n")[0]


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


def test_the_worst_of_all_files_counts(tmp_path):
    """S23: files may have other versions of one package, so each is asked for by itself."""
    tool = tmp_path / "pip-audit"
    tool.write_text('#!/bin/sh\ncase "$*" in *old.txt) echo "Found 1 known vulnerability"; exit 1;; esac\n')
    tool.chmod(0o755)
    command = [sys.executable, str(ROOT / "requirements" / "audit.py"), str(tool), "old.txt", "new.txt"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1
