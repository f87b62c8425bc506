"""From the URL of a job store to the store."""

from __future__ import annotations

from urllib.parse import unquote

from sqsjobs.clock import Clock
from sqsjobs.errors import ConfigurationError
from sqsjobs.store.base import JobStore
from sqsjobs.store.memory import MemoryStore

__all__ = ["open_store"]

_KNOWN = "memory://, sqlite:///relative.db, sqlite:////absolute/path.db"


def open_store(url: str, *, clock: Clock | None = None) -> JobStore:
    """Return the unopened store that `url` names: ``memory://``, ``sqlite:///relative.db``, ``sqlite:////absolute.db``.

    Raises:
        ConfigurationError: if no store is known under the URL's scheme, or the rest of it makes no sense.
    """
    scheme, _, rest = url.partition("://")
    match scheme:
        case "memory" if not rest:
            return MemoryStore(clock=clock)
        case "memory":
            raise ConfigurationError("a job store in memory has no name: its URL is just memory://")
        case "sqlite":
            return _sqlite(rest, clock)
    # The URL itself may hold a password, so only its scheme is repeated.
    raise ConfigurationError(f"no job store is known as {scheme[:40]!r}; known are {_KNOWN}")


def _sqlite(rest: str, clock: Clock | None) -> JobStore:
    from sqsjobs.store.sqlite import SqliteStore  # noqa: PLC0415 - some Pythons are built without SQLite

    if not rest.startswith("/") or "?" in rest:
        raise ConfigurationError(
            f"sqlite://{rest} names no file: sqlite:/// and a path relative to the working directory (sqlite:///jobs.db), "
            f"or sqlite://// and an absolute one; there are no options"
        )
    return SqliteStore(unquote(rest[1:]), clock=clock)
