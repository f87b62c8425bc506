"""The options of a task: wrong ones fail when the task is declared."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Literal, TypeAlias

from sqsjobs.errors import ConfigurationError
from sqsjobs.retry import Retry
from sqsjobs.sending import checked_queue, seconds_of

__all__ = ["MAX_TIMEOUT", "Executor", "OnExhausted", "TaskOptions", "executor_of"]

Executor: TypeAlias = Literal["loop", "thread", "process"]
"""Where a task's function runs."""

OnExhausted: TypeAlias = Literal["dead-letter", "discard"]
"""What becomes of a job whose attempts are used up."""

MAX_TIMEOUT: Final = 11 * 3600.0
"""The longest timeout, in seconds: SQS ends every lease 12 hours after the receipt of the message."""

_NAME = re.compile(r"[\w.:/-]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """The options of a task, checked; see `Declare`."""

    name: str
    queue: str = "default"
    retry: Retry = field(default_factory=Retry)
    timeout: float | None = None
    executor: Literal["auto", "thread", "process"] = "auto"
    on_exhausted: OnExhausted = "dead-letter"
    redact: Collection[str] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ConfigurationError(
                f"{self.name!r} is no name for a task: 1 to 128 letters, digits and _ . : / -; give one with name=..."
            )
        checked_queue(self.queue)
        if not isinstance(self.retry, Retry):
            raise ConfigurationError(f"task {self.name!r}: retry is a Retry(...), not {self.retry!r}")
        self._choose("executor", ("auto", "thread", "process"))
        self._choose("on_exhausted", ("dead-letter", "discard"))
        if isinstance(self.redact, str) or not all(isinstance(name, str) for name in self.redact):
            raise ConfigurationError(
                f"task {self.name!r}: redact is a tuple of parameter names, such as ('token',); not {self.redact!r}"
            )
        if self.timeout is not None:
            object.__setattr__(self, "timeout", self._checked_timeout(self.timeout))

    def _choose(self, option: str, choices: tuple[str, ...]) -> None:
        given = getattr(self, option)
        if given not in choices:
            raise ConfigurationError(
                f"task {self.name!r}: {option} is one of {', '.join(map(repr, choices))}; not {given!r}"
            )

    def _checked_timeout(self, timeout: timedelta | float) -> float:
        seconds = seconds_of(timeout, f"task {self.name!r}: timeout")
        if not 0 < seconds <= MAX_TIMEOUT:
            raise ConfigurationError(
                f"task {self.name!r}: a timeout of {seconds:g} s cannot be: more than 0, and at most 11 hours, because SQS "
                f"ends every lease after 12; split longer work into several jobs"
            )
        return seconds


def executor_of(function: Callable[..., Any], options: TaskOptions) -> Executor:
    """Return where `function` runs.

    Raises:
        ConfigurationError: if it cannot run where the options want it.
    """
    if inspect.iscoroutinefunction(function):
        if options.executor != "auto":
            raise ConfigurationError(
                f"task {options.name!r} is an async def and runs on the event loop; executor={options.executor!r} is for def"
            )
        return "loop"
    if options.executor != "process":
        return "thread"
    if "<" in function.__qualname__:  # <locals> or <lambda>
        raise ConfigurationError(
            f"task {options.name!r}: executor='process' needs a function that another process can import: "
            f"define {function.__qualname__} at the top of a module"
        )
    return "process"
