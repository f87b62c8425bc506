"""The digest under which a unique key is kept where the database would not take every text, or not such a long one."""

from __future__ import annotations

import hashlib

__all__ = ["key_digest"]


def key_digest(task: str, unique: str) -> str:
    """Return 40 hexadecimal digits for the unique key of a task."""
    return hashlib.sha256(f"{task}\0{unique}".encode("utf-8", "surrogatepass")).hexdigest()[:40]
