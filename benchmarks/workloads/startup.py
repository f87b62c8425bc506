"""What an import costs, over the bare interpreter."""

from __future__ import annotations

import os
import subprocess

from benchmarks.contestants import BARE, CELERY, DRAMATIQ, SQSJOBS, TASKIQ, Contestant
from benchmarks.house import ROOT
from benchmarks.machine import WORKER_CORE, on_core
from benchmarks.workloads.workload import Bench, Figure, Figures, Workload

__all__ = ["IMPORT"]

IMPORTS = {
    "sqsjobs": "import sqsjobs",
    "bare": "import aioboto3",
    "taskiq": "import taskiq_aio_sqs",
    "celery": "import celery.app.task, kombu.transport.SQS",
    "dramatiq": "import dramatiq_sqs",
}
"""What a producer imports."""
_TELL = "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
"""Not the `ru_maxrss` of `wait4`, which has what this program held at the fork."""


def measure(_: Bench, contestant: Contestant) -> Figures:
    """Run an interpreter that imports, and one that does not."""
    nothing, imported = (_cost(contestant.python, program) for program in ("pass", IMPORTS[contestant.name]))
    return {"cpu": imported[0] - nothing[0], "memory": imported[1] - nothing[1]}


def _cost(python: str, program: str) -> tuple[float, float]:
    """Return the CPU in seconds of a whole process, as `wait4` tells it, and the most memory in MiB, as it tells."""
    with on_core(WORKER_CORE):
        process = subprocess.Popen([python, "-c", f"{program}; {_TELL}"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as said:
        memory = said.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{python} -c {program!r} ended with {process.returncode}")
    return used.ru_utime + used.ru_stime, int(memory) / 1024


IMPORT = Workload(
    "import",
    "Import in a producer",
    "What the import costs over a bare interpreter; bytecode is there from a run before.",
    (Figure("cpu", "s of CPU", 3), Figure("memory", "MiB")),
    measure,
    contestants=(SQSJOBS, BARE, TASKIQ, CELERY, DRAMATIQ),
)
