"""Real servers for the tests of the stores: started when first asked for, on loopback, ended with the test run.

A machine that has no such server skips what needs it, and says which one: Debian's packages are ``redis-server``
and ``postgresql``.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

START = 60.0
"""Seconds for which a server may say nothing of being ready."""


@cache
def redis_url() -> str:
    """Start a Redis server, once, and return its URL; it keeps nothing on the disk."""
    program = shutil.which("redis-server") or shutil.which("valkey-server") or _absent("redis-server")
    port, directory = _free_port(), _directory(os.getuid())
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(directory)]
    _start([program, *options], directory, os.getuid(), signal.SIGTERM, ready="Ready to accept connections")
    return f"redis://127.0.0.1:{port}/0"


@cache
def postgres_url() -> str:
    """Start a PostgreSQL server with an empty database, once, and return its URL; it takes some three seconds."""
    initdb, postgres = _postgres_program("initdb"), _postgres_program("postgres")
    user = _unprivileged()
    port, directory = _free_port(), _directory(user)
    files = directory / "database"
    creating = [initdb, "-D", str(files), "-U", "sqsjobs", "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    subprocess.run(creating, check=True, capture_output=True, user=user, cwd=directory, timeout=START)
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "fsync": "off",
        "max_connections": 200,
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    ready = "database system is ready to accept connections"
    _start([postgres, "-D", files, *options], directory, user, signal.SIGINT, ready=ready)
    return f"postgresql://sqsjobs@127.0.0.1:{port}/postgres"


_ONE_REQUEST_AT_A_TIME = """
from moto import server
run = server.run_simple
server.run_simple = lambda *args, **options: run(*args, **{**options, "threaded": False})
server.main()
"""
"""Moto's server, whose transactions are none where another request comes in between: it puts the table back as it was."""


@cache
def moto_url() -> str:
    """Start moto's server in a process of its own, once, and return its URL: DynamoDB and S3."""
    port, directory = _free_port(), _directory(os.getuid())
    command = [sys.executable, "-c", _ONE_REQUEST_AT_A_TIME, "-H", "127.0.0.1", "-p", str(port)]
    _start(command, directory, os.getuid(), signal.SIGTERM, ready="Running on")
    return f"http://127.0.0.1:{port}"


def _postgres_program(name: str) -> str:
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return shutil.which(name) or (str(installed[-1]) if installed else _absent("postgresql"))


def _absent(package: str) -> str:
    pytest.skip(f"no {package} on this machine: its job store is not tested here")


def _unprivileged() -> int:
    """PostgreSQL refuses to run as root."""
    if os.getuid():
        return os.getuid()
    names = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def _directory(user: int) -> Path:
    directory = Path(tempfile.mkdtemp(prefix="sqsjobs-server-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    os.chown(directory, user, -1)
    return directory


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(command: Sequence[object], directory: Path, user: int, ending: int, *, ready: str) -> None:
    server = subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        user=user,
        cwd=directory,
        text=True,
    )
    atexit.register(_end, server, ending)
    assert server.stdout is not None
    too_late = threading.Timer(START, server.kill)
    too_late.start()
    said: deque[str] = deque(maxlen=20)
    for line in server.stdout:
        said.append(line)
        if ready in line:
            break
    else:
        raise RuntimeError(f"{command[0]} did not start:\n{''.join(said)}")
    too_late.cancel()
    # Who reads no more of what it says would have it wait, once the pipe is full.
    threading.Thread(target=deque, args=(server.stdout, 0), daemon=True).start()


def _end(server: subprocess.Popen[str], ending: int) -> None:
    server.send_signal(ending)
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
