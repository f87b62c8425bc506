"""``sqsjobs worker`` and ``sqsjobs dev`` as processes: signals, exit codes, health, several processes, reloading."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
from tests.cli.conftest import Shell

from sqsjobs.cli.exits import FAILED, FORCED, OK, USAGE
from sqsjobs.transport.model import Phase


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(shell: Shell, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command until the test is over; what still runs then is killed."""
    with shell.start(*words) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < give_up, "it did not come to that"
        time.sleep(0.05)


def ask(port: int, path: str) -> tuple[int, str]:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()
    except URLError:
        return 0, ""


def is_ready(port: int) -> bool:
    return ask(port, "/readyz")[0] == 200


def test_a_worker_lives_is_ready_and_stops_cleanly(shell, port):
    """SIGTERM: exit code 0; its log is JSON, since its standard error is no terminal."""
    options = ("--metrics-port", str(port), "--metrics-host", "127.0.0.1", "--wait", "1")
    with running(shell, "worker", shell.app, *options) as worker:
        until(lambda: is_ready(port))
        assert ask(port, "/livez") == (200, "ok\n")
        assert "sqsjobs_worker_ready" in ask(port, "/metrics")[1]
        worker.send_signal(signal.SIGTERM)
        _, logged = worker.communicate(timeout=30)
    assert worker.returncode == OK
    events = [json.loads(line)["event"] for line in logged.splitlines()]
    assert "worker started" in events
    assert events[-2:] == ["worker stopping", "worker stopped"]


def test_work_left_running_shows_in_the_exit_code(shell, run_here, server):
    """R9: a thread that nobody can stop holds up neither the end of the process nor the message."""
    run_here("enqueue", shell.app, "stuck", "seconds=60")
    with running(shell, "worker", shell.app, "--grace", "0.5", "--wait", "1") as worker:
        until((shell.folder / "started").exists)
        worker.send_signal(signal.SIGINT)
        worker.communicate(timeout=20)
    assert worker.returncode == FORCED
    until(lambda: server.sqs.peek("images")[0].phase is Phase.VISIBLE)


def test_a_second_signal_stops_at_once(shell, run_here):
    """R8: whatever grace is left."""
    run_here("enqueue", shell.app, "sleep", "seconds=60")
    with running(shell, "worker", shell.app, "--grace", "60", "--wait", "1") as worker:
        until((shell.folder / "started").exists)
        worker.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=20)
    assert worker.returncode in (OK, FORCED)


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_missing_queue_ends_the_worker_at_once(shell, server, processes):
    """Trying again would not help, so nobody is replaced: exit code 2, one message."""
    server.reset()
    with running(shell, "worker", shell.app, "--processes", processes) as worker:
        _, said = worker.communicate(timeout=40)
    assert worker.returncode == USAGE
    assert "Error: " in said
    assert "Traceback" not in said


def test_several_processes_answer_as_one(shell, run_here, port):
    """Jobs run in both; the metrics of each are labelled; SIGTERM ends them all."""
    options = ("--metrics-port", str(port), "--metrics-host", "127.0.0.1", "--wait", "1")
    with running(shell, "worker", shell.app, "--processes", "2", *options) as worker:
        until(lambda: is_ready(port))
        run_here("enqueue", shell.app, "resize", "key=a", "--wait", "--timeout", "20")
        metrics = ask(port, "/metrics")[1]
        assert all(f'sqsjobs_slots{{process="{process}"}} 100.0' in metrics for process in "01")
        assert 'sqsjobs_jobs_ended_total{outcome="succeeded"' in metrics
        children = children_of(worker.pid)
        assert len(children) == 2
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=30)
    assert worker.returncode == OK
    assert not any(map(is_running, children))


def test_a_killed_supervisor_takes_its_children_along(shell, port):
    """No orphan goes on working: children stop by themselves when the link breaks."""
    options = ("--metrics-port", str(port), "--metrics-host", "127.0.0.1", "--wait", "1")
    with running(shell, "worker", shell.app, "--processes", "2", *options) as worker:
        until(lambda: is_ready(port))
        children = children_of(worker.pid)
        worker.kill()
        until(lambda: not any(map(is_running, children)))


def test_several_processes_end_a_burst(shell, run_here):
    job_id = run_here("enqueue", shell.app, "resize", "key=a").out.strip()
    with running(shell, "worker", shell.app, "--processes", "2", "--burst", "--wait", "1") as worker:
        worker.communicate(timeout=40)
    assert worker.returncode == OK
    assert run_here("job", job_id, "--json").json["status"] == "succeeded"


def test_a_port_that_is_taken(shell):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with running(shell, "worker", shell.app, "--metrics-port", str(port), "--metrics-host", "127.0.0.1") as worker:
            _, said = worker.communicate(timeout=30)
    assert worker.returncode == USAGE
    assert "--metrics-port" in said


def test_dev_makes_everything_and_follows_the_code(shell, run_here, port, monkeypatch):
    """Its own server, store and queues; a change of the code is in the next job; Ctrl-C ends it all."""
    store = f"sqlite:///{shell.folder}/dev.db"
    with running(shell, "dev", shell.app, "--port", str(port), "--store", store) as dev:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("SQSJOBS_STORE", store)

        def result() -> str:
            return str(
                run_here("enqueue", shell.app, "resize", "key=a", "width=5", "--wait", "--timeout", "20").out.strip()
            )

        until(lambda: result() == "10")
        code = shell.folder / f"{shell.module}.py"
        code.write_text(code.read_text().replace("width * 2", "width * 3"))
        until(lambda: result() == "15")
        dev.send_signal(signal.SIGINT)
        dev.communicate(timeout=20)
    assert dev.returncode == OK


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


TALKATIVE = """
import logging
import structlog
from contextlib import asynccontextmanager
from sqsjobs import App

@asynccontextmanager
async def lifespan():
    if {fails}:
        raise OSError("the database is away")
    yield

app = App("talkative", lifespan=lifespan)


@app.task(queue="images", executor="process")
def talk() -> None:
    structlog.get_logger().info("of structlog", mine=1)
    logging.getLogger("mine").warning("of logging")
"""


def test_children_write_log_lines_as_their_worker_does(shell, run_here):
    """In the same format, and with the job that they belong to, whichever library the job logs with."""
    (shell.folder / f"{shell.module}.py").write_text(TALKATIVE.format(fails=False))
    job_id = run_here("enqueue", shell.app, "talk").out.strip()
    lines = [json.loads(line) for line in shell.burst().splitlines()]
    own = {line["event"]: line for line in lines if line["event"] in ("of structlog", "of logging")}
    assert own.keys() == {"of structlog", "of logging"}
    assert {(line["job_id"], line["task"], line["attempt"]) for line in own.values()} == {(job_id, "talk", 1)}


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_lifespan_that_fails_is_one_message(shell, processes):
    """Not a traceback; it is no wrong usage, so that a supervisor tries again: the database may come back."""
    (shell.folder / f"{shell.module}.py").write_text(TALKATIVE.format(fails=True))
    with running(shell, "worker", shell.app, "--wait", "1", "--processes", processes) as worker:
        assert worker.stderr is not None
        said = ""
        while "is replaced" not in said and (line := worker.stderr.readline()):
            said += line
        if processes == "1":
            assert worker.wait(timeout=40) == FAILED
    assert "Error: the app's lifespan failed, so no job was taken: OSError: the database is away" in said
    assert "Traceback" not in said
