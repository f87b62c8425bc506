"""The pages about the command line and observability tell of everything there is."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from sqsjobs.cli.commands import _COMMANDS
from sqsjobs.cli.options import Backends, Logs
from sqsjobs.cli.worker import Platform, Work
from sqsjobs.observability.metrics import MetricsObserver

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("words", [words for words, _, _ in _COMMANDS])
def test_every_command_has_its_place(words):
    page = (DOCS / "cli.md").read_text()
    assert all(word in page for word in words.split())


@pytest.mark.parametrize("options", [Work, Platform, Backends, Logs])
def test_every_option_of_the_worker_is_told_of(options):
    page = (DOCS / "cli.md").read_text()
    for field in dataclasses.fields(options):
        assert f"--{field.name.replace('_', '-')}`" in page


def test_every_metric_is_told_of():
    registry = CollectorRegistry()
    MetricsObserver(set(), set(), registry)
    page = (DOCS / "observability.md").read_text()
    for family in registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert f"`{name}`" in page
