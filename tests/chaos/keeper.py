"""The app of the rig in a worker that keeps what it has when it stops: a bug that `stops` has to find."""

from __future__ import annotations

from typing import Any

from tests.chaos.app import app

from sqsjobs.worker.settler import Settler

__all__ = ["app"]


async def _keep(*_: Any) -> bool:
    """Say that a message is shown again, and leave it to its lease."""
    return True


Settler.hide = _keep  # type: ignore[assignment, method-assign]
