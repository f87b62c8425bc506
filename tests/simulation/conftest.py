"""Where the tests of the simulation run."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of this folder on two of pytest-xdist's workers, from the start: they compute all the time, beside others that wait."""
    for place, item in enumerate(it for it in items if it.path.is_relative_to(HERE)):
        item.add_marker(pytest.mark.xdist_group(f"simulation-{place % 2}"))
