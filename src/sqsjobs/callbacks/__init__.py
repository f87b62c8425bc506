"""Callbacks: what became of a job, posted to a URL of its caller's choice as a signed webhook (Standard Webhooks 1.0).

Here is where they may go (`destinations`, `addresses`), how they are signed and verified (`webhook`), and how they are posted (`posting`).
A worker makes a job of each (`sqsjobs.worker.notices`), and that job posts it (`sqsjobs.app.callback_task`).
"""

from __future__ import annotations

from sqsjobs.callbacks.options import CALLBACK_TASK, Callbacks, check_callback
from sqsjobs.callbacks.webhook import Webhook

__all__ = ["CALLBACK_TASK", "Callbacks", "Webhook", "check_callback"]
