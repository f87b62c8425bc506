"""Texts that stand for secrets in the tests, and a plugin that looks for them in all that the suite prints and logs.

A secret that a test makes up begins with ``canary`` and a word in capitals, so that it is known wherever it comes up: as it is,
in base64, or in hexadecimal digits. Whatever pytest captures of a test, its fixtures and the processes that it starts is
searched, with the reasons of skipped tests, and a test that gave one away fails. (Warnings are errors here.) What a rig reads
itself, so that pytest does not see it, it hands to `no_secret_in`: the output of commands, and the lines of workers.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Generator, Iterator
from typing import Final

import pytest

__all__ = ["Watch", "canary", "canary_key", "found_in", "no_secret_in"]

_SHAPES: Final = re.compile(
    r"canary[A-Z]{2,}"
    r"|Y2FuYXJ5[Q-Z][\w+/-]{8}"  # base64 of "canary" and a capital
    r"|63616e617279[45][0-9a-f]{3}"  # the same in hexadecimal
)


def canary(what: str) -> str:
    """Return a text that stands for a secret; `what` it is in capitals."""
    return f"canary{what}{secrets.token_hex(8)}"


def canary_key(name: str) -> bytes:
    """Return the 32 bytes of a key, the same for the same name, for messages that are compared with others."""
    return f"canaryKEY{name}".encode().ljust(32, b"0")


def found_in(text: str) -> set[str]:
    """Return the beginnings of the secrets in a text."""
    return set(_SHAPES.findall(text))


def no_secret_in(text: str, where: str, *, shown: Collection[str] = ()) -> None:
    """Raise AssertionError, which quotes nothing, if a secret is in a text; `shown` are beginnings that were asked for."""
    if found_in(text) - {*shown}:
        raise AssertionError(f"a secret of a test is in {where}")


class Watch:
    """The plugin: fails each test whose output holds a secret. What it says holds none."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        places = sorted({place for place, text in _told(report) if found_in(text)})
        report.sections = [(title, text) for title, text in report.sections if not found_in(text)]
        if places:
            report.outcome = "failed"
            report.longrepr = f"a secret of a test is in its output: {', '.join(places)}"
        return report


def _told(report: pytest.TestReport) -> Iterator[tuple[str, str]]:
    """Yield what is captured of a phase of a test, and why it was skipped; a test that fails may show what it knows."""
    yield from (section for section in report.sections if section[0].endswith(f" {report.when}"))
    if report.skipped:
        yield "the reason for which it was skipped", report.longreprtext
