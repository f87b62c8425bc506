"""What the tests of callbacks share: the workers' rig in real time."""

from __future__ import annotations

from tests.worker.conftest import rig

__all__ = ["rig"]
