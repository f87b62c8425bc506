"""How a log line is written: pretty on a terminal, JSON elsewhere, always so that no value can forge a line.

Lines of structlog and of the standard library's logging go through the same renderer to standard error.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from sqsjobs.context import running_job
from sqsjobs.observability.escaping import printable, printable_block
from sqsjobs.observability.levels import LEVELS, LogFormat, LogLevel

__all__ = ["add_job", "configure_logging"]

_TALKATIVE = ("aiobotocore", "aioboto3", "aiohttp.access", "boto3", "botocore", "urllib3")
_BLOCKS = frozenset({"exception", "stack", "traceback"})


def configure_logging(
    format: LogFormat = "auto",  # noqa: A002 - the word of the command line
    level: LogLevel = "info",
    *,
    stream: TextIO | None = None,
) -> None:
    """Send all log lines of this process, structlog's and logging's, to `stream` (standard error) in one format.

    Replaces the handlers of the root logger. The AWS SDK's own loggers stay at warnings, since they
    write message bodies and signatures at the debug level.
    """
    stream = stream or sys.stderr
    pretty = stream.isatty() if format == "auto" else format == "pretty"
    before, rendered = _before(pretty=pretty), _rendered(pretty=pretty, colors=stream.isatty())
    lines = _Lines(stream)
    structlog.configure(
        processors=[*before, *rendered],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    _route_standard_logging(lines, LEVELS[level], before, rendered)


def _before(*, pretty: bool) -> list[Processor]:
    """What makes an event dictionary complete: the job's context, the level and the time."""
    stamp = structlog.processors.TimeStamper(fmt="%H:%M:%S.%f", utc=False) if pretty else _iso_time()
    return [
        structlog.contextvars.merge_contextvars,
        add_job,
        structlog.processors.add_log_level,
        stamp,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]


def add_job(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Name the job that is running here: its id, task, queue and attempt. A processor, for a configuration of your own, too.

    It looks when a line is written, so a job that logs nothing pays nothing.
    """
    job = running_job.get()
    if job is not None:
        event.setdefault("job_id", job.id)
        event.setdefault("task", job.task)
        event.setdefault("queue", job.queue)
        event.setdefault("attempt", job.attempt)
    return event


def _iso_time() -> structlog.processors.TimeStamper:
    return structlog.processors.TimeStamper(fmt="iso", utc=True)


def _rendered(*, pretty: bool, colors: bool) -> list[Processor]:
    if not pretty:
        return [structlog.processors.JSONRenderer(serializer=_ascii_json)]
    console = structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
    return [_escape, _traceback_as_block, console]


class _Lines:
    """Where all lines end, one at a time. A standard error that is gone must not take jobs along, so nothing is raised."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._turn = threading.RLock()  # a signal handler may log within a line

    def msg(self, line: str) -> None:
        """Write a line."""
        with self._turn, suppress(OSError, ValueError):
            self._stream.write(f"{line}\n")
            self._stream.flush()

    debug = info = warning = error = critical = exception = msg


class _FromStandardLogging(logging.Handler):
    def __init__(self, lines: _Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.msg(self.format(record))
        except Exception:  # noqa: BLE001 - a record whose arguments do not fit its format
            self.handleError(record)


def _route_standard_logging(lines: _Lines, level: int, before: list[Processor], rendered: list[Processor]) -> None:
    handler = _FromStandardLogging(lines)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_add_logger_name, *before],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendered],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.captureWarnings(capture=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def _add_logger_name(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    event["logger"] = event["_record"].name
    return event


def _ascii_json(event: EventDict, default: Callable[[Any], Any] | None = None, **_: object) -> str:
    """Return one line of ASCII: a control character, a line break or a direction mark can only be an escape in it."""
    first = {key: event.pop(key) for key in ("timestamp", "level", "event") if key in event}  # easier on the eye
    line = {**first, **event}
    with suppress(TypeError, ValueError):  # a key that is no text, a lone surrogate: what only json can write
        text = msgspec.json.encode(line, enc_hook=default or repr)
        if text.isascii():
            return text.decode()
    return json.dumps(line, default=default or repr, ensure_ascii=True, separators=(",", ":"))


def _escape(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Escape what could steer a terminal or begin a line, in every text; tracebacks keep their line breaks."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = printable_block(value) if key in _BLOCKS else printable(value)
        elif not isinstance(value, int | float | None):
            event[key] = _Verbatim(printable(repr(value)))
    return event


class _Verbatim:
    """A value whose representation is this text already."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _traceback_as_block(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Print a job's traceback as ConsoleRenderer prints an exception: below the line, indented so that it stays apart."""
    text = event.pop("traceback", None) or event.pop("exception", None)
    if text:
        event["exception"] = "\n".join(f"    {line}" for line in text.rstrip().splitlines())
    return event
