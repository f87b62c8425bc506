"""`/livez`, `/readyz` and `/metrics` over HTTP, for the platform that runs the process.

Answered by a thread of its own, not by the event loop: a job that blocks the loop must not make the platform
kill a worker whose heartbeats go on. Whether such a worker is still live is the probe's decision.
"""

from __future__ import annotations

import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol, Self

from sqsjobs.errors import ConfigurationError

__all__ = ["HealthServer", "Probe"]

_METRICS_TYPE = "text/plain; version=1.0.0; charset=utf-8"


class Probe(Protocol):
    """What a process says about itself. Its methods are called from the server's threads."""

    def live(self) -> str:
        """Say what is wrong if the process should be killed and started anew, else nothing."""
        ...

    def ready(self) -> str:
        """Say what keeps the process from doing its work, else nothing."""
        ...

    def metrics(self) -> str:
        """Return the metrics in Prometheus's text format."""
        ...


class HealthServer:
    """Answers the platform's questions while it is entered.

    Args:
        probe: who knows the answers.
        port: the TCP port; 0 takes a free one.
        host: the address to listen on; all of IPv4 by default, since probes come from outside the container.

    Raises:
        ConfigurationError: on entering, if the port cannot be had.
    """

    def __init__(self, probe: Probe, port: int, host: str = "0.0.0.0") -> None:  # noqa: S104 - see above
        self._probe = probe
        self._address = (host, port)
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        try:
            self._server = _Server(self._address, self._probe)
        except OSError as problem:
            host, port = self._address
            raise ConfigurationError(
                f"cannot serve health and metrics on {host}:{port}: {problem.strerror}; choose another --metrics-port"
            ) from problem
        threading.Thread(target=self._server.serve_forever, name="sqsjobs-health", daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def __repr__(self) -> str:
        return f"<HealthServer on port {self.port}>"

    @property
    def port(self) -> int:
        """The port it listens on (the one that was asked for until it is entered)."""
        return self._server.server_address[1] if self._server else self._address[1]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client that keeps its connection must not hold up the end of the process
    request_queue_size = 32

    def __init__(self, address: tuple[str, int], probe: Probe) -> None:
        self.probe = probe
        super().__init__(address, _Request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that goes away in the middle is no concern of the worker's log."""


class _Request(BaseHTTPRequestHandler):
    server: _Server
    timeout = 5.0  # seconds a client may take to ask, so that idle connections hold no threads
    server_version = "sqsjobs"
    sys_version = ""

    def do_GET(self) -> None:
        probe = self.server.probe
        match self.path.partition("?")[0]:
            case "/livez":
                self._verdict(probe.live())
            case "/readyz":
                self._verdict(probe.ready())
            case "/metrics":
                self._answer(HTTPStatus.OK, probe.metrics(), _METRICS_TYPE)
            case _:
                self._answer(HTTPStatus.NOT_FOUND, "there is /livez, /readyz and /metrics\n")

    do_HEAD = do_GET  # noqa: N815 - the base class's name

    def _verdict(self, problem: str) -> None:
        if problem:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, f"{problem}\n")
        else:
            self._answer(HTTPStatus.OK, "ok\n")

    def _answer(self, status: HTTPStatus, text: str, media_type: str = "text/plain; charset=utf-8") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's word
        """Say nothing: probes come every few seconds."""
