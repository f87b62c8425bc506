"""Options that several commands share, and how a command line is made of them for a child process."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from cyclopts import Group, Parameter

from sqsjobs.errors import ConfigurationError
from sqsjobs.observability.levels import LogFormat, LogLevel

if TYPE_CHECKING:
    from sqsjobs.app import App

__all__ = [
    "BACKENDS",
    "CHOICE",
    "DEFAULT_LOGS",
    "EVERYWHERE",
    "LOGS",
    "NO_BACKENDS",
    "PLATFORM",
    "SENDING",
    "WORK",
    "AppPath",
    "Backends",
    "Logs",
    "app_path",
    "as_arguments",
    "open_later",
]

# In the order in which help shows them.
CHOICE = Group("Which letters", sort_key=1)
SENDING = Group("Sending", sort_key=2)
WORK = Group("Work", sort_key=3)
PLATFORM = Group("Platform", sort_key=4)
BACKENDS = Group("Queues and records", sort_key=5)
LOGS = Group("Logs", sort_key=6)
EVERYWHERE = Group("Everywhere", sort_key=7)

AppPath: TypeAlias = Annotated[str, Parameter(help="The app, as module:attribute.")]
"""The positional argument that names an app."""


@Parameter(name="*", group=BACKENDS)
@dataclass(frozen=True, kw_only=True)
class Backends:
    """Where queues and records are; what is not said here, the app and the settings say.

    Attributes:
        endpoint_url: Another server than AWS's, such as http://127.0.0.1:9324.
        region: The AWS region of the queues.
        queue_prefix: Put before every queue name.
        store: The job store, such as sqlite:///jobs.db.
        blobs: Where large arguments and results are kept, such as s3://bucket/prefix.
    """

    endpoint_url: str | None = None
    region: str | None = None
    queue_prefix: str | None = None
    store: str | None = None
    blobs: str | None = None


NO_BACKENDS = Backends()
"""Nothing is said on the command line."""


@Parameter(name="*", group=LOGS)
@dataclass(frozen=True, kw_only=True)
class Logs:
    """How log lines are written.

    Attributes:
        log_format: auto is pretty on a terminal and JSON elsewhere.
        log_level: The least severe lines that are written.
        hide_errors: Of a job's error, log only its type and fingerprint.
    """

    log_format: LogFormat = "auto"
    log_level: LogLevel = "info"
    hide_errors: bool = False


DEFAULT_LOGS = Logs()
"""Nothing is said on the command line."""


def app_path(given: str) -> str:
    """Return the app's path: the one that was given, or else that of the settings.

    Raises:
        ConfigurationError: if neither names one.
    """
    if given:
        return given
    from sqsjobs.settings import Settings  # noqa: PLC0415 - where it is needed

    if path := Settings.load().app:
        return path
    raise ConfigurationError(
        "no app: name it as module:attribute, such as shop.jobs:app, or set SQSJOBS_APP or `app` in [tool.sqsjobs]"
    )


def open_later(path: str, backends: Backends) -> App:
    """Import an app and give it the backends of the command line; it is opened by ``async with``."""
    from sqsjobs.cli.target import load_app  # noqa: PLC0415 - it imports the app's machinery

    app = load_app(path)
    options = {name: value for name in _names(backends) if (value := getattr(backends, name)) is not None}
    if options:
        app.configure(**options)
    return app


def as_arguments(options: Any) -> list[str]:
    """Return the command line that gives `options`, a dataclass of options; defaults are left out."""
    line: list[str] = []
    for field in fields(options):
        value = getattr(options, field.name)
        option = f"--{field.name.replace('_', '-')}"
        if field.default is not MISSING and value == field.default:
            continue
        match value:
            case bool():
                line.append(option)
            case tuple():
                line += [part for item in value for part in (option, str(item))]
            case _:
                line += [option, str(value)]
    return line


def _names(options: Any) -> list[str]:
    return [field.name for field in fields(options)]
