"""Where the model's identifiers come from: a seeded generator, so that a run can be repeated."""

from __future__ import annotations

import random

__all__ = ["Ids"]


class Ids:
    """Makes message ids (in the form of UUIDs), sequence numbers and task ids."""

    __slots__ = ("_rng", "_sequence")

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._sequence = 18_870_000_000_000_000_000

    def new(self) -> str:
        """Return a new id."""
        digits = f"{self._rng.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    def next_sequence(self) -> str:
        """Return the next SequenceNumber: 20 digits, growing, with gaps as SQS has them."""
        self._sequence += 256
        return str(self._sequence)
