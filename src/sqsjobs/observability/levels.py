"""The choices there are for log lines: their format, and how severe they have to be."""

from __future__ import annotations

import logging
from typing import Final, Literal, TypeAlias

import msgspec

__all__ = ["LEVELS", "LogFormat", "LogLevel", "LogLines"]

LogFormat: TypeAlias = Literal["auto", "pretty", "json"]
"""``auto`` is ``pretty`` where standard error is a terminal, else ``json``."""
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]
"""The least severe lines that are written."""


class LogLines(msgspec.Struct, frozen=True):
    """How a process writes its log lines: in which format, and from which level on."""

    format: LogFormat = "auto"
    level: LogLevel = "info"


LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
"""The standard library's number of each level."""
