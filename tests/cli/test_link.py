"""The link between supervisor and child."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import msgspec

from sqsjobs.cli.link import Link, answer_supervisor


class SlowProbe:
    """Answers its first question late."""

    def __init__(self) -> None:
        self.delay = 0.3

    def live(self) -> str:
        delay, self.delay = self.delay, 0.0
        time.sleep(delay)
        return "from the first question" if delay else "from a later one"

    def ready(self) -> str:
        return "line one\nline two"

    def metrics(self) -> str:
        return "x" * 1_000_000


async def pair(orphaned: threading.Event | None = None) -> Link:
    ours, theirs = socket.socketpair()
    answer_supervisor(theirs.detach(), SlowProbe(), (orphaned or threading.Event()).set)
    return await Link.over(ours)


async def test_questions_are_answered():
    link = await pair()
    assert await link.ask("ready", within=5) == "line one\nline two"
    assert await link.ask("metrics", within=5) == "x" * 1_000_000
    link.close()


async def test_an_answer_that_comes_too_late_is_not_taken_for_another():
    link = await pair()
    assert await link.ask("live", within=0.05) is None
    assert link.silence > 0
    assert await link.ask("live", within=5) == "from a later one"
    assert link.silence == 0
    link.close()


async def test_the_child_learns_that_the_supervisor_is_gone():
    orphaned = threading.Event()
    link = await pair(orphaned)
    link.close()
    assert await asyncio.to_thread(orphaned.wait, 5)


async def test_a_child_that_has_ended_answers_nothing():
    ours, theirs = socket.socketpair()
    link = await Link.over(ours)
    theirs.close()
    assert await link.ask("live", within=5) is None
    link.close()


async def test_a_child_is_not_believed_everything():
    """What is no answer is none."""
    ours, theirs = socket.socketpair()
    link = await Link.over(ours)
    theirs.sendall(msgspec.json.encode({"number": "one"}) + b"\n")
    assert await link.ask("live", within=5) is None
    theirs.close()
    link.close()
