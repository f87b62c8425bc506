"""From ``module:attribute`` on the command line to the app."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import traceback
from pathlib import Path
from types import ModuleType

from sqsjobs.app import App
from sqsjobs.errors import ConfigurationError
from sqsjobs.hints import did_you_mean

__all__ = ["load_app"]


def load_app(target: str) -> App:
    """Import the app that `target` names: ``module:attribute``, or ``module`` alone where it has exactly one app.

    The working directory is importable, as it is for ``python -m``.

    Raises:
        ConfigurationError: if there is no such module or app, or importing it fails.
    """
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, "")
    module_name, _, attribute = target.partition(":")
    if not all(part.isidentifier() for part in module_name.split(".")):
        raise ConfigurationError(
            f"{target!r} is no app: write module:attribute, such as shop.jobs:app for the `app` in shop/jobs.py"
        )
    module = _imported(module_name)
    return _attribute(module, attribute) if attribute else _only_app(module)


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as missing:
        if missing.name is None or not f"{name}.".startswith(f"{missing.name}."):
            raise _import_failed(name, missing) from missing
        raise ConfigurationError(
            f"there is no module {missing.name!r} in {Path.cwd()} or on the Python path."
            f"{did_you_mean(missing.name, _neighbours(missing.name))}"
        ) from missing
    except SystemExit as ended:
        raise _import_failed(name, ended) from ended
    except Exception as error:
        raise _import_failed(name, error) from error


def _import_failed(name: str, error: BaseException) -> ConfigurationError:
    """Say where it happened; the whole traceback is the cause, which --debug shows."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    place = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames[1:] else ""  # the first one is ours
    return ConfigurationError(f"importing {name} failed: {type(error).__name__}: {error}{place}")


def _neighbours(name: str) -> list[str]:
    """The modules beside the one that is missing."""
    package, _, _ = name.rpartition(".")
    # A module that is no package has nothing inside it, and no path.
    places = list(getattr(sys.modules[package], "__path__", ())) if package in sys.modules else [str(Path.cwd())]
    return [f"{package}.{found.name}".lstrip(".") for found in pkgutil.iter_modules(places)]


def _attribute(module: ModuleType, attribute: str) -> App:
    found = module
    for part in attribute.split("."):
        found = getattr(found, part, None)  # type: ignore[assignment]
    if isinstance(found, App):
        return found
    apps = _apps(module)
    names = f"its apps: {', '.join(apps)}" if apps else "it has no App at all"
    if found is not None:
        raise ConfigurationError(f"{module.__name__}:{attribute} is a {type(found).__name__} and no App; {names}")
    raise ConfigurationError(
        f"module {module.__name__!r} has no {attribute!r}; {names}.{did_you_mean(attribute, apps)}"
    )


def _only_app(module: ModuleType) -> App:
    apps = _apps(module)
    if len({id(app) for app in apps.values()}) == 1:
        return next(iter(apps.values()))
    choice = ", ".join(f"{module.__name__}:{name}" for name in apps)
    raise ConfigurationError(
        f"module {module.__name__!r} has {'several apps: name one of ' + choice if apps else 'no App'}"
    )


def _apps(module: ModuleType) -> dict[str, App]:
    return {name: value for name, value in vars(module).items() if isinstance(value, App)}
