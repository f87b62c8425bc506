"""The list of known differences is written down for readers, too, and names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.conformance.differences import DIFFERENCES

TESTS = Path(__file__).parent
DOCUMENT = TESTS.parent.parent / "docs" / "emulators.md"
KNOWN = [(rig, test, reason) for rig, tests in DIFFERENCES.items() for test, reason in tests.items()]


@pytest.mark.parametrize(("server", "test", "reason"), KNOWN)
def test_every_difference_is_documented(server: str, test: str, reason: str) -> None:
    assert f"| `{test}` | {reason} |" in DOCUMENT.read_text()


def test_no_difference_is_documented_that_is_not_expected() -> None:
    documented = re.findall(r"^\| `(test_\w+)` \|", DOCUMENT.read_text(), re.MULTILINE)

    assert sorted(documented) == sorted(test for _, test, _ in KNOWN)


@pytest.mark.parametrize(("server", "test", "reason"), KNOWN)
def test_every_difference_names_a_test(server: str, test: str, reason: str) -> None:
    assert any(f"def {test}(" in file.read_text() for file in TESTS.glob("test_*.py"))
