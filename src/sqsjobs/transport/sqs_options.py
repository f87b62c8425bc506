"""How much a transport to SQS may use: connections, and seconds."""

from __future__ import annotations

from dataclasses import dataclass

from sqsjobs.errors import ConfigurationError

__all__ = ["Pools", "Timeouts"]


@dataclass(frozen=True, slots=True)
class Pools:
    """How many connections each client may have; they are made when needed.

    Attributes:
        poll: at least the long polls open at once: one more waits for its turn until it times out.
        control: deletes and visibility changes at once.
        send: sends at once.
    """

    poll: int = 64
    control: int = 32
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
