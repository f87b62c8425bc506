"""What a transport to SQS may use: connections, seconds, and which way its calls take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from sqsjobs.errors import ConfigurationError

__all__ = ["Pools", "Timeouts", "Wire", "checked_wire"]

Wire: TypeAlias = Literal["auto", "lean", "aioboto3"]
"""Which way the frequent calls take: the lean path, aioboto3's, or the lean one wherever it can do what is configured."""


def checked_wire(text: str) -> Wire:
    """Return the `Wire` that `text` is, or raise `ConfigurationError`."""
    for wire in get_args(Wire):
        if text == wire:
            return wire  # type: ignore[no-any-return]  # get_args knows no types
    raise ConfigurationError(f"wire is one of {', '.join(get_args(Wire))}, not {text!r}")


@dataclass(frozen=True, slots=True)
class Pools:
    """How many connections each client may have; they are made when needed.

    Attributes:
        poll: at least the long polls open at once: one more waits for its turn until it times out.
        control: deletes and visibility changes at once.
        send: sends at once.
    """

    poll: int = 128
    control: int = 256
    send: int = 32

    def __post_init__(self) -> None:
        if min(self.poll, self.control, self.send) < 1:
            raise ConfigurationError(f"every pool needs at least one connection: {self}")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a call may take, in seconds: both together, and a receive its wait and `read`.

    Attributes:
        connect: to make a connection.
        read: of silence on a connection.
    """

    connect: float = 3.0
    read: float = 5.0

    def __post_init__(self) -> None:
        if min(self.connect, self.read) <= 0:
            raise ConfigurationError(f"timeouts are seconds above 0: {self}")
