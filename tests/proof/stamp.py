"""Which tree a ledger is of, and when it was written: each says it of itself, so that one of another day is known as that."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["stamp"]


def stamp(rig: str) -> dict[str, str]:
    """Return what a ledger begins with."""
    return {"rig": rig, "commit": _commit(), "date": datetime.now(UTC).isoformat(timespec="seconds")}


def _commit() -> str:
    """Return what the working tree is, for git."""
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip() or "unknown"
