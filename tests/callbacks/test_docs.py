"""What docs/callbacks.md shows to receivers works, and every option has its line."""

from __future__ import annotations

import dataclasses
import re
import time
from pathlib import Path
from typing import Any

import pytest
from tests.callbacks.receiver import KEY

from sqsjobs import Callbacks, Webhook

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "callbacks.md").read_text()


@pytest.fixture
def verified():
    """The function that the page shows to receivers without sqsjobs."""
    (code,) = re.findall(r"```python\n(import base64.*?)```", PAGE, re.DOTALL)
    namespace: dict[str, Any] = {}
    exec(code, namespace)
    return namespace["verified"]


def test_the_few_lines_for_receivers_verify(verified):
    headers = dict(Webhook(["whsec_" + "QQ" * 16, KEY]).headers("msg_1", int(time.time()), b"{}"))
    assert verified(KEY, headers, b"{}")
    assert not verified(KEY, headers, b"[]")
    assert not verified("whsec_" + "Qg" * 16, headers, b"{}")
    old = dict(Webhook(KEY).headers("msg_1", int(time.time()) - 301, b"{}"))
    assert not verified(KEY, old, b"{}")


def test_every_option_has_its_line():
    for option in dataclasses.fields(Callbacks):
        if option.init and option.name not in {"resolve", "deliver"}:  # which are for tests
            assert f"| `{option.name}` |" in PAGE
