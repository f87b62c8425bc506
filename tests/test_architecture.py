"""What the import linter cannot see: calls that are never made here, and names that are never given."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sqsjobs import envelope, task
from sqsjobs.registry import Registry

SOURCE = Path(__file__).parents[1] / "src" / "sqsjobs"

CODE_FROM_TEXT = {"eval", "exec", "compile", "__import__"}
CODE_FROM_BYTES = {"pickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle", "yaml"}
CODE_BY_NAME = {"builtins", "codeop", "imp", "runpy", "zipimport"}
NAMELESS = {"util", "utils", "helper", "helpers", "common", "manager", "data", "info", "misc"}
LARGE = {
    *("aioboto3", "aiobotocore", "aiohttp", "asyncpg", "boto3", "botocore", "cyclopts", "prometheus_client", "redis"),
    "rich",
}

BY_NAME = ("import_module", "import_string")
IMPORTERS_BY_NAME = {
    "__init__.py",  # public names, loaded when they are first used
    "testing/__init__.py",  # the same
    "cli/target.py",  # the app that the command line names
    "integrations/django/discovery.py",  # modules that Django's settings name
    "integrations/django/options.py",  # an app that Django's settings name
    "worker/child.py",  # the same app, in a child process
}
"""Modules that import by a name that the program or its user wrote; none comes from a message."""


def test_what_arrives_is_decoded_and_never_run() -> None:
    """S1: no pickle, no eval, no import by a message's word, anywhere in the package."""
    executing = [
        f"{module}:{line} uses {word}"
        for module, word, line in words_used()
        if runs_code(word) and not (word.endswith(BY_NAME) and module in IMPORTERS_BY_NAME)
    ]
    assert executing == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "import pickle as harmless",
        "from pickle import loads",
        "from marshal import loads",
        "import yaml; yaml.load(text)",
        "eval(text)",
        "exec(text)",
        "compile(text, '', 'exec')",
        "__import__(name)",
        "import builtins; builtins.exec(text)",
        "from builtins import eval as read",
        "import importlib; importlib.import_module(name)",
        "from importlib import import_module",
        "from django.utils.module_loading import import_string",
        "import importlib; importlib.__import__(name)",
        "import runpy",
        "pipe.recv()",
        "run = eval",
    ],
)
def test_the_gate_sees_what_runs_code(line: str) -> None:
    """S1: in every way in which it may be written."""
    assert any(runs_code(word) for node in ast.walk(ast.parse(line)) for word in _words_of(node))


def runs_code(word: str) -> bool:
    """Whether what is called so makes code, or objects of any class, of what it is given."""
    first, _, last = word.partition(".")[0], word, word.rpartition(".")[2]
    return (
        first in CODE_FROM_BYTES | CODE_BY_NAME
        or word in CODE_FROM_TEXT
        or last in {*BY_NAME, "__import__"}
        or word == "pipe.recv"  # a Connection's recv unpickles; recv_bytes does not
    )


@pytest.mark.parametrize(
    "name", ["os.system", "builtins.exec", "subprocess:run", "sqsjobs.app.App", "__import__", "task"]
)
def test_a_name_in_a_message_is_looked_up_and_nothing_else(name: str) -> None:
    """S2: it is one in the registry, or none; no attribute is followed, no module loaded."""
    seen: list[str] = []
    registry = Registry()
    registry.add(task(name="known")(_known))
    job = envelope.decode(json.dumps({"sqsjobs": 1, "task": name, "id": "0" * 16}), queue="q", message_id="m")
    with _audited(seen):
        assert registry.get(job.task) is None
    assert seen == []


async def _known() -> None: ...


@contextmanager
def _audited(seen: list[str]) -> Iterator[None]:
    """List what is imported, compiled, executed and started."""
    listening = True

    def hook(event: str, _: tuple[object, ...]) -> None:
        if listening and event in {"import", "exec", "compile", "os.system", "os.exec", "subprocess.Popen"}:
            seen.append(event)

    sys.addaudithook(hook)
    yield
    listening = False


def test_only_the_settings_read_the_environment() -> None:
    """A child process removes variables from its own, and reads none."""
    readers = {module for module, word, _ in words_used() if word in {"os.environ", "os.getenv"}}
    assert readers == {"settings.py", "worker/child_variables.py"}


def test_modules_are_named_for_what_lives_there() -> None:
    words = {word for path in SOURCE.rglob("*.py") for word in path.relative_to(SOURCE).with_suffix("").parts}
    assert not words & NAMELESS


def test_importing_sqsjobs_loads_no_large_library() -> None:
    """A producer that only declares tasks pays neither for the AWS SDK nor for the command line."""
    program = "import sys, sqsjobs; print(*{name.partition('.')[0] for name in sys.modules})"
    imported = subprocess.check_output([sys.executable, "-c", program], cwd=SOURCE.parent, text=True)
    assert not LARGE & set(imported.split())


@pytest.mark.parametrize(
    "module", ["sqsjobs", "sqsjobs.cli.commands", "sqsjobs.worker.worker", "sqsjobs.transport.sqs_client"]
)
def test_importing_makes_no_connection(module: str) -> None:
    """S23: no import asks the network for anything."""
    program = (
        "import sys; seen = []; "
        "sys.addaudithook(lambda event, _: seen.append(event) if event.startswith('socket.') else None); "
        f"import {module}; print(*sorted(set(seen)))"
    )
    used = subprocess.check_output([sys.executable, "-c", program], cwd=SOURCE.parent, text=True)
    assert not {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"} & set(used.split())


def words_used() -> Iterator[tuple[str, str, int]]:
    """Yield what the modules of the package import, call and read, as dotted names: module, name, line."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for word in _words_of(node):
                yield path.relative_to(SOURCE).as_posix(), word, getattr(node, "lineno", 0)


def _words_of(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(origin), names=names, level=0):
            return [f"{origin}.{alias.name}" for alias in names]
        case ast.Name(id=name) if name in CODE_FROM_TEXT:
            return [name]
        case ast.Attribute(value=ast.Name(id=owner), attr=attribute):
            return [f"{owner}.{attribute}"]
        case _:
            return []
