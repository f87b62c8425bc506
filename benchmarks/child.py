"""A process that is measured: fresh, on a core of its own, by the operating system's accounting."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from benchmarks.house import ROOT
from benchmarks.machine import WORKER_CORE, cpu_seconds, on_core, peak_mebibytes, resident_mebibytes

__all__ = ["Child", "child"]


class Child:
    """A measured process."""

    def __init__(self, name: str, process: subprocess.Popen[str], errors: IO[str]) -> None:
        self._name = name
        self.pid = process.pid
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

    def ended(self) -> None:
        """Return when it has ended by itself."""
        self._process.wait(30)

    def failure(self, what: str) -> RuntimeError:
        """Return an error that shows what the process has written on its standard error."""
        self._errors.flush()
        said = Path(self._errors.name).read_text()[-3000:]
        return RuntimeError(f"{self._name} {what}:\n{said}")

    def end(self) -> None:
        """End the process with all its children, at once: what was measured is measured."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


@contextmanager
def child(
    command: Sequence[str], environment: Mapping[str, str], *, cores: Sequence[int] = (WORKER_CORE,)
) -> Iterator[Child]:
    """Run a command until the block is left."""
    with tempfile.NamedTemporaryFile("w", suffix=".err") as errors:
        with on_core(*cores):
            process = subprocess.Popen(
                command,
                env={
                    **os.environ,
                    "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}",
                    "PYTHONUNBUFFERED": "1",
                    **environment,
                },
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=ROOT,
                start_new_session=True,  # a group of its own, to be ended together
            )
        started = Child(" ".join(command), process, errors)
        try:
            yield started
        finally:
            started.end()
