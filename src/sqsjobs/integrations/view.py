"""A job as a client of a web API sees it: JSON, an entity tag, when to ask again, and the lines of an event stream."""

from __future__ import annotations

import hashlib
import re
from typing import Final

import msgspec

from sqsjobs.following.shown import shown
from sqsjobs.job import JobStatus
from sqsjobs.store.base import JobRecord

__all__ = ["KEEP_ALIVE", "RETRY_STREAM", "JobView"]

KEEP_ALIVE: Final = b": still here\n\n"
"""A comment of an event stream: proxies end connections that are silent."""
RETRY_STREAM: Final = b"retry: 2000\n\n"
"""After how many milliseconds a client is to connect again (HTML standard, "Server-sent events")."""

_ASK_AGAIN: Final = (1, 30)
"""The shortest and the longest Retry-After, in seconds."""
_SHARE_OF_AGE: Final = 0.1
_TAG: Final = re.compile(r'"[^"]*"')
"""An entity tag, without the mark that it is weak (RFC 9110, 8.8.3)."""


class JobView:
    """What one client sees of one job at one moment.

    Args:
        record: of the job.
        error_text: whether the texts of all errors are shown, or only those that the task wrote for others
            (`Reject`, `Discard`).
    """

    def __init__(self, record: JobRecord, *, error_text: bool = False) -> None:
        self._record = record
        self._error_text = error_text

    @property
    def status(self) -> JobStatus:
        """Where the job is in its life."""
        return self._record.status

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self._record.status.ended

    def body(self) -> bytes:
        """Return the JSON: ids, status, attempts, progress and dates, and at the end ``result`` or ``error``."""
        return msgspec.json.encode(shown(self._record, error_text=self._error_text))

    def etag(self) -> str:
        """Return the entity tag: it changes with anything that the body says."""
        return f'"{hashlib.blake2b(self.body(), digest_size=12).hexdigest()}"'

    def is_known(self, tags: str) -> bool:
        """Return whether If-None-Match names this state: by one of its entity tags, or as ``*`` (RFC 9110, 13.1.2).

        The comparison is weak: a proxy that compresses makes entity tags weak, and they are still those of this state.
        """
        return tags.strip() == "*" or self.etag() in _TAG.findall(tags)

    def retry_after(self, now: float) -> int:
        """Return in how many seconds it is worth asking again: a tenth of the job's age, 1 to 30 s.

        Args:
            now: seconds since 1970.
        """
        shortest, longest = _ASK_AGAIN
        return min(longest, max(shortest, round((now - self._record.enqueued_at) * _SHARE_OF_AGE)))

    def event(self) -> bytes:
        """Return the job as an event of a stream: its status is the event's name, its entity tag the event's id."""
        return b"id: %s\nevent: %s\ndata: %s\n\n" % (self.etag().encode(), self._record.status.encode(), self.body())
