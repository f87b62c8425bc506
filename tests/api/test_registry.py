"""The registry: names, clashes, queues."""

from __future__ import annotations

from typing import Any

import pytest

from sqsjobs import ConfigurationError, task
from sqsjobs.registry import Registry


@task(queue="b")
def one(): ...


@task(queue="a")
def two(): ...


@task(name="one")
def another_one(): ...


@task
def unresolved(part: Nowhere): ...  # type: ignore[name-defined]  # noqa: F821


def registry_of(*tasks: Any) -> Registry:
    registry = Registry()
    for each in tasks:
        registry.add(each)
    return registry


def test_tasks_are_found_by_their_exact_name():
    registry = registry_of(two, one)
    assert registry.get("one") is one
    assert registry.get("One") is None
    assert registry.names == ("one", "two")
    assert registry.queues() == ("a", "b")
    assert list(registry) == [two, one]
    assert len(registry) == 2


def test_a_task_or_its_copy_may_come_twice():
    registry = registry_of(one, one, one.using(queue="c"))
    assert list(registry) == [one]


def test_two_functions_of_one_name_clash_with_their_places():
    with pytest.raises(ConfigurationError, match=r"test_registry\.one and .*test_registry\.another_one.*name="):
        registry_of(one, another_one)


def test_resolve_finds_annotations_that_are_never_defined():
    with pytest.raises(ConfigurationError, match="'Nowhere'"):
        registry_of(unresolved).resolve()
