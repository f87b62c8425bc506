"""What may go wrong with a call beside what SQS's own rules say: the hook for tests and fault rigs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Protocol

from sqsjobs.transport.model.refusal import Refusal

__all__ = ["NO_FAULT", "Fault", "Faults", "NoAnswer"]

_NO_ENTRIES: Mapping[int, Refusal] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one call.

    Attributes:
        delay: seconds before anything happens.
        before: raised in place of the operation, which is not carried out.
        after: raised in place of the answer, when the operation has been carried out.
        entries: the entries of a batch (by position) that are refused while the others are carried out.
        duplicate: what is received stays visible, so that it is delivered again (standard queues do that).
        resurrect: a delete succeeds and the message comes back when its visibility ends (standard queues do that).
    """

    delay: float = 0.0
    before: Refusal | NoAnswer | None = None
    after: Refusal | NoAnswer | None = None
    entries: Mapping[int, Refusal] = field(default_factory=lambda: _NO_ENTRIES)
    duplicate: bool = False
    resurrect: bool = False


class NoAnswer(Exception):
    """The connection breaks where an answer should come."""


class Faults(Protocol):
    """Decides for every call what goes wrong with it."""

    def __call__(self, operation: str, queue: str | None) -> Fault | None:
        """Return the fault of this call, or None; `operation` as SQS calls it, such as ``"ReceiveMessage"``."""
        ...


NO_FAULT: Final = Fault()
"""Nothing goes wrong."""
