"""Tasks of Django's, run over SQS.

    TASKS = {"default": {"BACKEND": "sqsjobs.integrations.django.SQSJobsBackend", "QUEUES": ["default", "mails"]}}

    DJANGO_SETTINGS_MODULE=shop.settings sqsjobs worker sqsjobs.integrations.django:app

The app for workers, `app`, is made when it is first asked for: then Django is set up. Where several aliases have this
backend, `app` is that of ``default``, and `app_<alias>` any other's.
"""

from __future__ import annotations

from sqsjobs.integrations.django.backend import SQSJobsBackend
from sqsjobs.integrations.django.wiring import app_of_worker

__all__ = ["SQSJobsBackend"]


def __getattr__(name: str) -> object:
    if name == "app" or name.startswith("app_"):
        return app_of_worker(name, SQSJobsBackend)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
