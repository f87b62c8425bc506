"""Sets Django up when it is imported, which comes before any import of models and tasks."""

from __future__ import annotations

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.integrations.bazaar.settings")
django.setup()
