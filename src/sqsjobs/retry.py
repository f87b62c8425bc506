"""When a failed attempt is followed by another, and how long after: pure functions of the attempt and a random number."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol

from sqsjobs.errors import ConfigurationError

__all__ = ["Backoff", "Constant", "Exponential", "Retry", "constant", "exponential"]


class Backoff(Protocol):
    """How long to wait after a failed attempt."""

    def delay(self, attempt: int, random: float) -> float:
        """Return the seconds to wait after `attempt` (1 is the first), given `random` in [0, 1)."""
        ...


@dataclass(frozen=True, slots=True)
class Exponential:
    """Full jitter: uniform between 0 and ``initial * factor ** (attempt - 1)`` seconds, capped at `maximum`."""

    initial: float
    maximum: float
    factor: float

    def delay(self, attempt: int, random: float) -> float:
        return random * self.ceiling(attempt)

    def ceiling(self, attempt: int) -> float:
        """Return the longest delay that may follow `attempt`, in seconds."""
        try:
            return min(self.maximum, self.initial * self.factor ** (attempt - 1))
        except OverflowError:
            return self.maximum


@dataclass(frozen=True, slots=True)
class Constant:
    """The same delay after every attempt, spread by `jitter` (a share of the delay) to both sides."""

    seconds: float
    jitter: float

    def delay(self, attempt: int, random: float) -> float:  # noqa: ARG002 - the same after every attempt
        return self.seconds * (1 + self.jitter * (2 * random - 1))


def exponential(
    initial: timedelta | float = 1.0, maximum: timedelta | float = timedelta(minutes=15), *, factor: float = 2.0
) -> Exponential:
    """Back off exponentially with full jitter; `initial` and `maximum` in seconds or as `timedelta`.

    Raises:
        ConfigurationError: if a delay is not positive, or `maximum` is below `initial`, or `factor` below 1.
    """
    first, last = _seconds(initial, "initial"), _seconds(maximum, "maximum")
    if last < first:
        raise ConfigurationError(f"exponential(): maximum ({last:g} s) is below initial ({first:g} s)")
    if factor < 1:
        raise ConfigurationError(f"exponential(): factor must be 1 or more, not {factor!r}")
    return Exponential(first, last, factor)


def constant(delay: timedelta | float, *, jitter: float = 0.2) -> Constant:
    """Wait the same time after every attempt, spread by a share `jitter` (0 to 1) to both sides.

    Raises:
        ConfigurationError: if the delay is not positive or `jitter` is outside 0 to 1.
    """
    if not 0 <= jitter <= 1:
        raise ConfigurationError(f"constant(): jitter is a share from 0 to 1, not {jitter!r}")
    return Constant(_seconds(delay, "delay"), jitter)


@dataclass(frozen=True, slots=True)
class Retry:
    """The retry policy of a task.

    Attributes:
        max_attempts: how often the function is started at most; 1 means no retry.
        backoff: how long to wait after a failed attempt.
        retry_on: errors worth another attempt; a subclass counts.
        give_up_on: errors that fail the job for good, also where `retry_on` has them.
    """

    max_attempts: int = 5
    backoff: Backoff = field(default_factory=exponential)
    retry_on: tuple[type[Exception], ...] = (Exception,)
    give_up_on: tuple[type[Exception], ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.max_attempts, bool) or not isinstance(self.max_attempts, int) or self.max_attempts < 1:
            raise ConfigurationError(f"Retry: max_attempts is a whole number from 1 up, not {self.max_attempts!r}")
        if not callable(getattr(self.backoff, "delay", None)):
            raise ConfigurationError(
                f"Retry: backoff is exponential(...), constant(...) or an object with delay(attempt, random), "
                f"not {self.backoff!r}"
            )
        for option in ("retry_on", "give_up_on"):
            object.__setattr__(self, option, _exception_classes(option, getattr(self, option)))

    def gives_up_on(self, error: BaseException) -> bool:
        """Whether no further attempt follows `error`, however many are left."""
        return isinstance(error, self.give_up_on) or not isinstance(error, self.retry_on)

    def delay(self, attempt: int, random: float) -> float:
        """Return the seconds to wait after `attempt`, given `random` in [0, 1).

        The default backoff takes the place of one of the user's own that fails, or gives what is no duration.
        """
        try:
            seconds = float(self.backoff.delay(attempt, random))
        except Exception:  # noqa: BLE001 - whatever is wrong with it, the job must be tried again
            return _DEFAULT_BACKOFF.delay(attempt, random)
        return seconds if 0 <= seconds < float("inf") else _DEFAULT_BACKOFF.delay(attempt, random)


def _exception_classes(option: str, given: object) -> tuple[type[Exception], ...]:
    classes: list[type[Exception]] = []
    for cls in given if isinstance(given, tuple) else (given,):
        if not (isinstance(cls, type) and issubclass(cls, Exception)):
            raise ConfigurationError(f"Retry: {option} takes exception classes, not {cls!r}")
        classes.append(cls)
    return tuple(classes)


def _seconds(delay: timedelta | float, name: str) -> float:
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
    if not 0 < seconds < float("inf"):
        raise ConfigurationError(f"{name} is a positive number of seconds, or a timedelta; not {delay!r}")
    return float(seconds)


_DEFAULT_BACKOFF: Final = exponential()
