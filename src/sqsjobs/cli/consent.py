"""Leave for what cannot be taken back: nothing is done unless it was said twice, or said with ``--yes``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from sqsjobs.cli.console import note
from sqsjobs.errors import ConfigurationError

__all__ = ["CONSENT", "Consent"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Consent:
    """Whether a command does what it has announced.

    Attributes:
        dry_run: Only say what would be done, which is the default.
        execute: Do it, once the queue's name has been typed.
        yes: Do it without asking.
    """

    dry_run: Annotated[bool, Parameter(alias="-n", negative="")] = False
    execute: Annotated[bool, Parameter(alias="-x", negative="")] = False
    yes: Annotated[bool, Parameter(alias="-y", negative="")] = False

    def given(self, name: str, done: str) -> bool:
        """Return whether to go on, and say why not.

        Args:
            name: of the queue, to be typed.
            done: what is done, such as "sent".

        Raises:
            ConfigurationError: if there is nobody to ask.
        """
        if self.dry_run or not (self.execute or self.yes):
            note(f"this was a dry run, so nothing was {done}: say --execute, which asks for the queue's name, or --yes")
            return False
        return self.yes or _typed(name, done)


CONSENT = Consent()
"""Said nothing: a dry run."""


def _typed(name: str, done: str) -> bool:
    if not sys.stdin.isatty():
        raise ConfigurationError(f"nothing was {done}: there is nobody to ask, so say --yes")
    note(f"type the queue's name, {name}, to go on:")
    if input() == name:
        return True
    note(f"that is another name, so nothing was {done}")
    return False
