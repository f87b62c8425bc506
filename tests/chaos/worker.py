"""Worker processes: what is done to them, and what is left of them."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.pen import Pen

__all__ = ["ROOT", "Worker", "command_of", "processes_with", "start_worker"]

ROOT = Path(__file__).parents[2]
APP = "tests.chaos.app:app"
USUAL = {"--visibility": "2", "--wait": "1", "--concurrency": "10", "--log-level": "warning"}
"""Options that a worker has unless others are given: leases of 2 s and polls of 1 s."""


@dataclass(eq=False)
class Worker:
    """A worker process, or a supervisor of several."""

    process: asyncio.subprocess.Process
    pen: Pen
    _signals: int = 0
    _since: float = 0.0

    @property
    def pid(self) -> int:
        return self.process.pid

    async def listens(self, within: float) -> None:
        """Wait until SIGTERM does not simply end it any more: while it imports, it has nothing to stop."""
        async with asyncio.timeout(within):
            while self.process.returncode is None and not _catches(self.pid, signal.SIGTERM):
                await asyncio.sleep(0.01)

    def stop(self) -> None:
        """Ask it to stop; asked twice, at once."""
        self._signals += 1
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)

    async def kill(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.ended(within=10)

    async def ended(self, within: float) -> int:
        """Wait for its end, write it down, and return its exit code."""
        async with asyncio.timeout(within):
            code = await self.process.wait()
        self.pen.write("death", pid=self.pid, code=code, hard=code < 0 or self._signals > 1)
        return code

    def suspend(self) -> None:
        self._since = time.monotonic()
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.pen.write("suspended", pid=self.pid, since=self._since)


async def start_worker(
    options: Sequence[str], environment: Mapping[str, str], log: Path, pen: Pen, *, memory: int | None = None
) -> Worker:
    """Start ``sqsjobs worker`` with these options and at most so many bytes of address space; write it down."""
    given = [part for name, value in USUAL.items() if name not in options for part in (name, value)]
    limit = ["prlimit", f"--as={memory}"] if memory else []
    command = [*limit, sys.executable, "-m", "sqsjobs", "worker", APP, *given, *options]
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output
        )
    pen.write("supervisor" if "--processes" in options else "worker", pid=process.pid)
    return Worker(process, pen)


def processes_with(variable: str) -> Iterator[int]:
    """Yield the processes that were started with an environment variable, given as ``NAME=value``."""
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and variable.encode() in _read(path / "environ").split(b"\0"):
            yield int(path.name)


def command_of(pid: int) -> str:
    """Return a process's command line, or nothing if it is gone."""
    return _read(Path(f"/proc/{pid}/cmdline")).replace(b"\0", b" ").decode(errors="replace").strip()


def _catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal; its status has a bit for each that is caught."""
    lines = _read(Path(f"/proc/{pid}/status")).splitlines()
    return any(int(line.split()[1], 16) >> (number - 1) & 1 for line in lines if line.startswith(b"SigCgt:"))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has gone meanwhile, or is somebody else's
        return b""
