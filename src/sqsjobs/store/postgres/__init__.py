"""A job store in PostgreSQL; importing it needs ``sqsjobs[postgres]``."""

from sqsjobs.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
