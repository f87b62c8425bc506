"""Which browser sent which picture, and which job looks at it: the service's own table, and what `authorize` asks."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

__all__ = ["Entry", "Gallery", "new_secret", "owner_of"]

_TABLE = """
CREATE TABLE IF NOT EXISTS entries (
    job TEXT PRIMARY KEY, owner TEXT NOT NULL, picture TEXT NOT NULL, name TEXT NOT NULL, burst TEXT NOT NULL, at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_owner ON entries (owner, burst, at);
"""


@dataclass(frozen=True)
class Entry:
    """A picture that was accepted; `at` is in seconds since 1970, `burst` is empty for pictures sent by themselves."""

    job: str
    owner: str
    picture: UUID
    name: str
    burst: str = ""
    at: float = 0.0


def new_secret() -> str:
    """Return what a browser is to keep in its cookie: who has it owns the pictures."""
    return secrets.token_urlsafe(32)


def owner_of(secret: str) -> str:
    """Return the name of an owner in the table, from which nobody who reads the table learns the cookie."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Gallery:
    """The table, in a file; its methods block for as long as SQLite does, and may be called from any thread."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + _TABLE)

    def add(self, entry: Entry) -> None:
        """Remember a picture."""
        row = (entry.job, entry.owner, entry.picture.hex, entry.name, entry.burst, time.time())
        with self._lock:
            self._database.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", row)

    def entry(self, job: str, owner: str) -> Entry | None:
        """Return the entry of a job if it is the owner's."""
        found = self._select("job = ? AND owner = ?", job, owner)
        return found[0] if found else None

    def entries(self, owner: str, burst: str = "", limit: int = 1000) -> list[Entry]:
        """Return an owner's pictures, of a burst or those sent by themselves, the latest first."""
        return self._select("owner = ? AND burst = ? ORDER BY at DESC LIMIT ?", owner, burst, limit)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _select(self, where: str, *values: object) -> list[Entry]:
        with self._lock:
            rows = self._database.execute(f"SELECT * FROM entries WHERE {where}", values).fetchall()
        return [Entry(job, owner, UUID(picture), name, burst, at) for job, owner, picture, name, burst, at in rows]
