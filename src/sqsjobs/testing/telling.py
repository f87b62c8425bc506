"""Jobs and outcomes in words, for the messages of failed tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqsjobs.outcome import Crashed, Failed, Outcome

__all__ = ["told_call", "told_outcome"]

_ARGUMENT: Final = 200
"""The most characters that an argument takes in a message."""


def told_call(task: str, arguments: Mapping[str, object], *, more: bool = False) -> str:
    """Return a call as one would write it, ``resize(key='a.png')``; with `more` other arguments may be anything."""
    told = [f"{name}={_shortened(repr(value))}" for name, value in arguments.items()]
    return f"{task}({', '.join([*told, '…'] if more else told)})"


def told_outcome(outcome: Outcome) -> str:
    """Return what became of a run; of an error, the traceback in the job."""
    match outcome:
        case Failed(failure) | Crashed(failure):
            return failure.traceback.rstrip() or f"{failure.type}: {failure.message}"
        case _:
            return repr(outcome)


def _shortened(text: str) -> str:
    return text if len(text) <= _ARGUMENT else f"{text[: _ARGUMENT - 1]}…"
