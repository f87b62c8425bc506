"""How large a result a job store takes."""

from __future__ import annotations

from sqsjobs.store.base import JobStore

__all__ = ["bounded_result"]


def bounded_result(store: JobStore | None, wanted: int) -> int:
    """Return how many bytes a result may have: `wanted`, or what `store` takes (its `largest_result`) if that is less."""
    return min(wanted, getattr(store, "largest_result", wanted))
