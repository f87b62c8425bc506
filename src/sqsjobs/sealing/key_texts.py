"""Keys as text, ``kind:ID:MATERIAL``, as they stand in the environment; no error ever quotes the material."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from sqsjobs.errors import ConfigurationError
from sqsjobs.sealing.sealed import from_base64

__all__ = ["KeyText", "checked_key_id", "listed_keys"]

_KEY_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class KeyText:
    """The three parts of a key that is written as text."""

    kind: str
    id: str
    material: str = field(repr=False)

    @classmethod
    def parse(cls, text: str, *, what: str, kinds: Sequence[str]) -> Self:
        """Take `text` apart; `what` is for the error.

        Raises:
            ConfigurationError: if it has another form, or another kind.
        """
        kind, _, rest = text.strip().partition(":")
        key_id, colon, material = rest.partition(":")
        if kind not in kinds or not colon or not material:
            forms = " or ".join(f"{kind}:ID:…" for kind in kinds)
            raise ConfigurationError(f"a {what} is written {forms}; `sqsjobs keys new` makes one")
        return cls(kind, checked_key_id(key_id), material)

    @property
    def raw(self) -> bytes:
        """The material as bytes; it is written in base64, be it base64url or not, padded or not."""
        try:
            return from_base64(self.material.rstrip("=").translate(_TO_BASE64URL))
        except ValueError:
            raise ConfigurationError(f"the material of key {self.id!r} is not base64") from None


_TO_BASE64URL: Final = str.maketrans("+/", "-_")


def checked_key_id(key_id: str) -> str:
    """Return `key_id` if it can be one.

    Raises:
        ConfigurationError: if not; ids travel in messages and logs, so the alphabet is closed.
    """
    if not _KEY_ID.fullmatch(key_id):
        raise ConfigurationError("the id of a key has 1 to 64 characters of A-Z a-z 0-9 . _ -")
    return key_id


def listed_keys(text: str) -> list[str]:
    """Return the keys of a list that is separated by commas or white space."""
    return text.replace(",", " ").split()
