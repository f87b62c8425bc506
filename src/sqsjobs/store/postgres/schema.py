"""The tables of the job store in PostgreSQL, how they came to be, and what is said to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqsjobs.store.listing import JobQuery, Place

__all__ = ["COLUMNS", "LOCK", "MIGRATIONS", "Statements"]

LOCK: Final = 0x53514A53
"""The advisory lock under which the tables are changed ("SQJS")."""

_UNFINISHED: Final = "status NOT IN ('succeeded', 'failed', 'discarded', 'cancelled')"

MIGRATIONS: Final = (
    f"""
    CREATE TABLE {{schema}}.jobs (
        id text COLLATE "C" PRIMARY KEY, version text NOT NULL, task text NOT NULL, queue text NOT NULL,
        status text NOT NULL, unique_key text, enqueued_at float8 NOT NULL, expires_at float8,
        result_expires_at float8, result bytea, envelope text, fields text NOT NULL
    );
    CREATE UNIQUE INDEX jobs_unfinished_by_key ON {{schema}}.jobs (task, unique_key)
        WHERE unique_key IS NOT NULL AND {_UNFINISHED};
    CREATE INDEX jobs_by_expiry ON {{schema}}.jobs (expires_at);
    CREATE INDEX jobs_by_result_expiry ON {{schema}}.jobs (result_expires_at) WHERE result IS NOT NULL;
    CREATE INDEX jobs_by_time ON {{schema}}.jobs (enqueued_at, id);
    CREATE INDEX jobs_by_task ON {{schema}}.jobs (task, enqueued_at, id);
    CREATE INDEX jobs_not_succeeded ON {{schema}}.jobs (status, enqueued_at, id) WHERE status <> 'succeeded';
    """,
)
"""What makes of each version of the schema the next; never changed, only added to.

Texts of users (keys, errors) are in ``fields``, JSON in ASCII, because PostgreSQL's texts hold neither NUL nor lone
surrogates; so is the envelope, packed as JSON once more.
"""

COLUMNS: Final = {
    "id": "text",
    "version": "text",
    "task": "text",
    "queue": "text",
    "status": "text",
    "unique_key": "text",
    "enqueued_at": "float8",
    "expires_at": "float8",
    "result_expires_at": "float8",
    "result": "bytea",
    "envelope": "text",
    "fields": "text",
}
"""The columns of an entry and their types."""

_SHARED: Final = ", ".join(f"envelope IS NOT NULL AS {name}" if name == "envelope" else name for name in COLUMNS)


class Statements:
    """The statements on the tables of one schema, whose name is an identifier that needs no quotes."""

    def __init__(self, schema: str) -> None:
        self._jobs = f"{schema}.jobs"
        self.version = f"SELECT version FROM {schema}.schema_version"  # noqa: S608 - the name is checked; so below
        self.whole = f"SELECT {', '.join(COLUMNS)} FROM {self._jobs} WHERE id = $1"  # noqa: S608
        self.read = f"SELECT {_SHARED} FROM {self._jobs} WHERE id = ANY($1)"  # noqa: S608
        self.holders = (
            f"SELECT {_SHARED} FROM {self._jobs} WHERE (task, unique_key) IN "  # noqa: S608
            f"(SELECT * FROM unnest($1::text[], $2::text[])) AND {_UNFINISHED}"
        )
        self.write = self._write(schema)
        self.delete = f"DELETE FROM {self._jobs} WHERE id = $1 AND version = $2 RETURNING id"  # noqa: S608
        self.tell = f"SELECT pg_notify('{schema}', $1)"
        self.drop_records = self._some("DELETE FROM {jobs}", "expires_at <= $1")
        self.drop_results = self._some(
            "UPDATE {jobs} SET result = NULL", "result IS NOT NULL AND result_expires_at <= $1"
        )

    def newest(self, query: JobQuery, after: Place | None, now: float) -> tuple[str, list[object]]:
        """Return the statement that lists what `query` asks for, one more than its limit, and its values."""
        values: list[object] = []
        conditions = list(_conditions(query, after, now, values))
        return (
            f"SELECT {_SHARED} FROM {self._jobs} WHERE {' AND '.join(conditions)} "  # noqa: S608
            f"ORDER BY enqueued_at DESC, id DESC LIMIT {query.limit + 1}"
        ), values

    def _write(self, schema: str) -> str:
        names = ", ".join(COLUMNS)
        kinds = ("text", "bool", "bool", *COLUMNS.values())
        given = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(kinds, start=1))
        written = ", ".join(f"{name} = given.{name}" for name in COLUMNS if name not in {"id", "envelope"})
        # Rows are locked in the order of their ids, so that two such statements never wait for each other.
        return f"""
            WITH given AS (SELECT * FROM unnest({given}) AS given (expected, keep, tell, {names})),
            held AS MATERIALIZED (
                SELECT jobs.id FROM {self._jobs} JOIN given ON jobs.id = given.id AND jobs.version = given.expected
                ORDER BY jobs.id FOR UPDATE OF jobs
            ),
            updated AS (
                UPDATE {self._jobs} SET {written},
                    envelope = CASE WHEN given.keep THEN jobs.envelope ELSE given.envelope END
                FROM given JOIN held USING (id)
                WHERE jobs.id = given.id AND jobs.version = given.expected RETURNING jobs.id
            ),
            inserted AS (
                INSERT INTO {self._jobs} ({names}) SELECT {names} FROM given WHERE expected = ''
                ON CONFLICT DO NOTHING RETURNING id
            ),
            done AS (SELECT id FROM updated UNION ALL SELECT id FROM inserted)
            SELECT id, CASE WHEN tell THEN pg_notify('{schema}', id) END FROM done JOIN given USING (id)
        """  # noqa: S608

    def _some(self, statement: str, condition: str) -> str:
        return f"""
            WITH done AS ({statement.format(jobs=self._jobs)} WHERE id = ANY(ARRAY(
                SELECT id FROM {self._jobs} WHERE {condition} LIMIT $2 FOR UPDATE SKIP LOCKED
            )) RETURNING 1) SELECT count(*) FROM done
        """  # noqa: S608


def _conditions(query: JobQuery, after: Place | None, now: float, values: list[object]) -> Iterator[str]:
    def value(given: object) -> str:
        values.append(given)
        return f"${len(values)}"

    yield f"(expires_at IS NULL OR expires_at > {value(now)})"
    if query.status is not None:
        yield f"status = '{query.status.value}'"  # not a value: the index of what has not succeeded is to be found
    if query.task is not None:
        yield f"task = {value(query.task)}"
    if query.since is not None:
        yield f"enqueued_at >= {value(query.since)}"
    if after is not None:
        yield f"(enqueued_at, id) < ({value(after.enqueued_at)}, {value(after.job_id)})"
