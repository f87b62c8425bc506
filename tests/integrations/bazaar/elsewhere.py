"""A module in which no worker looks for tasks, unless the settings name it."""

from __future__ import annotations

from tests.integrations.bazaar.tasks import task


@task
def hidden() -> str:
    """Succeed, where it is found."""
    return "found"
