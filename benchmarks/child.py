"""A process that is measured: fresh, on a core of its own, by the operating system's accounting."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from benchmarks.house import ROOT
from benchmarks.machine import WORKER_CORE, cpu_seconds, on_core, peak_mebibytes, resident_mebibytes

__all__ = ["Child", "child"]

_STOP_WITHIN = 30.0


class Child:
    """A measured process.

    Attributes:
        total: CPU of its whole life, as `wait4` told at its end.
    """

    def __init__(self, process: subprocess.Popen[str], errors: IO[str]) -> None:
        self.pid = process.pid
        self.total = 0.0
        self._process = process
        self._errors = errors

    @property
    def cpu(self) -> float:
        """Seconds of CPU until now, with its threads and children."""
        return cpu_seconds(self.pid)

    @property
    def resident(self) -> float:
        return resident_mebibytes(self.pid)

    @property
    def peak(self) -> float:
        return peak_mebibytes(self.pid)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def line(self) -> str:
        """Return the next line that it prints.

        Raises:
            RuntimeError: if it has ended instead.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self.failure("ended without a word")
        return line.strip()

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def failure(self, what: str) -> RuntimeError:
        """Return an error that shows what the process has written on its standard error."""
        self._errors.flush()
        said = Path(self._errors.name).read_text()[-3000:]
        return RuntimeError(f"{' '.join(map(str, self._process.args))} {what}:\n{said}")

    def end(self) -> None:
        """Ask the process to stop, and wait for it; kill it where it does not."""
        if self.is_running:
            self._process.terminate()
            try:
                self._process.wait(_STOP_WITHIN)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()


@contextmanager
def child(command: Sequence[str], environment: Mapping[str, str], *, core: int = WORKER_CORE) -> Iterator[Child]:
    """Run a command until the block is left."""
    with tempfile.NamedTemporaryFile("w", suffix=".err") as errors:
        with on_core(core):
            process = subprocess.Popen(
                command,
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=ROOT,
            )
        started = Child(process, errors)
        try:
            yield started
        finally:
            started.end()
