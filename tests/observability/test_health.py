"""`/livez`, `/readyz`, `/metrics` over HTTP."""

from __future__ import annotations

import threading
import time
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from sqsjobs.errors import ConfigurationError
from sqsjobs.observability.health import HealthServer


class FixedProbe:
    def __init__(self, live: str = "", ready: str = "") -> None:
        self._live, self._ready = live, ready

    def live(self) -> str:
        return self._live

    def ready(self) -> str:
        return self._ready

    def metrics(self) -> str:
        return "sqsjobs_slots 100\n"


def ask(server: HealthServer, path: str) -> tuple[int, str]:
    try:
        with urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def test_a_healthy_process():
    with HealthServer(FixedProbe(), 0, "127.0.0.1") as server:
        assert ask(server, "/livez") == (200, "ok\n")
        assert ask(server, "/readyz?verbose") == (200, "ok\n")
        assert ask(server, "/metrics") == (200, "sqsjobs_slots 100\n")
        assert ask(server, "/")[0] == 404


def test_a_problem_is_said():
    """503 with the reason, separately for live and ready."""
    with HealthServer(FixedProbe(live="no poll has ended for 90 s", ready="SQS is away"), 0, "127.0.0.1") as server:
        assert ask(server, "/livez") == (503, "no poll has ended for 90 s\n")
        assert ask(server, "/readyz") == (503, "SQS is away\n")


async def test_answers_while_the_event_loop_is_blocked():
    """The platform must hear from a worker whose job blocks the loop: the question is answered by a thread."""
    with HealthServer(FixedProbe(), 0, "127.0.0.1") as server:
        answers: list[tuple[float, int]] = []
        asking = threading.Thread(target=lambda: answers.append((time.monotonic(), ask(server, "/livez")[0])))
        asking.start()
        time.sleep(1.0)  # blocks this loop
        ended = time.monotonic()
        asking.join()
    ((answered, status),) = answers
    assert status == 200
    assert answered < ended


def test_a_port_that_is_taken():
    with HealthServer(FixedProbe(), 0, "127.0.0.1") as first, pytest.raises(ConfigurationError, match="--metrics-port"):
        HealthServer(FixedProbe(), first.port, "127.0.0.1").__enter__()
