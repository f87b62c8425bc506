"""What calls on the model cost: the same with a hundred thousand messages waiting as with ten.

Steps are counted, not time: every call of a function, of Python's or of C's, is one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import pytest
from tests.transport.model_world import World

BACKLOG = 100_000


@contextmanager
def counting() -> Iterator[Callable[[], int]]:
    """Count the calls of functions."""
    steps = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal steps
        steps += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield lambda: steps
    finally:
        sys.setprofile(before)


def cycle(world: World, queue: str) -> int:
    """Return the steps of sending, receiving, hiding, releasing and deleting messages, and of reading the counts."""
    with counting() as steps:
        for n in range(20):
            world.send_in_group(queue, f"cycle-{n}", group=f"group-{n}") if "fifo" in queue else world.send(queue, "x")
            first, *others = world.receive(queue, limit=3, visibility=60)
            world.model.leases.change_visibility(queue, first.handle, 120)
            world.model.leases.delete(queue, first.handle)
            for other in others:
                world.model.leases.change_visibility(queue, other.handle, 0)
            world.counts(queue)
            world.elapse(0.001)
        return steps()


def fill(world: World, queue: str, count: int, *, groups: int = 50, **options: object) -> None:
    for n in range(count):
        if "fifo" in queue:
            world.send_in_group(queue, str(n), group=f"g{n % groups}")
        else:
            world.send(queue, str(n), **options)


@pytest.mark.parametrize("queue", ["jobs", "jobs.fifo"])
def test_a_backlog_costs_nothing(queue: str) -> None:
    steps = []
    for backlog in (10, BACKLOG):
        world = World()
        world.create(queue)
        fill(world, queue, backlog)
        steps.append(cycle(world, queue))
    assert steps[1] <= steps[0] * 1.1


def test_a_single_huge_group_costs_nothing() -> None:
    steps = []
    for backlog in (10, BACKLOG):
        world = World()
        world.create("jobs.fifo")
        fill(world, "jobs.fifo", backlog, groups=1)
        steps.append(cycle(world, "jobs.fifo"))
    assert steps[1] <= steps[0] * 1.1


@pytest.mark.parametrize("hidden", ["delayed", "in flight"])
def test_hidden_messages_cost_nothing(hidden: str) -> None:
    steps = []
    for backlog in (10, 20_000):
        world = World()
        world.create("jobs")
        fill(world, "jobs", backlog, delay=900 if hidden == "delayed" else 0)
        while world.receive("jobs", visibility=10_000):
            pass
        fill(world, "jobs", 10)
        steps.append(cycle(world, "jobs"))
    assert steps[1] <= steps[0] * 1.1


def test_heartbeats_leave_nothing_behind() -> None:
    """A message whose visibility is extended ten thousand times does not fill the agenda with its past."""
    world = World()
    world.create("jobs")
    world.send("jobs", "a")
    handle = world.receive("jobs", visibility=600)[0].handle
    for _ in range(10_000):
        world.elapse(0.1)
        world.model.leases.change_visibility("jobs", handle, 600)
    queue = world.model.account.queue("jobs")
    assert len(queue._changes) < 200


def test_processed_messages_leave_nothing_behind() -> None:
    """Ten thousand messages go past one that stays."""
    world = World()
    world.create("jobs")
    world.send("jobs", "stays")
    world.receive("jobs", visibility=40_000)
    for _ in range(10_000):
        world.send("jobs", "passes")
        world.model.leases.delete("jobs", world.receive("jobs")[0].handle)
    queue = world.model.account.queue("jobs")
    assert len(queue.messages) == 1
    assert len(queue._changes) < 200
    assert len(queue._ages) < 200
