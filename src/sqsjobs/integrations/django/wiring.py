"""The app of each alias in ``TASKS``, with the Django tasks that it runs: one in a process, whatever thread asks."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import django
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from sqsjobs.app import App
from sqsjobs.errors import ConfigurationError
from sqsjobs.integrations.django.discovery import discovered
from sqsjobs.integrations.django.interface import BaseTaskBackend, Task, task_backends
from sqsjobs.integrations.django.options import BackendOptions
from sqsjobs.integrations.django.running import runner
from sqsjobs.task import Task as JobTask
from sqsjobs.task import task as declare

__all__ = ["Wiring", "app_of_worker", "wiring"]


@dataclass(frozen=True, slots=True)
class Wiring:
    """An app, and the tasks of Django's that it runs.

    Attributes:
        app: enqueues their jobs, and runs them in workers.
        tasks: as Django has them, by their paths: the names under which messages speak of them.
        jobs: the same as the app has them.
    """

    app: App
    tasks: Mapping[str, Task]
    jobs: Mapping[str, JobTask[..., Any]]


_made: dict[str, Wiring] = {}
_making = threading.RLock()


def wiring(backend: BaseTaskBackend) -> Wiring:
    """Return the wiring of a backend's alias; the first call imports the modules that have tasks.

    Raises:
        ConfigurationError: if the options of the backend, or one of the tasks, cannot be.
        AppRegistryNotReady: before Django is set up.
    """
    with _making:
        if backend.alias not in _made:
            _made[backend.alias] = _wired(backend)
        return _made[backend.alias]


def app_of_worker(name: str, backend: type[BaseTaskBackend]) -> App:
    """Return the app that a command line names: ``app``, or ``app_<alias>`` where there are several.

    Raises:
        ConfigurationError: if Django cannot be set up, or no alias with that `backend` is meant.
    """
    try:
        if not apps.ready:
            django.setup()
        aliases = [alias for alias in task_backends if isinstance(task_backends[alias], backend)]
    except ImproperlyConfigured as problem:
        raise ConfigurationError(
            f"Django cannot be set up: {problem} Say where the settings are: DJANGO_SETTINGS_MODULE=shop.settings"
        ) from problem
    return wiring(task_backends[_meant(name.removeprefix("app").removeprefix("_"), aliases)]).app


def _meant(alias: str, aliases: list[str]) -> str:
    chosen = alias or ("default" if "default" in aliases or len(aliases) != 1 else aliases[0])
    if chosen not in aliases:
        there = f": name one of {', '.join(f'app_{name}' for name in aliases)}" if aliases else ""
        raise ConfigurationError(
            f"TASKS[{chosen!r}] in Django's settings has no BACKEND 'sqsjobs.integrations.django.SQSJobsBackend'{there}"
        )
    return chosen


def _wired(backend: BaseTaskBackend) -> Wiring:
    options = BackendOptions.of(backend.alias, backend.options)
    found = discovered(options.modules)
    tasks = {task.module_path: task for task in reversed(found)}  # of several of one function, the first
    app = options.make_app(backend.alias)
    app.registry.name_queues({*backend.queues, *(_home(task, backend) for task in found)})
    return Wiring(app, tasks, {name: _job_task(app, task, backend, options) for name, task in tasks.items()})


def _job_task(app: App, task: Task, backend: BaseTaskBackend, options: BackendOptions) -> JobTask[..., Any]:
    """Return the task of the app's that runs `task`: the one that it has already, where settings changed in between."""
    known = app.registry.get(task.module_path)
    if known is not None and getattr(known.function, "runs", None) is task.func:
        return known
    function = runner(task, backend.alias, type(backend), options.retry)
    made: JobTask[..., Any] = declare(task.module_path, queue=_home(task, backend), **options.of_tasks)(function)
    app.include(made)
    return made


def _home(task: Task, backend: BaseTaskBackend) -> str:
    """Return the queue that `task` names, or any of the backend's where it was declared for another backend."""
    queue: str = task.queue_name
    return queue if not backend.queues or queue in backend.queues else min(backend.queues)


def _forget(*, setting: str, **_: object) -> None:
    """Begin anew where tests change the settings."""
    if setting in {"TASKS", "INSTALLED_APPS"}:
        with _making:
            forgotten = list(_made.values())
            _made.clear()
        for wired in forgotten:
            wired.app.close_sync()


setting_changed.connect(_forget)
