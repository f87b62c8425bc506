"""What a backend's ``OPTIONS`` say: the app, the modules with tasks, and how those tasks are run."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final  # Any: settings hold whatever somebody wrote

from django.utils.module_loading import import_string

from sqsjobs.app import App
from sqsjobs.errors import ConfigurationError
from sqsjobs.hints import check_options
from sqsjobs.retry import Retry

__all__ = ["BackendOptions"]

_OF_TASKS: Final = ("retry", "timeout", "on_exhausted")
_OF_APP: Final = tuple(name for name in inspect.signature(App).parameters if name != "name")
_KNOWN: Final = ("app", "modules", *_OF_TASKS, *_OF_APP)


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """The options of one alias of ``TASKS``, checked.

    Attributes:
        app: the project's own app, or the path of one (``"shop.jobs.app"``); None makes one.
        modules: where tasks are beside the ``tasks`` modules of the installed apps.
        of_tasks: `retry`, `timeout` and `on_exhausted` of every task, as `@app.task` takes them.
        of_app: what the app is made with, as `App` takes it.
    """

    app: App | str | None = None
    modules: tuple[str, ...] = ()
    of_tasks: Mapping[str, Any] = field(default_factory=dict)
    of_app: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, alias: str, given: Mapping[str, Any]) -> BackendOptions:
        """Read ``TASKS[alias]["OPTIONS"]``.

        Raises:
            ConfigurationError: if there is no such option, or `app` stands beside what the app has said itself.
        """
        owner = f"OPTIONS of TASKS[{alias!r}]"
        check_options(given, _KNOWN, owner)
        of_app = {name: given[name] for name in _OF_APP if name in given}
        app = given.get("app")
        if app is not None and of_app:
            raise ConfigurationError(f"{owner}: app is there already, so {', '.join(of_app)} are said where it is made")
        modules = given.get("modules", ())
        if isinstance(modules, str):
            raise ConfigurationError(f"{owner}: modules is a list of modules, such as [{modules!r}]")
        return cls(app, tuple(modules), {name: given[name] for name in _OF_TASKS if name in given}, of_app)

    @property
    def retry(self) -> Retry:
        """The retry policy of every task."""
        chosen: Retry = self.of_tasks.get("retry") or Retry()
        return chosen

    def make_app(self, alias: str) -> App:
        """Return the app that is named here, or a new one.

        Raises:
            ConfigurationError: if nothing, or no app, has that name, or an option cannot be.
        """
        if self.app is None:
            return App("django" if alias == "default" else f"django-{alias}", **self.of_app)
        found = _imported(self.app, alias) if isinstance(self.app, str) else self.app
        if not isinstance(found, App):
            raise ConfigurationError(f"OPTIONS of TASKS[{alias!r}]: app is an App or the path of one, not {found!r}")
        return found


def _imported(path: str, alias: str) -> object:
    try:
        return import_string(path)
    except ImportError as error:
        raise ConfigurationError(f"OPTIONS of TASKS[{alias!r}]: there is no app at {path!r}: {error}") from error
