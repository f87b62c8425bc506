"""The choices there are for log lines: their format, and how severe they have to be."""

from __future__ import annotations

import logging
from typing import Final, Literal, TypeAlias

__all__ = ["LEVELS", "LogFormat", "LogLevel"]

LogFormat: TypeAlias = Literal["auto", "pretty", "json"]
"""``auto`` is ``pretty`` where standard error is a terminal, else ``json``."""
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]
"""The least severe lines that are written."""

LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
"""The standard library's number of each level."""
