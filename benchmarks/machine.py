"""The machine: which core does what, what a process has used, and what is installed."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = [
    "SERVER_CORE",
    "WORKER_CORE",
    "cpu_seconds",
    "describe",
    "family",
    "on_core",
    "peak_mebibytes",
    "resident_mebibytes",
    "stolen",
]

_USABLE = sorted(os.sched_getaffinity(0))
WORKER_CORE = _USABLE[-1]
"""Where the process runs that is measured, and nothing else of ours."""
SERVER_CORE = _USABLE[0]
"""Where the server runs, and this program."""
HAS_THIRD_CORE = len(_USABLE) > 2
"""Whether a second worker has a core of its own."""
OTHER_CORE = _USABLE[1] if HAS_THIRD_CORE else SERVER_CORE
"""Where a second worker runs."""


@contextmanager
def on_core(*cores: int) -> Iterator[None]:
    """Let processes that are started here run on one core alone, or on several."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_seconds(pid: int) -> float:
    """Return the CPU that a process has used with all its threads, and its children, by the kernel's own clocks.

    It is the clock of `clock_getcpuclockid(3)`, in nanoseconds, of which `getrusage` and `wait4` tell microseconds;
    its number is made of the pid as in the kernel's posix-timers.h, as Python has no name for it.
    """
    total = 0.0
    for one in family(pid):
        with suppress(OSError):  # it has ended
            total += time.clock_gettime(((~one) << 3) | 2)
    return total


def family(pid: int) -> list[int]:
    """Return a process and its descendants."""
    found = [pid]
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += family(int(child))
    return found


def resident_mebibytes(pid: int) -> float:
    """Return the memory that a process and its descendants hold now (RSS; shared pages count for each)."""
    return sum(_status(one, "VmRSS") for one in family(pid))


def peak_mebibytes(pid: int) -> float:
    """Return the most memory that they have held."""
    return sum(_status(one, "VmHWM") for one in family(pid))


def _status(pid: int, name: str) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) / 1024
    return 0.0


def stolen() -> float:
    """Return for how many seconds, of all cores together, another guest of the host ran where this machine wanted to."""
    return int(Path("/proc/stat").read_text().split(maxsplit=9)[8]) / os.sysconf("SC_CLK_TCK")


def describe() -> str:
    """Return a line about the machine, and what else it does: its load average now."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{len(_USABLE)} cores of {model.strip()}, {memory:.0f} GiB, load {os.getloadavg()[0]:.1f}, {system}"
