"""What the writer of a mistyped word may have meant."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from sqsjobs.errors import ConfigurationError

__all__ = ["check_options", "did_you_mean"]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` with the nearest of the known words, or nothing if none is near."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""


def check_options(given: Iterable[str], known: Collection[str], owner: str) -> None:
    """Raise `ConfigurationError` for the first of the given options that `owner`, such as "a worker", does not have."""
    for option in given:
        if option not in known:
            raise ConfigurationError(
                f"{owner} has no option {option!r}; it has {', '.join(known)}.{did_you_mean(option, known)}"
            )
