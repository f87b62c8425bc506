"""What the import linter cannot see: calls that are never made here, and names that are never given."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "sqsjobs"

CODE_FROM_TEXT = {"eval", "exec", "compile", "__import__"}
CODE_FROM_BYTES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "yaml"}
NAMELESS = {"util", "utils", "helper", "helpers", "common", "manager", "data", "info", "misc"}
LARGE = {
    *("aioboto3", "aiobotocore", "aiohttp", "asyncpg", "boto3", "botocore", "cyclopts", "prometheus_client", "redis"),
    "rich",
}

IMPORTERS_BY_NAME = {
    "__init__.py",  # public names, loaded when they are first used
    "testing/__init__.py",  # the same
    "cli/target.py",  # the app that the command line names
    "worker/child.py",  # the same app, in a child process
}
"""Modules that import by a name that the program or its user wrote; none comes from a message."""


def test_what_arrives_is_decoded_and_never_run() -> None:
    """S1: no pickle, no eval, no import by a message's word, anywhere in the package."""
    executing = [
        f"{module}:{line} uses {word}"
        for module, word, line in words_used()
        if word in CODE_FROM_TEXT
        or word.partition(".")[0] in CODE_FROM_BYTES
        or (word.endswith("import_module") and module not in IMPORTERS_BY_NAME)
    ]
    assert executing == []


def test_only_the_settings_read_the_environment() -> None:
    readers = {module for module, word, _ in words_used() if word in {"os.environ", "os.getenv"}}
    assert readers == {"settings.py"}


def test_modules_are_named_for_what_lives_there() -> None:
    words = {word for path in SOURCE.rglob("*.py") for word in path.relative_to(SOURCE).with_suffix("").parts}
    assert not words & NAMELESS


def test_importing_sqsjobs_loads_no_large_library() -> None:
    """A producer that only declares tasks pays neither for the AWS SDK nor for the command line."""
    program = "import sys, sqsjobs; print(*{name.partition('.')[0] for name in sys.modules})"
    imported = subprocess.check_output([sys.executable, "-c", program], cwd=SOURCE.parent, text=True)
    assert not LARGE & set(imported.split())


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
        case ast.Call(func=ast.Name(id=name)):
            return [name]
        case ast.Attribute(value=ast.Name(id=owner), attr=attribute):
            return [f"{owner}.{attribute}"]
        case _:
            return []
