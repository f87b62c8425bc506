"""From the URL of a job store to the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode

from sqsjobs.clock import Clock
from sqsjobs.errors import ConfigurationError
from sqsjobs.store.base import JobStore
from sqsjobs.store.memory import MemoryStore

__all__ = ["open_store"]

_FORMS: Final = (
    "memory://",
    "sqlite:///relative.db",
    "sqlite:////absolute/path.db",
    "redis://host:6379/0",
    "rediss://host:6379/0",
    "postgresql://user@host/database",
    "dynamodb://table",
)


def open_store(url: str, *, clock: Clock | None = None, region: str | None = None) -> JobStore:
    """Return the unopened store that `url` names; `docs/stores.md` has all forms.

    Args:
        url: of the store.
        clock: whose dates say what has expired.
        region: of a store on AWS whose URL names none.

    Raises:
        ConfigurationError: if no store is known under the URL's scheme, the rest of it makes no sense, or what the
            store is made of is not installed.
    """
    scheme, _, rest = url.partition("://")
    if scheme not in _STORES:
        # The URL itself may hold a password, so only its scheme is repeated.
        raise ConfigurationError(f"no job store is known as {scheme[:40]!r}; known are {', '.join(_FORMS)}")
    return _STORES[scheme](_Place(url, rest, region), clock)


class _Place(NamedTuple):
    """Where a store is: its URL, what stands there behind the scheme, and the region of the app's queues."""

    url: str
    rest: str
    region: str | None


def _memory(place: _Place, clock: Clock | None) -> JobStore:
    if place.rest:
        raise ConfigurationError("a job store in memory has no name: its URL is just memory://")
    return MemoryStore(clock=clock)


def _sqlite(place: _Place, clock: Clock | None) -> JobStore:
    from sqsjobs.store.sqlite import SqliteStore  # noqa: PLC0415 - some Pythons are built without SQLite

    if not place.rest.startswith("/") or "?" in place.rest:
        raise ConfigurationError(
            f"{place.url} names no file: sqlite:/// and a path relative to the working directory (sqlite:///jobs.db), "
            f"or sqlite://// and an absolute one; there are no options"
        )
    return SqliteStore(unquote(place.rest[1:]), clock=clock)


def _redis(place: _Place, clock: Clock | None) -> JobStore:
    with _extra("redis", "redis"):
        from sqsjobs.store.redis import RedisStore  # noqa: PLC0415 - an extra
    plain, options = _without_options(place.url, {"namespace", "allow_eviction"})
    return RedisStore(
        plain,
        namespace=options.get("namespace", "sqsjobs"),
        allow_eviction=_flag("allow_eviction", options.get("allow_eviction", "false")),
        clock=clock,
    )


def _postgres(place: _Place, clock: Clock | None) -> JobStore:
    with _extra("postgres", "asyncpg"):
        from sqsjobs.store.postgres import PostgresStore  # noqa: PLC0415 - an extra
    plain, options = _without_options(place.url, {"schema"})
    return PostgresStore(plain, schema=options.get("schema", "sqsjobs"), clock=clock)


def _dynamodb(place: _Place, clock: Clock | None) -> JobStore:
    from sqsjobs.store.dynamodb import DynamoStore  # noqa: PLC0415 - one of many

    plain, options = _without_options(place.url, {"region", "endpoint_url"})
    table = plain.partition("://")[2].rstrip("/")
    return DynamoStore(
        table, region=options.get("region", place.region), endpoint_url=options.get("endpoint_url"), clock=clock
    )


_STORES: Final[Mapping[str, Callable[[_Place, Clock | None], JobStore]]] = {
    "memory": _memory,
    "sqlite": _sqlite,
    "redis": _redis,
    "rediss": _redis,
    "postgresql": _postgres,
    "postgres": _postgres,
    "dynamodb": _dynamodb,
}


@contextmanager
def _extra(extra: str, module: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as missing:
        if missing.name != module:
            raise
        raise ConfigurationError(
            f"this job store needs {module}, which is not installed: pip install 'sqsjobs[{extra}]'"
        ) from None


def _without_options(url: str, ours: set[str]) -> tuple[str, dict[str, str]]:
    """Return the URL without the options of its query that are `ours`, and these."""
    plain, _, query = url.partition("?")
    options = parse_qsl(query, keep_blank_values=True)
    theirs = urlencode([(name, value) for name, value in options if name not in ours])
    return f"{plain}?{theirs}" if theirs else plain, {name: value for name, value in options if name in ours}


def _flag(name: str, text: str) -> bool:
    if text not in {"true", "false"}:
        raise ConfigurationError(f"{name} in the job store's URL is true or false, not {text[:40]!r}")
    return text == "true"
