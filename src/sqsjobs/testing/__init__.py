"""For the tests of applications: jobs run by the real executor and the real worker, over queues in memory.

- `MemoryApp` puts an app on queues and a job store in memory, and says what was enqueued; its `drain` runs the jobs.
- `run_job` runs one job, without any queue.
- `RecordedEvents` waits for events, so that no test waits for time.
- `LocalServerThread` is an SQS-compatible server for code that brings its own client.

pytest finds fixtures for them in `sqsjobs.testing.plugin`. Nothing here is imported before it is used, because pytest
loads the plugin in every run of every project that has sqsjobs installed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sqsjobs.testing.clock import MovableClock
    from sqsjobs.testing.drained import DrainedJob, DrainReport, JobsFailed
    from sqsjobs.testing.enqueued import EnqueuedJob
    from sqsjobs.testing.job_run import JobRun, run_job
    from sqsjobs.testing.memory_app import MemoryApp, PutInMemory
    from sqsjobs.testing.posted import PostedCallback
    from sqsjobs.testing.recorded_events import RecordedEvents
    from sqsjobs.testing.server_thread import LocalServerThread

__all__ = [  # noqa: RUF022 - by topic
    # an app in memory
    "MemoryApp",
    "EnqueuedJob",
    "MovableClock",
    "PostedCallback",
    "PutInMemory",
    # running its jobs
    "DrainReport",
    "DrainedJob",
    "JobsFailed",
    # one job
    "run_job",
    "JobRun",
    # events
    "RecordedEvents",
    # a server
    "LocalServerThread",
]

_HOMES: Final = {
    "DrainReport": "drained",
    "DrainedJob": "drained",
    "EnqueuedJob": "enqueued",
    "JobRun": "job_run",
    "JobsFailed": "drained",
    "LocalServerThread": "server_thread",
    "MemoryApp": "memory_app",
    "MovableClock": "clock",
    "PostedCallback": "posted",
    "PutInMemory": "memory_app",
    "RecordedEvents": "recorded_events",
    "run_job": "job_run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
