"""Which tasks of Django's there are: those in modules that the settings name, and never one that a message names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from types import ModuleType

from django.apps import apps
from django.utils.module_loading import module_has_submodule

from sqsjobs.errors import ConfigurationError
from sqsjobs.integrations.django.interface import Task

__all__ = ["discovered"]


def discovered(modules: Iterable[str]) -> Sequence[Task]:
    """Return the tasks in the ``tasks`` modules of the installed apps, and in `modules`, in the order of their names there.

    Several of them may be of one function, and then of one path: ``slow = report.using(queue_name="slow")``.

    Raises:
        ConfigurationError: if one of `modules` does not exist; what a module raises when it is imported goes through.
        AppRegistryNotReady: before Django is set up.
    """
    return [task for module in _modules(modules) for task in vars(module).values() if isinstance(task, Task)]


def _modules(named: Iterable[str]) -> Iterator[ModuleType]:
    for app in apps.get_app_configs():
        if module_has_submodule(app.module, "tasks"):
            yield import_module(f"{app.name}.tasks")
    for name in named:
        try:
            yield import_module(name)
        except ModuleNotFoundError as missing:
            if missing.name is None or not f"{name}.".startswith(f"{missing.name}."):
                raise
            raise ConfigurationError(
                f"OPTIONS of TASKS: there is no module {missing.name!r}, as modules says"
            ) from missing
