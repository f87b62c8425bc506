"""The tree of commands, and how each of them ends: its exit code, and its errors in one clear message."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Final

from cyclopts import App, CycloptsError, Parameter

from sqsjobs.cli.exits import FAILED, INTERRUPTED, OK, USAGE, exit_code
from sqsjobs.cli.options import EVERYWHERE
from sqsjobs.errors import SqsJobsError

__all__ = ["command_line", "run"]

_HELP = """Asynchronous jobs over Amazon SQS.

APP is where your App is, as module:attribute, such as shop.jobs:app; or leave
it out, and set SQSJOBS_APP or `app` in [tool.sqsjobs] of pyproject.toml.
Try it without an account or a network:

    sqsjobs demo                   a thousand real jobs on this machine
    sqsjobs dev shop.jobs:app      your app, with a queue server and a job store

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 no such job or
not ended yet, 4 a worker ended with work left running, 130 interrupted.
"""

_COMMANDS: Final = (
    ("worker", "worker:worker", "Run the jobs of an app."),
    ("enqueue", "enqueue:enqueue", "Send a job to its queue."),
    ("job", "job:job", "Show the record of a job."),
    ("jobs list", "jobs:list_jobs", "List jobs by their records."),
    ("jobs cancel", "jobs:cancel_jobs", "Cancel jobs that wait or run."),
    ("jobs retry", "jobs:retry_jobs", "Send jobs that ended without success again."),
    ("queues apply", "queues:apply_queues", "Create an app's queues, or bring them to what it needs."),
    ("queues list", "queues:list_queues", "List queues by name."),
    ("queues stats", "queues:stats_queues", "Count the messages of an app's queues."),
    ("queues policy", "iam:print_queue_policies", "Print who may come to an app's queues."),
    ("store apply", "store:apply_store", "Make the tables of the job store, or bring them to this version."),
    ("dlq list", "dlq:list_letters", "List dead letters with their reasons."),
    ("dlq show", "dlq:show_letters", "Show one dead letter."),
    ("dlq redrive", "redrive:redrive_letters", "Send dead letters back to their queues."),
    ("dlq purge", "purge:purge_letters", "Delete dead letters for good."),
    ("keys new", "keys:new_key", "Make a key for signatures or encryption."),
    ("keys list", "keys:list_keys", "List the keys in the environment, without their secrets."),
    ("keys rotate", "keys:rotate_keys", "Print how to replace the key in use, step by step."),
    ("iam", "iam:iam", "Print the least rights that a role needs at AWS."),
    ("dev", "dev:dev", "Run an app on this machine, starting it anew on every change."),
    ("local-sqs", "local_sqs:local_sqs", "Serve SQS on this machine, in memory."),
    ("demo", "demo:demo", "Watch a thousand real jobs go through."),
)
"""Each command: its words, where its function is, and what a list of commands says of it."""

_GROUPS: Final = {
    "jobs": "List jobs, cancel them, and send them again.",
    "queues": "Create, list, count and guard queues.",
    "store": "Set the job store up.",
    "dlq": "Read dead letters, send them back, or delete them.",
    "keys": "Make, list and rotate keys.",
}


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code."""
    try:
        code = command_line(arguments).meta(list(arguments), exit_on_error=False, result_action="return_value")
    except CycloptsError:  # it has said what is wrong
        return USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `sqsjobs … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return code if isinstance(code, int) else OK


def command_line(arguments: Sequence[str]) -> App:
    """Return all commands, ready for `arguments`.

    A command's module is imported when it is called. So that lists of commands need no imports, they have their texts
    from here; the help of the command that `arguments` name is its docstring.
    """
    root = App(
        name="sqsjobs",
        help=_HELP,
        help_format="plaintext",
        version=_version,
        default_parameter=Parameter(negative=(), show_default=_shown_default),
        error_formatter=_said,
    )
    groups = {name: App(name=name, help=text) for name, text in _GROUPS.items()}
    for words, where, text in _COMMANDS:
        group, _, name = words.rpartition(" ")
        named = set(words.split()) <= set(arguments)
        groups.get(group, root).command(f"sqsjobs.cli.{where}", name=name, help=None if named else text)
    for app in groups.values():
        root.command(app)
    root.register_install_completion_command(help="Install completion for your shell.")
    root.meta.default(_launcher(root))
    return root


def _launcher(root: App) -> Callable[..., int]:
    def launch(
        *arguments: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        debug: Annotated[bool, Parameter(group=EVERYWHERE, help="Show the traceback of an error.")] = False,
    ) -> int:
        try:
            code = root(arguments, exit_on_error=False, result_action="return_value")
        except SqsJobsError as error:
            if debug:
                raise
            _complain(error)
            return exit_code(error)
        return code if isinstance(code, int) else OK

    return launch


def _shown_default(value: object) -> str | None:
    """Nothing is shown for what is off or not said."""
    return (
        None if value in (None, "", ()) or value is False else f"{value:g}" if isinstance(value, float) else str(value)
    )


def _said(error: CycloptsError) -> object:
    """A wrong command line is said as any other error is."""
    from sqsjobs.cli.console import error_text  # noqa: PLC0415 - only where something went wrong

    return error_text(str(error))


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - asked for rarely

    try:
        return version("sqsjobs")
    except PackageNotFoundError:  # run from its sources
        return "of the source tree"


def _complain(error: SqsJobsError) -> None:
    from sqsjobs.cli.console import complain  # noqa: PLC0415 - only where something went wrong

    complain(error)
