"""docs/testing.md is a project; its tests pass as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.testing.conftest import Run

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
EXAMPLE = re.compile(r"```python\n# (?P<file>\w+\.py)\n(?P<source>.*?)```", re.DOTALL)


def test_every_example_of_the_page_is_run_and_passes(pytester: pytest.Pytester, run_pytest: Run) -> None:
    examples = {example["file"]: example["source"] for example in EXAMPLE.finditer(PAGE.read_text(encoding="utf-8"))}
    assert len(examples) == PAGE.read_text(encoding="utf-8").count("```python")
    for file, source in examples.items():
        (pytester.path / file).write_text(source, encoding="utf-8")
    starlettes_own = ("-W", "ignore:Using `httpx` with `starlette.testclient`")
    result = run_pytest("-o", "asyncio_mode=strict", *starlettes_own)
    result.assert_outcomes(passed=sum(source.count("def test_") for source in examples.values()))
