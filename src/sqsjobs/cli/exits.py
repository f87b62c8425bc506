"""The exit codes of every command, and what each error of the tree exits with."""

from __future__ import annotations

from typing import Final

from sqsjobs.errors import (
    AccessDenied,
    ConfigurationError,
    EnqueueRejected,
    InvalidArguments,
    NoJobStore,
    QueueNotFound,
    RequestRejected,
    ResultTimeout,
    SqsJobsError,
    TaskNotBound,
    UnknownJob,
    UnknownTask,
)

__all__ = ["FAILED", "FORCED", "INTERRUPTED", "NOT_YET", "OK", "USAGE", "exit_code"]

OK: Final = 0
FAILED: Final = 1
"""What was asked for did not succeed: SQS or the job store failed, or the job that was waited for did."""
USAGE: Final = 2
"""The command line, the app or the environment cannot work: trying again without a change is useless."""
NOT_YET: Final = 3
"""There is nothing to show: the job is unknown, or has not ended within the timeout."""
FORCED: Final = 4
"""The worker ended with work left running: by a second signal, or past its grace."""
INTERRUPTED: Final = 130
"""Ctrl-C ended a command that is no worker (128 + SIGINT, as shells have it)."""

_USAGE_ERRORS = (
    AccessDenied,
    ConfigurationError,
    EnqueueRejected,
    InvalidArguments,
    NoJobStore,
    QueueNotFound,
    RequestRejected,
    TaskNotBound,
    UnknownTask,
)
_NOT_YET_ERRORS = (ResultTimeout, UnknownJob)


def exit_code(error: SqsJobsError) -> int:
    """Return the code that a command exits with after `error`."""
    if isinstance(error, _USAGE_ERRORS):
        return USAGE
    return NOT_YET if isinstance(error, _NOT_YET_ERRORS) else FAILED
