"""Settings as a project has them; where queues and records are is said by the environment."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from sqsjobs import Retry, constant

SECRET_KEY = "of no use"
USE_TZ = True
LOGGING_CONFIG = None
INSTALLED_APPS = ["tests.integrations.bazaar"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("BAZAAR_DATABASE", str(Path(tempfile.gettempdir(), "bazaar-nowhere.sqlite3"))),
        "OPTIONS": {"timeout": 20},
    }
}
BACKEND = "sqsjobs.integrations.django.SQSJobsBackend"
TASKS = {
    "default": {
        "BACKEND": BACKEND,
        "QUEUES": ["default", "mails"],
        "OPTIONS": {"retry": Retry(max_attempts=2, backoff=constant(0.01))},
    }
}
