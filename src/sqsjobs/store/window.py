"""A transaction in memory: `rows.Rows` over what is known of a ledger, and the moves that were asked for."""

from __future__ import annotations

from collections.abc import Collection

from sqsjobs.job import JobId
from sqsjobs.store.base import JobRecord
from sqsjobs.store.ledger import Key, Move, View, new_version

__all__ = ["Unseen", "Window"]


class Unseen(LookupError):
    """Raised where an operation asks for what nobody has read yet: read `ids` and `keys`, and do it again."""

    def __init__(self, ids: Collection[JobId] = (), keys: Collection[Key] = ()) -> None:
        super().__init__(ids, keys)
        self.ids = ids
        self.keys = keys


class Window:
    """Sees the ledger through `view`, and its own writes before that; it changes neither."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._written: dict[JobId, JobRecord | None] = {}

    def read(self, job_id: JobId) -> JobRecord | None:
        if job_id in self._written:
            return self._written[job_id]
        if job_id not in self._view.entries:
            raise Unseen([job_id])
        entry = self._view.entries[job_id]
        return None if entry is None else entry.record

    def holder(self, task: str, unique: str) -> JobRecord | None:
        if (task, unique) not in self._view.holders:
            raise Unseen(keys=[(task, unique)])
        job_id = self._view.holders[task, unique]
        return None if job_id is None else self.read(job_id)

    def write(self, record: JobRecord) -> None:
        self._written[record.id] = record

    def delete(self, job_id: JobId) -> None:
        self._written[job_id] = None

    def moves(self) -> list[Move]:
        """Return what was asked for, deletions first: they free keys."""
        moves = [
            Move(job_id, self._view.entries[job_id], after, "" if after is None else new_version(after))
            for job_id, after in self._written.items()
        ]
        return sorted(moves, key=lambda move: move.after is not None)
