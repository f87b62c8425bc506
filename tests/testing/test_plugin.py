"""The pytest plugin as users meet it: cheap to load, few fixtures, any asyncio plugin or none."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from tests.testing.conftest import Run

import sqsjobs

pytest_plugins = ["pytester"]

APP = """
from sqsjobs import App

app = App("greetings")
greeted = []

@app.task
async def greet(name: str) -> str:
    greeted.append(name)
    return f"hello {name}"
"""

ASYNC_TESTS = """
import pytest
from greetings import app, greet, greeted

{mark}
async def test_in_memory(sqsjobs_app):
    jobs = sqsjobs_app(app)
    async with app:
        job = await greet.enqueue("ada")
        jobs.assert_enqueued(greet, "ada")
        await jobs.drain()
        assert await job.result(timeout=0) == "hello ada"
    assert greeted == ["ada"]

{mark}
async def test_starts_empty(sqsjobs_app):
    jobs = sqsjobs_app(app)
    assert jobs.enqueued() == ()
    async with app:
        assert not (await jobs.drain()).jobs
"""


@pytest.mark.parametrize(("mode", "mark"), [("strict", "@pytest.mark.asyncio"), ("auto", "")])
def test_an_app_is_in_memory_for_one_async_test(
    pytester: pytest.Pytester, run_pytest: Run, mode: str, mark: str
) -> None:
    pytester.makepyfile(greetings=APP, test_greetings=ASYNC_TESTS.format(mark=mark))
    run_pytest("-o", f"asyncio_mode={mode}").assert_outcomes(passed=2)


def test_anyio_will_do_as_well(pytester: pytest.Pytester, run_pytest: Run) -> None:
    backend = "\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
    pytester.makepyfile(greetings=APP, test_greetings=ASYNC_TESTS.format(mark="@pytest.mark.anyio") + backend)
    run_pytest("-p", "anyio.pytest_plugin", "-p", "no:asyncio").assert_outcomes(passed=2)


def test_a_test_without_an_event_loop_enqueues_and_drains(pytester: pytest.Pytester, run_pytest: Run) -> None:
    pytester.makepyfile(
        greetings=APP,
        test_greetings="""
from greetings import app, greet, greeted

def test_sync(sqsjobs_app):
    jobs = sqsjobs_app(app)
    greet.enqueue_sync("ada")
    jobs.assert_enqueued(greet, name="ada")
    assert [str(job) for job in jobs.drain_sync().succeeded] == ["greet(name='ada'): succeeded after 1 attempt"]
    assert greeted == ["ada"]
""",
    )
    run_pytest().assert_outcomes(passed=1)


def test_the_local_server_lives_for_the_whole_run(pytester: pytest.Pytester, run_pytest: Run) -> None:
    pytester.makepyfile("""
import json
import urllib.request

urls = set()

def list_queues(server):
    urls.add(server.endpoint_url)
    headers = {"X-Amz-Target": "AmazonSQS.ListQueues", "Content-Type": "application/x-amz-json-1.0"}
    request = urllib.request.Request(server.endpoint_url, b"{}", headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return [url.rpartition("/")[2] for url in json.load(answer).get("QueueUrls", [])]

def test_has_queues(sqsjobs_local_server):
    sqsjobs_local_server.create_queues("mail", "orders.fifo")
    assert list_queues(sqsjobs_local_server) == ["mail", "mail-dlq", "orders-dlq.fifo", "orders.fifo"]

def test_is_emptied(sqsjobs_local_server):
    sqsjobs_local_server.reset()
    assert list_queues(sqsjobs_local_server) == []
    assert len(urls) == 1
""")
    run_pytest().assert_outcomes(passed=2)


def test_a_failed_assertion_reads_well_in_the_report(pytester: pytest.Pytester, run_pytest: Run) -> None:
    pytester.makepyfile(
        greetings=APP,
        test_greetings="""
from greetings import app, greet

def test_wrong_name(sqsjobs_app):
    jobs = sqsjobs_app(app)
    greet.enqueue_sync("ada")
    jobs.assert_enqueued(greet, "grace")
""",
    )
    result = run_pytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*AssertionError: greet(name='grace') was not enqueued. These were:",
            "E*greet(name='ada'), on queue 'default'",
        ]
    )


def test_the_plugin_defines_fixtures_with_its_own_prefix_and_nothing_else(
    pytester: pytest.Pytester, run_pytest: Run
) -> None:
    pytester.makepyfile("def test_nothing(): pass")
    listed = run_pytest("--fixtures").stdout.str().partition("sqsjobs.testing.plugin -")[2].partition("\n\n-----")[0]
    names = [line.split()[0] for line in listed.splitlines()[1:] if line and not line.startswith((" ", "-", "="))]
    assert sorted(names) == ["sqsjobs_app", "sqsjobs_events", "sqsjobs_local_server"]


def test_pytest_finds_the_plugin_by_itself_once_sqsjobs_is_installed() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"sqsjobs": "sqsjobs.testing.plugin"}


def test_loading_the_plugin_imports_nothing_large() -> None:
    """pytest loads it in every run of every project that has sqsjobs installed."""
    large = ("aiohttp", "aioboto3", "botocore", "structlog", "rich", "sqsjobs.worker", "sqsjobs.transport.memory")
    program = f"import sys, sqsjobs.testing.plugin; print(*[name for name in {large!r} if name in sys.modules])"
    assert not printed_by_a_fresh_python(program)


def test_the_public_names_are_there_and_are_imported_when_used() -> None:
    program = (
        "import sys, sqsjobs.testing as testing; assert 'pytest' not in sys.modules; "
        "print(*[name for name in testing.__all__ if not getattr(testing, name).__doc__]); "
        "assert 'pytest' not in sys.modules"
    )
    assert not printed_by_a_fresh_python(program)


def printed_by_a_fresh_python(program: str) -> list[str]:
    source = Path(sqsjobs.__file__).parents[1]
    return subprocess.check_output([sys.executable, "-c", program], cwd=source, text=True).split()
