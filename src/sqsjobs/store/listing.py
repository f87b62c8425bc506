"""Lists of records, a page at a time: what is asked for, and the cursor that leads from one page to the next."""

from __future__ import annotations

import json
import math
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqsjobs.errors import ConfigurationError
from sqsjobs.job import JobStatus

__all__ = ["LARGEST_PAGE", "JobQuery", "Page", "Place"]

T = TypeVar("T")

LARGEST_PAGE = 1000
"""Records in one page at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQuery:
    """Which records are listed; all that is said holds for each.

    Attributes:
        status: where they are in their lives.
        task: their task's name.
        since: they were enqueued then (seconds since 1970) or later.
        cursor: that of the page before; None for the first one.
        limit: records in the page at most, from 1 to `LARGEST_PAGE`.

    Raises:
        ConfigurationError: if `limit` or `since` cannot be.
    """

    status: JobStatus | None = None
    task: str | None = None
    since: float | None = None
    cursor: str | None = None
    limit: int = 100

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= LARGEST_PAGE:
            raise ConfigurationError(f"limit is from 1 to {LARGEST_PAGE} jobs a page, not {self.limit!r}")
        if self.since is not None and not math.isfinite(self.since):
            raise ConfigurationError(f"since is a date, in seconds since 1970, not {self.since!r}")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Part of a list.

    Attributes:
        items: in the order of the list; fewer than were asked for, even none, do not mean that the list ends.
        cursor: leads to the next page; None if this is the last one.
    """

    items: tuple[T, ...]
    cursor: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A record's place in the list of all, by which a store without cursors of its own makes them."""

    enqueued_at: float
    job_id: str

    def cursor(self) -> str:
        """Return it as a cursor: texts that pass through URLs as they are."""
        return urlsafe_b64encode(json.dumps([self.enqueued_at, self.job_id]).encode()).decode().rstrip("=")

    @staticmethod
    def of(cursor: str) -> Place:
        """Return the place that a cursor names.

        Raises:
            ConfigurationError: if it is none that `cursor` has made.
        """
        try:
            enqueued_at, job_id = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
            return Place(float(enqueued_at), str(job_id))
        except (ValueError, TypeError):
            raise ConfigurationError(
                f"{cursor[:80]!r} is no cursor of this list: give the one that came with the page before, as it was"
            ) from None
