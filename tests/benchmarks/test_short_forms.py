"""Every benchmark runs in its short form, so that none can rot; no figure is asserted."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("command", [("backlog.py", "--jobs", "2000")], ids=lambda command: command[0])
async def test_a_benchmark_runs_to_its_end(command: tuple[str, ...]) -> None:
    """It ends well, and prints a table."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{os.environ.get('PYTHONPATH', '')}"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "benchmarks" / command[0]),
        *command[1:],
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert "ratio" in out.decode()
