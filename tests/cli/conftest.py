"""What the tests of the command line share: child processes find the package where the tests found it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import sqsjobs


@pytest.fixture(autouse=True)
def _importable_by_children(monkeypatch):
    source = str(Path(sqsjobs.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH", "")])))
