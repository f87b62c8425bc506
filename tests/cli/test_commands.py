"""The tree of commands: help that teaches, hints, exit codes, errors in one message."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sqsjobs.cli.commands import _COMMANDS
from sqsjobs.cli.exits import FAILED, NOT_YET, OK, USAGE, exit_code
from sqsjobs.errors import (
    ConfigurationError,
    ResultTimeout,
    SqsJobsError,
    TransportUnavailable,
    UnknownJob,
    UnknownTask,
)

NAMES = [words for words, _, _ in _COMMANDS]


@pytest.mark.parametrize("words", NAMES)
def test_help_of_a_command_teaches(run_here, words):
    """It says what the command does, and shows it at work."""
    ran = run_here(*words.split(), "--help")
    assert ran.code == OK
    assert f"    sqsjobs {words}" in ran.out


def test_help_of_everything_names_every_command(run_here):
    ran = run_here("--help")
    assert ran.code == OK
    assert all(words.split()[0] in ran.out for words in NAMES)
    assert "Exit codes" in ran.out


@pytest.mark.parametrize("group", ["queues", "store", "dlq"])
def test_help_of_a_group_names_its_commands(run_here, group):
    ran = run_here(group, "--help")
    assert all(words.split()[1] in ran.out for words in NAMES if words.startswith(f"{group} "))


def test_help_imports_no_large_library():
    """--help answers at once: neither the AWS SDK nor the server, the metrics or the logs are loaded for it."""
    program = (
        "import sys; from sqsjobs.cli.commands import run; run(['--help']); "
        "sys.stderr.write(' '.join(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    large = {"aioboto3", "aiobotocore", "botocore", "aiohttp", "structlog", "prometheus_client", "watchfiles"}
    assert not large & set(ended.stderr.split())


def test_a_mistyped_command(run_here):
    ran = run_here("wroker")
    assert ran.code == USAGE
    assert 'Did you mean "worker"?' in ran.err


def test_a_mistyped_command_of_a_group(run_here):
    assert 'Did you mean "redrive"?' in run_here("dlq", "redrvie").err


def test_a_mistyped_option(run_here):
    ran = run_here("worker", "jobs:app", "--concurency", "3")
    assert ran.code == USAGE
    assert "--concurrency" in ran.err


def test_a_value_of_the_wrong_type(run_here):
    assert run_here("worker", "jobs:app", "--concurrency", "many").code == USAGE


def test_an_option_out_of_range_is_said_in_one_message(run_here, shell):
    ran = run_here("worker", shell.app, "--processes", "0")
    assert ran.code == USAGE
    assert ran.err.startswith("Error: --processes is 1 or more")
    assert "Traceback" not in ran.err


def test_no_app(run_here, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = run_here("worker")
    assert ran.code == USAGE
    assert "SQSJOBS_APP" in ran.err


def test_the_app_of_the_settings(run_here, shell, monkeypatch):
    monkeypatch.setenv("SQSJOBS_APP", shell.app)
    assert run_here("queues", "stats").code == OK


def test_debug_shows_the_traceback(run_here):
    with pytest.raises(ConfigurationError):
        run_here("worker", "nowhere:app", "--debug")


def test_version(run_here):
    assert run_here("--version").out.strip()


def test_the_module_is_the_command():
    ended = subprocess.run(
        [sys.executable, "-m", "sqsjobs", "job"], capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == USAGE


def test_exit_codes_tell_what_to_do():
    """Change something (2), wait (3), or look into it (1)."""
    assert exit_code(ConfigurationError("x")) == USAGE
    assert exit_code(UnknownTask("x")) == USAGE
    assert exit_code(UnknownJob("x")) == NOT_YET
    assert exit_code(ResultTimeout("x", "running", 1)) == NOT_YET
    assert exit_code(TransportUnavailable("x", operation="ReceiveMessage")) == FAILED
    assert exit_code(SqsJobsError("x")) == FAILED
