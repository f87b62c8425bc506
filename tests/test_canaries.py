"""The watch over the suite's output: what it finds, and that it lets nothing else fail."""

from __future__ import annotations

import base64

import pytest
from tests.canaries import canary, canary_key, found_in, no_secret_in
from tests.rows import ROOT

pytest_plugins = ["pytester"]

TALKATIVE = """
import logging, os, subprocess, sys, pytest

SECRET = "canary" + "ARG0123"

@pytest.fixture
def careless():
    yield
    print(SECRET)

def test_printed(): print("so", SECRET)
def test_on_stderr(): sys.stderr.write(SECRET)
def test_logged(): logging.getLogger("x").warning("it is %s", SECRET)
def test_by_a_process(): subprocess.run([sys.executable, "-c", "print('canary' + 'ARG0123')"], check=True)
def test_past_python(): os.write(1, SECRET.encode())
def test_skipped(): pytest.skip(SECRET)
def test_torn_down(careless): pass
def test_that_says_nothing(): print("canary, a bird; canaries")
"""


def test_whatever_gives_a_secret_away_fails(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """S13, I16: printed, logged, or said by a process, in a test or its fixtures; and the report does not repeat it."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeconftest(
        "from tests.canaries import Watch\ndef pytest_configure(config): config.pluginmanager.register(Watch())"
    )
    pytester.makepyfile(TALKATIVE)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", timeout=60)
    # The fixture's test has passed before its teardown fails.
    result.assert_outcomes(passed=2, failed=6, errors=1)
    assert "canaryARG" not in result.stdout.str()
    result.stdout.fnmatch_lines(["*a secret of a test is in its output: Captured stdout call*"])


@pytest.mark.parametrize(
    "text",
    [
        canary("ARG"),
        repr(canary_key("NEW")),
        base64.b64encode(canary_key("NEW")).decode(),
        base64.urlsafe_b64encode(canary("RESULT").encode()).decode().rstrip("="),
        canary_key("NEW").hex(),
    ],
    ids=["plain", "shown", "base64", "base64url", "hex"],
)
def test_a_secret_is_known_in_every_form(text: str) -> None:
    assert found_in(f"see: {text}.")


def test_what_a_rig_reads_itself_is_searched_and_not_quoted() -> None:
    """S13: the output of commands, and the lines of workers, of which pytest captures nothing."""
    secret = canary("ARG")
    with pytest.raises(AssertionError) as caught:
        no_secret_in(f"it is {secret}", "the lines of a worker", shown=["canaryKEY"])
    assert str(caught.value) == "a secret of a test is in the lines of a worker"
    no_secret_in(f"it is {secret}", "what was asked for", shown=["canaryARG"])
    no_secret_in("", "nothing")


@pytest.mark.parametrize("text", ["", "canary", "a canary of CAPITALS", "test_no_canary_is_seen", "Y2FuYXJ5"])
def test_other_birds_are_none(text: str) -> None:
    assert not found_in(text)
