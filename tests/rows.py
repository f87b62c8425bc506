"""The rows of docs/reliability.md that the docstrings of tests name: `python -m tests.rows` writes them into its table.

A test that is for a row says so where its docstring begins: `R5: …`, `R1-R3, I12: …`, `S3 and the seeded bug "…": …`.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Final

__all__ = ["DOCUMENT", "ROOT", "collected", "documented", "named_rows", "rewritten", "rows_of", "said"]

ROOT: Final = Path(__file__).parents[1]
DOCUMENT: Final = ROOT / "docs" / "reliability.md"

_HEADING: Final = "## Every promise, and its tests"
_OPENING: Final = re.compile(r"[RSI]\d")
_ROW: Final = re.compile(r"\b([RSI])(\d+)(?:-\1?(\d+))?\b")
_LINE: Final = re.compile(r"^\| ([RSI]\d+) \| (.*?) \| (.*?) \|$", re.MULTILINE)
_TEST: Final = re.compile(r"`([\w/]+\.py)((?:::\w+)?)`")
_MOST: Final = 4
"""Tests that the table names for a row; `grep` finds the others."""


def named_rows(docstring: str) -> list[str]:
    """Return the rows that a docstring begins with."""
    if not _OPENING.match(docstring):
        return []
    ranges = _ROW.findall(docstring.partition(":")[0])
    return [f"{letter}{n}" for letter, first, last in ranges for n in range(int(first), int(last or first) + 1)]


@cache
def collected() -> dict[str, list[str]]:
    """Return the tests for each row, as `worker/test_x.py::test_y`."""
    tests: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for test, docstring in _tests_in(path):
            for row in named_rows(docstring):
                tests[row].append(test)
    return dict(tests)


def rows_of(test: str) -> list[str]:
    """Return the rows that a test, as pytest names it, is for."""
    bare = test.removeprefix("tests/").partition("[")[0]
    return sorted((row for row, tests in collected().items() if bare in tests), key=_order)


def _tests_in(path: Path) -> Iterator[tuple[str, str]]:
    name = path.relative_to(ROOT / "tests").as_posix()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield f"{name}::{node.name}", ast.get_docstring(node) or ""
        elif isinstance(node, ast.ClassDef) and node.name.startswith(("Test", "Machine")):
            yield name, ast.get_docstring(node) or ""


def _order(row: str) -> tuple[int, int]:
    return "RSI".index(row[0]), int(row[1:])


# The table in the document ------------------------------------------------------------------------------


def said(text: str) -> list[tuple[str, str, str]]:
    """Return the lines of the table: the row, what happens, and which tests see to it or why none does."""
    return [(row, behaviour, tests) for row, behaviour, tests in _LINE.findall(_parted(text)[1])]


def documented(text: str) -> dict[str, tuple[str, ...]]:
    """Return the tests that the document names for each row; none where it gives a reason instead."""
    return {row: tuple(map("".join, _TEST.findall(tests))) for row, _, tests in said(text)}


def rewritten(text: str) -> str:
    """Return the document with the tests that there are; a row without any keeps what it says."""

    def line(match: re.Match[str]) -> str:
        row, behaviour, said = match.groups()
        tests = collected().get(row)
        return f"| {row} | {behaviour} | {_told(tests) if tests else said} |"

    before, table = _parted(text)
    return before + _LINE.sub(line, table)


def _parted(text: str) -> tuple[str, str]:
    """Part the document where the table begins: other tables have lines for invariants, too."""
    before, heading, table = text.partition(_HEADING)
    return before + heading, table


def _told(tests: list[str]) -> str:
    """Name a few, of as many files as possible."""
    by_file: dict[str, list[str]] = defaultdict(list)
    for test in tests:
        by_file[test.partition("::")[0]].append(test)
    rounds = (tests[n] for n in range(len(tests)) for tests in by_file.values() if n < len(tests))
    chosen = sorted([test for _, test in zip(range(_MOST), rounds, strict=False)], key=tests.index)
    return ", ".join(chain((f"`{test}`" for test in chosen), ["…"] if len(tests) > len(chosen) else []))


if __name__ == "__main__":
    DOCUMENT.write_text(rewritten(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{len(collected())} rows have tests\n")
