"""Who takes part, and how each is started: at its best for the work at hand, as its own documentation advises."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from benchmarks.child import Child, child
from benchmarks.house import ROOT
from benchmarks.machine import WORKER_CORE

__all__ = [
    "BARE",
    "CELERY",
    "CONTESTANTS",
    "DRAMATIQ",
    "LEAN_LOOP",
    "PLAIN",
    "SQSJOBS",
    "TASKIQ",
    "Contestant",
    "Setting",
]

OTHERS = str(ROOT / ".venv-bench" / "bin" / "python")
"""Python with the other contestants, which `make bench` installs."""
_INSTALLED = ROOT / ".venv-bench" / "own" / "bin" / "python"
OWN = str(_INSTALLED) if (ROOT / ".venv-bench" / ".own").exists() else sys.executable
"""Python with sqsjobs as its users install it, with uvloop; without `make bench`, the one that the tests have."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a contestant is to work on.

    Attributes:
        endpoint: URL of the server.
        queues: names; the worker takes jobs from all, the producer sends to the first.
        task: which of the tasks every contestant has: no_op, io, tell.
        concurrency: jobs at once.
        wait: seconds of a long poll.
        stamps: a file that `tell` jobs write to.
        processes: of one worker, where it can have several.
    """

    endpoint: str
    queues: tuple[str, ...]
    task: str = "no_op"
    concurrency: int = 100
    wait: int = 10
    stamps: str = ""
    processes: int = 1

    @property
    def environment(self) -> dict[str, str]:
        return {
            "BENCH_ENDPOINT": self.endpoint,
            "BENCH_QUEUES": ",".join(self.queues),
            "BENCH_TASK": self.task,
            "BENCH_CONCURRENCY": str(self.concurrency),
            "BENCH_WAIT": str(self.wait),
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": "us-east-1",
            **({"BENCH_STAMPS": self.stamps} if self.stamps else {}),
        }


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way of working off a queue.

    Attributes:
        name: what it is called in tables and on the command line.
        about: how it is set up, for the report.
        packages: whose versions are told.
        module: its module here, which is also its producer.
        worker: the command line of its worker, after Python.
        python: which Python.
        environment: of its worker and producer.
    """

    name: str
    about: str
    packages: tuple[str, ...]
    module: str
    worker: Callable[[Setting], Sequence[str]]
    python: str = OWN
    environment: Mapping[str, str] = field(default_factory=dict)

    def work(self, setting: Setting, *cores: int) -> AbstractContextManager[Child]:
        """Run a worker, in a fresh process."""
        command = [self.python, *self.worker(setting)]
        return child(command, {**setting.environment, **self.environment}, cores=cores or (WORKER_CORE,))

    def produce(self, setting: Setting, way: str, core: int = WORKER_CORE) -> AbstractContextManager[Child]:
        """Run a producer that enqueues in a `way`: "many" in the fastest, or a number of callers one by one."""
        command = [self.python, "-m", f"benchmarks.contestants.{self.module}", way]
        return child(command, {**setting.environment, **self.environment}, cores=(core,))

    @property
    def is_installed(self) -> bool:
        return Path(self.python).exists() and all(version != "-" for version in self.versions.values())

    @property
    def versions(self) -> dict[str, str]:
        return _versions(self.python, self.packages)


@cache
def _versions(python: str, packages: tuple[str, ...]) -> dict[str, str]:
    program = (
        "import sys, importlib.metadata as m\n"
        "for name in sys.argv[1:]:\n"
        "    try: print(name, m.version(name))\n"
        "    except m.PackageNotFoundError: print(name, '-')"
    )
    said = subprocess.run([python, "-c", program, *packages], capture_output=True, text=True, check=True).stdout
    return dict(line.split() for line in said.splitlines())


# How each worker is started -----------------------------------------------------------------------------------------


def _sqsjobs(setting: Setting) -> list[str]:
    options = ["--concurrency", str(setting.concurrency), "--wait", str(setting.wait), "--log-level", "warning"]
    options += ["--processes", str(setting.processes)] if setting.processes > 1 else []
    queues = [part for queue in setting.queues for part in ("--queue", queue)]
    return ["-m", "sqsjobs", "worker", "benchmarks.contestants.sqsjobs_app:app", *queues, *options]


def _taskiq(setting: Setting) -> list[str]:
    options = ["--workers", "1", "--max-async-tasks", str(setting.concurrency), "--log-level", "WARNING"]
    return ["-m", "taskiq", "worker", "benchmarks.contestants.taskiq_app:broker", *options]


def _celery(setting: Setting) -> list[str]:
    pool = ["--pool", "threads", "--concurrency", str(setting.concurrency if setting.task == "io" else 10)]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"]
    queues = ["--queues", ",".join(setting.queues)]
    return ["-m", "celery", "--app", "benchmarks.contestants.celery_app", "worker", *pool, *quiet, *queues]


def _dramatiq(setting: Setting) -> list[str]:
    threads = setting.concurrency if setting.task == "io" else 4
    return ["-m", "dramatiq", "benchmarks.contestants.dramatiq_app", "--processes", "1", "--threads", str(threads)]


SQSJOBS = Contestant(
    "sqsjobs",
    "`sqsjobs worker` as it comes, on the lean wire",
    ("sqsjobs", "aioboto3", "httptools", "msgspec", "uvloop"),
    "sqsjobs_app",
    _sqsjobs,
)
PLAIN = Contestant(
    "sqsjobs-plain",
    "the same with `SQSJOBS_WIRE=aioboto3`",
    SQSJOBS.packages,
    "sqsjobs_app",
    _sqsjobs,
    environment={"SQSJOBS_WIRE": "aioboto3"},
)
BARE = Contestant(
    "bare",
    "a loop over aioboto3 by hand: receive ten, run, delete ten; a loop for every ten jobs at once",
    ("aioboto3", "aiobotocore", "uvloop"),
    "bare",
    lambda _: ["-m", "benchmarks.contestants.bare", "worker"],
)
LEAN_LOOP = Contestant(
    "lean-loop",
    "the same loop over the lean wire: what nothing built on it can go below",
    SQSJOBS.packages,
    "lean_loop",
    lambda _: ["-m", "benchmarks.contestants.lean_loop", "worker"],
)
TASKIQ = Contestant(
    "taskiq",
    "taskiq-aio-sqs: receives of ten, acknowledged when done, no result backend, uvloop",
    ("taskiq", "taskiq-aio-sqs", "aiobotocore", "uvloop"),
    "taskiq_app",
    _taskiq,
    python=OTHERS,
)
CELERY = Contestant(
    "celery",
    "its thread pool (ten threads, for I/O as many as jobs at once), ten prefetched for each, acknowledged late, no "
    "result backend",
    ("celery", "kombu", "boto3", "pycurl"),
    "celery_app",
    _celery,
    python=OTHERS,
)
DRAMATIQ = Contestant(
    "dramatiq",
    "dramatiq_sqs: four threads (for I/O as many as jobs at once), ten prefetched, no result backend",
    ("dramatiq", "dramatiq_sqs", "boto3"),
    "dramatiq_app",
    _dramatiq,
    python=OTHERS,
    environment={"dramatiq_queue_prefetch": "10"},
)

CONTESTANTS = (SQSJOBS, PLAIN, LEAN_LOOP, BARE, TASKIQ, CELERY, DRAMATIQ)
"""All contestants, in the order of tables."""
