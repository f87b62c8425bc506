"""What a job raises: turned into text (type, message, frames without local variables, a fingerprint), and judged."""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, TypeAlias, TypeVar

from sqsjobs.outcome import Failure
from sqsjobs.retry import Retry

__all__ = ["Hiding", "failure_of", "is_final", "portable", "readable"]

T = TypeVar("T")

Hiding: TypeAlias = Callable[[str], str]
"""Takes the secrets of a job out of a text (see `Redaction.hiding`)."""

_MESSAGE: Final = 4_000
_TRACEBACK: Final = 16_000
_OWN_FILES: Final = str(Path(__file__).parent)


def failure_of(error: BaseException, hiding: Hiding = str) -> Failure:
    """Return `error` as text without secrets; what called the job's function is left out."""
    frames = _without_own(error.__traceback__)
    told = "".join(traceback.format_exception(type(error), error, frames))
    return Failure(
        type=qualified_name(type(error)),
        # First hidden and then shortened, which would leave a part of a secret.
        message=readable(hiding(_message(error))[:_MESSAGE]),
        traceback=readable(_shortened(hiding(told))),
        fingerprint=_fingerprint(error, frames),
    )


def is_final(error: BaseException, retry: Retry) -> bool:
    """Whether no attempt follows `error`; after a SystemExit, or a cancellation that nobody asked for, one does."""
    return isinstance(error, Exception) and retry.gives_up_on(error)


def portable(call: Callable[[], T]) -> T:
    """Call `call` in a thread; a StopIteration, which no future can carry, becomes a RuntimeError as in a coroutine."""
    try:
        return call()
    except StopIteration as error:
        raise RuntimeError("the task raised StopIteration") from error


def readable(text: str) -> str:
    """Return `text` with question marks for lone surrogates, which neither SQS nor a job store could hold."""
    return text.encode(errors="replace").decode()


def qualified_name(cls: type) -> str:
    """Return the name under which a class is recorded; it is never imported back."""
    return f"{cls.__module__}.{cls.__qualname__}"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - a __str__ that raises must not hide the error it belongs to
        return "(the exception has no readable text)"


def _without_own(frames: TracebackType | None) -> TracebackType | None:
    """Begin after the last frame of the worker's own, where there is something after it."""
    begin = frame = frames
    while frame is not None:
        if frame.tb_next is not None and frame.tb_frame.f_code.co_filename.startswith(_OWN_FILES):
            begin = frame.tb_next
        frame = frame.tb_next
    return begin


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
