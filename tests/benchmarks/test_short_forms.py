"""Every benchmark runs in its short form, so that none can rot; no figure is asserted."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from pathlib import Path

import pytest
from benchmarks.contestants.marks import STEPS
from benchmarks.workloads import WORKLOADS

ROOT = Path(__file__).parents[2]
ONE_OF_EACH_KIND = [it for it in WORKLOADS if it.name not in ("io-1000", "enqueue-one", "enqueue-many")]


async def output(*command: str) -> str:
    """Run a Python program to its good end, and return what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{os.environ.get('PYTHONPATH', '')}"},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def test_a_long_backlog_runs_to_its_end() -> None:
    assert "ratio" in await output("benchmarks/backlog.py", "--jobs", "2000")


@pytest.mark.skipif(sys.platform != "linux", reason="the machine is described by Linux's means")
async def test_stores_are_measured_to_their_end() -> None:
    assert "| sqlite | full |" in await output("-m", "benchmarks.stores", "--jobs", "50", "memory", "sqlite")


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read by Linux's means")
async def test_clients_wait_to_their_end() -> None:
    """Of DynamoDB requests are counted: a hundred records in each, and not one for each call of the store."""
    short = ("--waiters", "120", "--seconds", "0.5", "--waves", "1")
    told = await output("-m", "benchmarks.waiters", "memory", "dynamodb", *short)
    assert "memory, each for itself" in told
    (line,) = [line for line in told.splitlines() if "dynamodb" in line]
    reads, records = (float(cell.replace(",", "")) for cell in re.split("[│|]", line)[3:5])
    assert records > 10 * reads > 0


@pytest.mark.parametrize(("page", "name"), [("stores.md", "stores"), ("results.md", "waiters")])
def test_the_tables_of_stores_have_their_place(page: str, name: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    assert re.search(
        rf"<!-- {name}: begin \(make bench-{name} writes this\) -->\n.*<!-- {name}: end -->", text, re.DOTALL
    )


@pytest.mark.skipif(sys.platform != "linux", reason="processes are pinned to cores by Linux's means")
async def test_every_wire_makes_every_call() -> None:
    told = await output("-m", "benchmarks.wire", "--rounds", "1", "--calls", "5")
    for name in (
        "aioboto3 as it comes",
        "aioboto3 as sqsjobs sets it up",
        "aiohttp, our signer",
        "lean",
        "lean on uvloop",
    ):
        assert re.search(rf"^\| {name} \| \d", told, re.MULTILINE), name


@pytest.mark.skipif(sys.platform != "linux", reason="processes are pinned to cores by Linux's means")
async def test_every_step_to_a_jobs_start_is_seen() -> None:
    told = await output("-m", "benchmarks.steps", "--jobs", "20")
    for label, _ in STEPS[1:]:
        (line,) = [line for line in told.splitlines() if label in line]
        assert re.search(r"[│|] +\d", line), line


async def test_a_bare_wait_is_measured_alone_and_among_others() -> None:
    told = await output("-m", "benchmarks.waits", "--waits", "5000")
    assert [float(line) > 0 for line in told.splitlines()] == [True] * 3


@pytest.mark.skipif(sys.platform != "linux", reason="processes are pinned to cores and accounted for by Linux's means")
@pytest.mark.timeout(300)  # some twenty processes, each of which imports all that a worker needs
async def test_every_kind_of_workload_gives_every_figure(tmp_path: Path) -> None:
    """With sqsjobs alone, once each."""
    told = tmp_path / "told.json"
    names = ",".join(workload.name for workload in ONE_OF_EACH_KIND)
    short = ("--scale", "0.001", "--rounds", "1", "--contestants", "sqsjobs", "--workloads", names)
    await output("-m", "benchmarks", *short, "--json", str(told))
    results = json.loads(told.read_text())
    assert results["failures"] == []
    for workload in ONE_OF_EACH_KIND:
        (figures,) = results["measured"][workload.name]["sqsjobs"]
        assert set(figures) == {figure.name for figure in workload.figures}


@pytest.mark.skipif(sys.platform != "linux", reason="processes are pinned to cores and accounted for by Linux's means")
async def test_the_loops_that_sqsjobs_is_compared_with_do_the_same_jobs(tmp_path: Path) -> None:
    """What needs no more than sqsjobs itself; the other job systems are there after `make bench` alone."""
    told, others = tmp_path / "told.json", {"sqsjobs-plain", "lean-loop", "bare"}
    short = ("--scale", "0.001", "--rounds", "1", "--contestants", ",".join(others), "--workloads", "drain,enqueue-100")
    await output("-m", "benchmarks", *short, "--json", str(told))
    results = json.loads(told.read_text())
    assert results["failures"] == []
    for measured in results["measured"].values():
        assert set(measured) == others
