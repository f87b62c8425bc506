"""How much of a job's life the job store is told."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from sqsjobs.errors import ConfigurationError

__all__ = ["Tracking", "checked_tracking", "follows"]

Tracking: TypeAlias = Literal["full", "worker", "result", "off"]
"""Who writes what.

- ``"full"``: the producer writes the record before it sends, so that an id is never unknown; the worker goes on with it.
- ``"worker"``: the record begins with the worker's claim; for producers without rights on the store.
- ``"result"``: the worker writes the end alone.
- ``"off"``: nobody writes; `record`, `status` and `result` raise `NoJobStore`.
"""


def follows(tracking: Tracking) -> bool:
    """Whether the record of a job is written while the job lives, and not at its end alone."""
    return tracking in ("full", "worker")


def checked_tracking(text: str) -> Tracking:
    """Return `text` as a tracking mode.

    Raises:
        ConfigurationError: if it is none.
    """
    for mode in get_args(Tracking):
        if text == mode:
            return mode  # type: ignore[no-any-return]  # get_args gives up the type
    raise ConfigurationError(f"tracking is one of {', '.join(map(repr, get_args(Tracking)))}; not {text!r}")
