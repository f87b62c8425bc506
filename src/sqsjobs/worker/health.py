"""Whether a worker is alive, and whether it can do its work: what `/livez` and `/readyz` answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

__all__ = ["Health", "Signs"]

_SLACK: Final = 30.0
"""Seconds by which a poll may end late: the transport's own deadline, and a pause after a failure."""


@dataclass(frozen=True, slots=True)
class Signs:
    """The signs of life of a worker at one moment; ages in seconds.

    Attributes:
        started: whether its queues were checked and polling has begun.
        stopping: why it stops, or empty.
        last_poll: since a poll ended.
        saturated: whether every slot is in use.
        last_beat: since a heartbeat got through.
        failing_queues: queues whose last poll failed.
        store_problem: why the job store did not answer, or empty.
        keys_problem: why the key service did not answer, or empty.
    """

    started: bool = False
    stopping: str = ""
    last_poll: float = 0.0
    saturated: bool = False
    last_beat: float = 0.0
    failing_queues: tuple[str, ...] = ()
    store_problem: str = ""
    keys_problem: str = ""


class Health:
    """Judges the signs of life of a worker, which `signs` gives; `wait` and `beat_every` in seconds."""

    def __init__(self, signs: Callable[[], Signs], *, wait: float, beat_every: float) -> None:
        self._signs = signs
        self._poll_within = wait + 2 * _SLACK
        self._beat_within = 3 * beat_every + _SLACK

    def live(self) -> str:
        """Return why the worker should be restarted, or nothing.

        It lives while polls end (well or badly: a restart does not mend SQS), or all slots are busy and
        heartbeats get through.
        """
        signs = self._signs()
        if not signs.started or signs.stopping or signs.last_poll <= self._poll_within:
            return ""
        if signs.saturated and signs.last_beat <= self._beat_within:
            return ""
        return f"no poll has ended for {signs.last_poll:.0f} s"

    def ready(self) -> str:
        """Return why the worker cannot do its work just now, or nothing."""
        signs = self._signs()
        if not signs.started:
            return "starting"
        if signs.stopping:
            return f"stopping: {signs.stopping}"
        if signs.failing_queues:
            return f"polls fail: {', '.join(signs.failing_queues)}"
        if signs.store_problem:
            return f"the job store does not answer: {signs.store_problem}"
        return f"the key service does not answer: {signs.keys_problem}" if signs.keys_problem else ""
