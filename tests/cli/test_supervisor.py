"""The supervisor and its children: replaced, stopped, spoken for. Children are small scripts on the real link."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from sqsjobs.cli.exits import FORCED, OK, USAGE
from sqsjobs.cli.supervisor import EndWith, FleetProbe, Replace, Supervisor, next_step

CHILD = """
import os, signal, sys, threading, time
from sqsjobs.cli.link import answer_supervisor

class Probe:
    def live(self): return {live!r}
    def ready(self): return {ready!r}
    def metrics(self): return "# TYPE sqsjobs_slots gauge\\nsqsjobs_slots 5\\n"

stops = []
def stop(*_):
    stops.append(1)
    if len(stops) == {signals}: ended.set()

ended = threading.Event()
signal.signal(signal.SIGTERM, stop)
answer_supervisor(int(sys.argv[sys.argv.index("--supervised") + 1]), Probe(), lambda: os._exit(77))
{body}
while not ended.wait(0.02): pass
"""


def child(body: str = "", *, live: str = "", ready: str = "", signals: int = 1) -> list[str]:
    return [sys.executable, "-c", CHILD.format(body=body, live=live, ready=ready, signals=signals)]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


def pids(supervisor: Supervisor) -> list[int]:
    return [place.child.process.pid for place in supervisor._places if place.child is not None]


async def started(supervisor: Supervisor) -> asyncio.Task[int]:
    """Run it until every child answers."""
    running = asyncio.create_task(supervisor.run())
    async with asyncio.timeout(20):
        while not all(it.running and it.text is not None for it in await supervisor.ask("live")):
            await asyncio.sleep(0.02)
    return running


# The decision -------------------------------------------------------------------------------------


def test_a_misconfigured_child_ends_them_all():
    assert next_step(USAGE, lived=1, deaths=0, burst=False, stopping=False) == EndWith(USAGE, everywhere=True)


def test_a_burst_ends_with_its_children():
    assert next_step(OK, lived=1, deaths=0, burst=True, stopping=False) == EndWith(OK)
    assert isinstance(next_step(-9, lived=1, deaths=0, burst=True, stopping=False), Replace)


def test_a_stop_ends_with_the_codes_of_the_children():
    assert next_step(OK, lived=1, deaths=0, burst=False, stopping=True) == EndWith(OK)
    assert next_step(FORCED, lived=1, deaths=0, burst=False, stopping=True) == EndWith(FORCED)
    assert next_step(-signal.SIGTERM, lived=0.1, deaths=0, burst=False, stopping=True) == EndWith(OK)
    assert next_step(-signal.SIGKILL, lived=99, deaths=0, burst=False, stopping=True) == EndWith(FORCED)


@given(code=st.integers(-31, 255).filter(lambda code: code != USAGE), deaths=st.integers(0, 10_000))
def test_nobody_is_given_up(code: int, deaths: int):
    """A child that dies young again and again is replaced more and more slowly, at last every 30 s."""
    young = next_step(code, lived=0.1, deaths=deaths, burst=False, stopping=False)
    assert isinstance(young, Replace)
    assert young.deaths == deaths + 1
    assert 0.5 <= young.pause <= 30
    old = next_step(code, lived=3600, deaths=deaths, burst=False, stopping=False)
    assert old == Replace(0.5, 1)


# Real children ------------------------------------------------------------------------------------


async def test_a_dead_child_is_replaced():
    supervisor = Supervisor(child(), 2)
    running = await started(supervisor)
    victim, other = pids(supervisor)
    os.kill(victim, signal.SIGKILL)
    await until(lambda: len(pids(supervisor)) == 2 and victim not in pids(supervisor))
    assert other in pids(supervisor)
    supervisor.stop("the test is over")
    assert await running == OK


async def test_sigterm_is_passed_on_and_a_second_one_too():
    """A child that wants two signals gets both; the supervisor's own end waits for it."""
    supervisor = Supervisor(child(signals=2), 2)
    running = await started(supervisor)
    signal.raise_signal(signal.SIGTERM)
    await until(lambda: "stopping" in repr(supervisor))
    await asyncio.sleep(0.2)
    assert len(pids(supervisor)) == 2
    signal.raise_signal(signal.SIGTERM)
    assert await running == OK


async def test_a_child_that_does_not_end_is_killed():
    supervisor = Supervisor(child(signals=99), 1, kill_after=0.3)
    running = await started(supervisor)
    supervisor.stop("the test is over")
    assert await running == FORCED


async def test_a_burst_ends_when_all_children_have_ended_well():
    assert await Supervisor(child("sys.exit(0)"), 2, burst=True).run() == OK


async def test_a_configuration_error_ends_everything(tmp_path):
    """The other child, which works, is stopped, and nobody is started again."""
    one_is_wrong = f"""
try: os.close(os.open({str(tmp_path / "taken")!r}, os.O_CREAT | os.O_EXCL))
except FileExistsError: sys.exit(2)
"""
    supervisor = Supervisor(child(one_is_wrong), 2)
    assert await supervisor.run() == USAGE


async def test_children_end_when_the_supervisor_is_gone():
    """The link breaks with the supervisor, however it died."""
    supervisor = Supervisor(child(), 1)
    running = await started(supervisor)
    (place,) = supervisor._places
    assert place.child is not None
    process = place.child.process
    place.child.link.close()  # as the kernel closes it for a supervisor that is killed
    assert await process.wait() == 77
    supervisor.stop("the test is over")
    await running


async def test_the_supervisor_speaks_for_its_children():
    """/livez and /readyz name the process; /metrics has each under its label."""
    supervisor = Supervisor(child(ready="SQS is away"), 2, health=(0, "127.0.0.1"))
    running = await started(supervisor)
    probe = FleetProbe(supervisor, asyncio.get_running_loop())
    assert await asyncio.to_thread(probe.live) == ""
    assert await asyncio.to_thread(probe.ready) == "process 0: SQS is away; process 1: SQS is away"
    text = await asyncio.to_thread(probe.metrics)
    assert 'sqsjobs_slots{process="0"} 5.0' in text
    assert 'sqsjobs_slots{process="1"} 5.0' in text
    assert 'sqsjobs_process_restarts_total{process="1"} 0.0' in text
    supervisor.stop("the test is over")
    await running


async def test_a_child_that_is_not_live_makes_the_fleet_not_live():
    supervisor = Supervisor(child(live="no poll has ended for 99 s"), 1)
    running = await started(supervisor)
    probe = FleetProbe(supervisor, asyncio.get_running_loop())
    assert await asyncio.to_thread(probe.live) == "process 0: no poll has ended for 99 s"
    supervisor.stop("the test is over")
    await running


async def test_a_child_that_says_nothing_is_live_for_a_while():
    """It is starting, or native code holds it up: not ready, but nobody is to kill it."""
    supervisor = Supervisor([sys.executable, "-c", "import time; time.sleep(60)"], 1)
    running = asyncio.create_task(supervisor.run())
    await until(lambda: len(pids(supervisor)) == 1)
    probe = FleetProbe(supervisor, asyncio.get_running_loop())
    assert await asyncio.to_thread(probe.live) == ""
    assert await asyncio.to_thread(probe.ready) == "process 0: does not answer"
    supervisor.stop("the test is over")
    await running
