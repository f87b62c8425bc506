"""pytest in a process of its own, as a user of sqsjobs runs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import sqsjobs

Run = Callable[..., pytest.RunResult]
"""Runs pytest, with these arguments more, on the files that the test has made."""


@pytest.fixture
def run_pytest(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Give a pytest that knows no plugins but pytest-asyncio and ours, by their entry points' modules."""
    monkeypatch.setenv("PYTHONPATH", str(Path(sqsjobs.__file__).parents[1]))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for variable in ("PYTEST_ADDOPTS", "SQSJOBS_STORE", "AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(variable, raising=False)

    def run(*arguments: str) -> pytest.RunResult:
        plugins = ("-p", "pytest_asyncio.plugin", "-p", "sqsjobs.testing.plugin")
        options = ("-W", "error", "-o", "asyncio_default_fixture_loop_scope=function")
        return pytester.runpytest_subprocess(*plugins, *options, *arguments, timeout=60)

    return run
