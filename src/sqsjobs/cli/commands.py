"""The tree of commands, and how each of them ends: its exit code, and its errors in one clear message."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from sqsjobs.cli.exits import FAILED, INTERRUPTED, OK, USAGE, exit_code
from sqsjobs.errors import SqsJobsError

__all__ = ["cli", "run"]

_HELP = """Asynchronous jobs over Amazon SQS.

APP is where your App is, as module:attribute, such as shop.jobs:app; SQSJOBS_APP or `app` in [tool.sqsjobs] of
pyproject.toml names it for you. Try it without an account or a network:

    sqsjobs demo                        a thousand real jobs on this machine
    sqsjobs dev shop.jobs:app           your own app, with a queue server and a job store in one process

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 no such job or not ended yet, 4 a worker ended with
work left running, 130 interrupted.
"""


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - asked for rarely

    try:
        return version("sqsjobs")
    except PackageNotFoundError:  # run from its sources
        return "of the source tree"


cli = App(
    name="sqsjobs",
    help=_HELP,
    help_format="rich",
    version=_version,
    default_parameter=Parameter(negative=(), show_default=lambda value: value not in (None, (), False, "")),
)
"""All commands. Each is named by where its function is, and imported when it is called."""

_queues = App(name="queues", help="Create, list and count queues.")
_dlq = App(name="dlq", help="Read dead letters, and send them back.")

for _name, _where, _help in (
    ("worker", "worker:worker", "Run the jobs of an app."),
    ("enqueue", "enqueue:enqueue", "Send a job to its queue."),
    ("job", "job:job", "Show the record of a job."),
    ("local-sqs", "local_sqs:local_sqs", "Serve SQS on this machine, in memory."),
    ("dev", "dev:dev", "Run an app with its own queue server, reloading on change."),
    ("demo", "demo:demo", "Watch a thousand real jobs go through."),
):
    cli.command(f"sqsjobs.cli.{_where}", name=_name, help=_help)
for _name, _help in (
    ("apply", "Create an app's queues, or bring them to what it needs."),
    ("list", "List queues by name."),
    ("stats", "Count the messages of an app's queues."),
):
    _queues.command(f"sqsjobs.cli.queues:{_name}_queues", name=_name, help=_help)
for _name, _help in (
    ("list", "List dead letters with their reasons."),
    ("show", "Show one dead letter."),
    ("redrive", "Send dead letters back to their queues."),
):
    _dlq.command(f"sqsjobs.cli.dlq:{_name}_letters", name=_name, help=_help)
cli.command(_queues)
cli.command(_dlq)
cli.register_install_completion_command(help="Install the completion of commands and options for your shell.")


@cli.meta.default
def _launch(
    *arguments: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    debug: Annotated[bool, Parameter(help="Show the traceback of an error.")] = False,
) -> int:
    try:
        code = cli(arguments, exit_on_error=False, result_action="return_value")
    except SqsJobsError as error:
        if debug:
            raise
        _complain(error)
        return exit_code(error)
    return code if isinstance(code, int) else OK


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code."""
    try:
        code = cli.meta(list(arguments), exit_on_error=False, result_action="return_value")
    except CycloptsError:  # it has said what is wrong
        return USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `sqsjobs … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return code if isinstance(code, int) else OK


def _complain(error: SqsJobsError) -> None:
    from sqsjobs.cli.console import complain  # noqa: PLC0415 - only where something went wrong

    complain(error)
