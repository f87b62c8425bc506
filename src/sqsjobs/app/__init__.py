"""The app: `app` is what a program makes, `plan` what it says, `session` what is open, `opening` leads from one to the other.

`jobs` is what it says of jobs by their records, `portal` the thread of `enqueue_sync`.
"""

from __future__ import annotations

from sqsjobs.app.app import App

__all__ = ["App"]
