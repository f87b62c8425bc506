"""The records of jobs as rows of an SQLite file: its schema, and reading and writing under a transaction."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

from sqsjobs.errors import ConfigurationError, StoreError, StoreUnavailable
from sqsjobs.job import JobId
from sqsjobs.store.base import JobRecord
from sqsjobs.store.flat import FIELDS, flat, unflat
from sqsjobs.store.listing import JobQuery, Place

__all__ = ["SCHEMA_VERSION", "Table"]

SCHEMA_VERSION = 2
"""Which schema this code reads and writes; kept in the file as its ``user_version``."""

_APPLICATION_ID = 0x53514A53
"""Marks the file as ours ("SQJS", SQLite's ``application_id``), so that no other application's file is written to."""

_UNFINISHED = "status NOT IN ('succeeded', 'failed', 'discarded', 'cancelled')"

_VERSION_1 = (
    """CREATE TABLE jobs (
    id TEXT PRIMARY KEY, task TEXT NOT NULL, queue TEXT NOT NULL, status TEXT NOT NULL,
    attempts INTEGER NOT NULL, crashes INTEGER NOT NULL, epoch INTEGER NOT NULL,
    enqueued_at REAL NOT NULL, lease_until REAL, not_before REAL, started_at REAL, ended_at REAL,
    worker TEXT, result BLOB, failure TEXT, dead_lettered INTEGER NOT NULL, unique_key TEXT,
    result_expires_at REAL, expires_at REAL
)""",
    f"""CREATE UNIQUE INDEX jobs_unfinished_by_key ON jobs (task, unique_key)
    WHERE unique_key IS NOT NULL AND {_UNFINISHED}""",
    "CREATE INDEX jobs_by_expiry ON jobs (expires_at) WHERE expires_at IS NOT NULL",
    "CREATE INDEX jobs_by_result_expiry ON jobs (result_expires_at) WHERE result IS NOT NULL",
    f"PRAGMA application_id = {_APPLICATION_ID}",
)
_VERSION_2 = (
    "ALTER TABLE jobs ADD COLUMN group_id TEXT",
    "ALTER TABLE jobs ADD COLUMN envelope TEXT",
    "ALTER TABLE jobs ADD COLUMN progress TEXT",
    "ALTER TABLE jobs ADD COLUMN history TEXT",
    "ALTER TABLE jobs ADD COLUMN cancel_requested_at REAL",
    "CREATE INDEX jobs_by_time ON jobs (enqueued_at, id)",
    "CREATE INDEX jobs_by_status ON jobs (status, enqueued_at, id)",
    "CREATE INDEX jobs_by_task ON jobs (task, enqueued_at, id)",
)
_STEPS = (_VERSION_1, _VERSION_2)
"""What makes each version of the one before; files of any age are brought up to date when they are opened."""

_RENAMED = {"unique": "unique_key", "group": "group_id"}
"""Columns that are not called as their fields are, because SQL has those words."""
_COLUMNS = tuple(_RENAMED.get(name, name) for name in FIELDS)


def _select(*, without: Collection[str] = ()) -> str:
    columns = (f"NULL AS {column}" if column in without else column for column in _COLUMNS)
    return f"SELECT {', '.join(columns)} FROM jobs"  # noqa: S608 - made of the constants above


_SELECT = _select()
_SELECT_SHARED = _select(without=["envelope"])
_SELECT_LISTED = _select(without=["envelope", "result", "history"])
_IDS_AT_ONCE = 500
"""Ids in one query; SQLite has been built with limits of 999 values."""
_UPSERT = (
    f"INSERT INTO jobs ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "  # noqa: S608 - the same
    f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{column} = excluded.{column}' for column in _COLUMNS[1:])}"
)
_COUNT_TABLES = "SELECT count(*) FROM sqlite_master"
_HOLDER = f"{_SELECT} WHERE task = ? AND unique_key = ? AND {_UNFINISHED}"
_DROP_RECORDS = "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE expires_at <= ? LIMIT ?)"
_DROP_RESULTS = (
    "UPDATE jobs SET result = NULL "
    "WHERE id IN (SELECT id FROM jobs WHERE result IS NOT NULL AND result_expires_at <= ? LIMIT ?)"
)


class Table:
    """One connection to the file, as `rows.Rows`; it stays in the thread that made it.

    In WAL mode with ``synchronous=FULL`` what was committed outlives a crash of the process and of the machine: SQS's
    message is deleted once the end of its job is recorded, so a record lost with the power could not be made again.
    """

    def __init__(self, path: Path, *, wait: float, writes: bool) -> None:
        """Open the file at `path`, made if it is absent; a lock is waited for `wait` seconds.

        Transactions take the lock of the one writer at their begin if the table `writes`, and none otherwise.

        Raises:
            ConfigurationError: if the file cannot be opened, or is no job store, or one of a newer version.
            StoreUnavailable: if it stays locked.
        """
        self._path = path
        self._wait = wait
        self._begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
        patience = 0 if writes else wait  # of SQLite itself, inside a transaction; the writers queue at its begin
        _check_place(path)
        try:
            with ExitStack() as undo:
                self._connection = undo.enter_context(
                    closing(sqlite3.connect(path, timeout=patience, isolation_level=None))
                )
                self._when_free(self._set_up)
                undo.pop_all()
        except sqlite3.Error as error:
            raise _unopened(error, path, wait) from error

    def close(self) -> None:
        """Close the connection; the last one of a file folds the write-ahead log into it."""
        self._connection.close()

    @property
    def in_transaction(self) -> bool:
        """Whether the transaction is still open: SQLite ends it by itself after the worst errors."""
        return self._connection.in_transaction

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make what is done inside one step for every other reader and writer, committed at the end."""
        self._when_free(lambda: self._connection.execute(self._begin))
        try:
            yield
            self._connection.execute("COMMIT")
        finally:
            if self.in_transaction:
                self._connection.execute("ROLLBACK")

    def explained(self, error: Exception) -> Exception:
        """Return what the caller of an operation is told about `error`."""
        return _unanswered(error, self._path, self._wait) if isinstance(error, sqlite3.Error) else error

    def read(self, job_id: JobId) -> JobRecord | None:
        return self._one(f"{_SELECT} WHERE id = ?", (job_id,))

    def read_many(self, job_ids: Collection[JobId]) -> list[JobRecord]:
        left = iter(job_ids)
        found: list[JobRecord] = []
        while some := tuple(islice(left, _IDS_AT_ONCE)):
            found += self._all(f"{_SELECT_SHARED} WHERE id IN ({', '.join('?' * len(some))})", some)
        return found

    def newest(self, query: JobQuery, after: Place | None, now: float) -> list[JobRecord]:
        conditions: dict[str, tuple[object, ...]] = {"(expires_at IS NULL OR expires_at > ?)": (now,)}
        if query.status is not None:
            conditions["status = ?"] = (query.status.value,)
        if query.task is not None:
            conditions["task = ?"] = (query.task,)
        if query.since is not None:
            conditions["enqueued_at >= ?"] = (query.since,)
        if after is not None:
            conditions["(enqueued_at, id) < (?, ?)"] = (after.enqueued_at, after.job_id)
        values = [value for some in conditions.values() for value in some]
        order = "ORDER BY enqueued_at DESC, id DESC LIMIT ?"
        return self._all(f"{_SELECT_LISTED} WHERE {' AND '.join(conditions)} {order}", (*values, query.limit + 1))

    def holder(self, task: str, unique: str) -> JobRecord | None:
        return self._one(_HOLDER, (task, unique))

    def write(self, record: JobRecord) -> None:
        self._connection.execute(_UPSERT, tuple(flat(record).values()))

    def delete(self, job_id: JobId) -> None:
        self._connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,))

    def drop_expired(self, now: float, limit: int) -> tuple[int, int]:
        """Drop at most `limit` expired records and as many expired results; return how many of each."""
        records = self._connection.execute(_DROP_RECORDS, (now, limit)).rowcount
        return records, self._connection.execute(_DROP_RESULTS, (now, limit)).rowcount

    def _one(self, query: str, values: tuple[str, ...]) -> JobRecord | None:
        row = self._connection.execute(query, values).fetchone()
        return None if row is None else _record(row)

    def _all(self, query: str, values: Sequence[object]) -> list[JobRecord]:
        return [_record(row) for row in self._connection.execute(query, values)]

    def _when_free(self, step: Callable[[], object]) -> None:
        # SQLite's own waiting sleeps longer and longer: with eight busy processes, some came to their turn after seconds.
        deadline = time.monotonic() + self._wait
        while True:
            try:
                step()
            except sqlite3.OperationalError as error:
                if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
            else:
                return
            time.sleep(random.uniform(0.0005, 0.003))

    def _set_up(self) -> None:
        version = self._version()
        if self._pragma("journal_mode = WAL") != "wal":
            raise ConfigurationError(f"{self._path} is where SQLite's WAL mode does not work: put it on a local disk")
        self._pragma("synchronous = FULL")
        self._pragma("journal_size_limit = 67108864")
        if version < SCHEMA_VERSION:
            self._bring_up_to_date()

    def _bring_up_to_date(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in chain(*_STEPS[self._version() :]):  # another process may have done it meanwhile
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            self._connection.execute("COMMIT")
        finally:
            if self.in_transaction:
                self._connection.execute("ROLLBACK")

    def _version(self) -> int:
        version, (tables,) = self._pragma("user_version"), self._connection.execute(_COUNT_TABLES).fetchone()
        if (version or tables) and self._pragma("application_id") != _APPLICATION_ID:
            raise ConfigurationError(f"{self._path} is another application's database: name a file of its own")
        if version > SCHEMA_VERSION:
            raise ConfigurationError(
                f"{self._path} has schema {version} of a newer sqsjobs, this one knows {SCHEMA_VERSION}: "
                f"upgrade sqsjobs here, or name another file"
            )
        return int(version)

    def _pragma(self, text: str) -> Any:  # what SQLite answers: a number, a word, or nothing
        row = self._connection.execute(f"PRAGMA {text}").fetchone()
        return None if row is None else row[0]


def _check_place(path: Path) -> None:
    if not path.parent.is_dir():
        raise ConfigurationError(f"the job store {path} has no directory: create {path.parent}, or name another file")
    if path.is_dir():
        raise ConfigurationError(f"the job store {path} is a directory: name a file in it")


def _unopened(error: sqlite3.Error, path: Path, wait: float) -> Exception:
    match _code(error):
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return ConfigurationError(f"{path} is no SQLite database, or a damaged one ({error}): name another file")
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return ConfigurationError(
                f"{path} cannot be written ({error}): this user needs write permission for the file and its directory"
            )
        case sqlite3.SQLITE_FULL:
            return ConfigurationError(f"{path} cannot be made, the disk is full: free some space, or name another file")
    return _unanswered(error, path, wait)


def _unanswered(error: sqlite3.Error, path: Path, wait: float) -> StoreError:
    match _code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreUnavailable(f"the job store {path} was locked by another process for {wait:g} s")
        case sqlite3.SQLITE_FULL:
            return StoreUnavailable(f"the job store {path} cannot grow, its disk is full")
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_NOMEM:
            return StoreUnavailable(f"the job store {path} cannot be read or written: {error}")
    return StoreError(f"the job store {path} failed: {error}")


def _code(error: sqlite3.Error) -> int:
    extended: int = getattr(error, "sqlite_errorcode", 0)  # absent where Python's module refused before SQLite saw it
    return extended & 0xFF


def _record(row: Sequence[Any]) -> JobRecord:
    return unflat(dict(zip(FIELDS, row, strict=True)))
