"""Turns an exception of a job into text: type, message, frames without local variables, and a fingerprint."""

from __future__ import annotations

import hashlib
import traceback
from pathlib import Path
from types import TracebackType
from typing import Final

from sqsjobs.outcome import Failure

__all__ = ["failure_of"]

_MESSAGE: Final = 4_000
_TRACEBACK: Final = 16_000
_OWN_FILES: Final = str(Path(__file__).parent)


def failure_of(error: BaseException) -> Failure:
    """Return `error` as text; the worker's own frames at its top are left out."""
    frames = _without_own(error.__traceback__)
    return Failure(
        type=qualified_name(type(error)),
        message=_message(error)[:_MESSAGE],
        traceback=_shortened("".join(traceback.format_exception(type(error), error, frames))),
        fingerprint=_fingerprint(error, frames),
    )


def qualified_name(cls: type) -> str:
    """Return the name under which a class is recorded; it is never imported back."""
    return f"{cls.__module__}.{cls.__qualname__}"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a __str__ that raises must not hide the error it belongs to
        return "(the exception has no readable text)"


def _without_own(frames: TracebackType | None) -> TracebackType | None:
    while frames is not None and frames.tb_next and frames.tb_frame.f_code.co_filename.startswith(_OWN_FILES):
        frames = frames.tb_next
    return frames


def _shortened(text: str) -> str:
    if len(text) <= _TRACEBACK:
        return text
    half = _TRACEBACK // 2
    return f"{text[:half]}\n  … {len(text) - _TRACEBACK} characters left out …\n{text[-half:]}"


def _fingerprint(error: BaseException, frames: TracebackType | None) -> str:
    """Hash the type and where it was raised, without line numbers, which every edit moves."""
    places = [f"{frame.f_code.co_filename}:{frame.f_code.co_name}" for frame, _ in traceback.walk_tb(frames)]
    text = "|".join([qualified_name(type(error)), *places])
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:12]
