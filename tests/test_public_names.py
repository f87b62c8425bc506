"""The public names: nothing is promised that is not there, nothing is there that is not promised, nothing heavy comes along."""

from __future__ import annotations

import inspect
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import sqsjobs
from sqsjobs import errors


def test_every_promised_name_is_there_once():
    assert len(set(sqsjobs.__all__)) == len(sqsjobs.__all__)
    for name in sqsjobs.__all__:
        assert getattr(sqsjobs, name) is not None
    assert set(sqsjobs.__all__) <= set(dir(sqsjobs))


def test_everything_imported_at_the_top_is_promised():
    modules = {module.name for module in pkgutil.iter_modules(sqsjobs.__path__)}
    machinery = {"TYPE_CHECKING", "annotations", "import_module"}
    offered = {name for name in vars(sqsjobs) if name[0].isalpha()} - modules - machinery  # pytest adds some with an @
    assert offered <= set(sqsjobs.__all__)


def test_every_error_is_public():
    public = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}
    assert public <= set(sqsjobs.__all__)
    assert public <= set(errors.__all__)


def test_the_tree_of_errors_is_drawn_as_it_is():
    drawing = errors.__doc__ or ""
    for name in errors.__all__:
        assert name in drawing or name in {"RejectedCall", "UncertainCall"}, name


def test_every_public_name_has_a_docstring():
    for name in sqsjobs.__all__:
        value = getattr(sqsjobs, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), name


def test_every_module_promises_what_it_has():
    for module in pkgutil.iter_modules(sqsjobs.__path__):
        if module.ispkg or module.name.startswith("__"):
            continue
        loaded = import_module(f"sqsjobs.{module.name}")
        for name in loaded.__all__:
            assert hasattr(loaded, name), f"{module.name}.{name}"


def test_importing_sqsjobs_imports_nothing_heavy():
    heavy = (
        "aioboto3 aiobotocore botocore aiohttp rich prometheus_client structlog pydantic cyclopts watchfiles sqlite3"
    )
    program = f"import sys, sqsjobs; print(*set({heavy.split()!r}) & set(sys.modules))"
    here = {"PYTHONPATH": str(Path(sqsjobs.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=here)
    assert done.stdout.split() == []


def test_an_unknown_name_is_an_attribute_error():
    assert not hasattr(sqsjobs, "no_such_name")
