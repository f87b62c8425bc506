"""``sqsjobs demo``: a thousand real jobs through a real SQS protocol server, a worker process and a job store.

It lives in the package, not in ``examples/``, so that an installed sqsjobs can show what it does. Read it from here
down: `tasks` is the job, `files` what it is done to, `stage` the processes, `story` the producer, `report` the figures.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from sqsjobs.cli.demo.files import gather
from sqsjobs.cli.demo.report import show_report
from sqsjobs.cli.demo.stage import opened_stage
from sqsjobs.cli.demo.story import compress_all
from sqsjobs.cli.exits import FAILED, INTERRUPTED, OK
from sqsjobs.errors import ConfigurationError

__all__ = ["demo"]


def demo(
    *,
    directory: Annotated[Path | None, Parameter(name=["--dir", "-d"])] = None,
    jobs: Annotated[int, Parameter(name=["--jobs", "-n"])] = 1000,
) -> int:
    """Watch a thousand real jobs go through, on this machine alone.

    A queue server, a job store and a worker process are started. Each job
    compresses one file of the Python standard library, or one of yours; some are
    bad in earnest, so that retries and the dead-letter queue are seen at work.
    Every result is read by its job's id, and checked; nothing is left behind.

        sqsjobs demo
        sqsjobs demo --dir ~/Music --jobs 200

    Args:
        directory: A folder of files; they stay as they are, what comes of them is temporary.
        jobs: How many files, at most.
    """
    if jobs < 10:
        raise ConfigurationError(f"--jobs is 10 or more, so that good and bad files have room, not {jobs}")
    try:
        return asyncio.run(_perform(directory, jobs))
    except asyncio.CancelledError:
        return INTERRUPTED


async def _perform(directory: Path | None, jobs: int) -> int:
    _cancel_on_signals()
    console = Console()
    with TemporaryDirectory(prefix="sqsjobs-demo-") as scratch, console.status("") as doing:
        folder = Path(scratch)
        files = gather(directory, jobs, folder)
        doing.update(f"Starting a queue server, a job store and a worker for {len(files):,} files …")
        async with opened_stage(folder) as stage:
            doing.stop()
            outcome = await stage.perform(compress_all(files, stage, folder, console))
    show_report(outcome, console)
    return OK if outcome.is_whole else FAILED


def _cancel_on_signals() -> None:
    """Let every signal that ends the demo unwind it, so that no process and no file is left behind."""
    performance = asyncio.current_task()
    assert performance is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, performance.cancel)
