"""From ``module:attribute`` to the app, with hints where there is none."""

from __future__ import annotations

import pytest

from sqsjobs.cli.target import load_app
from sqsjobs.errors import ConfigurationError


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Make a module in the working directory."""
    made: list[str] = []

    def make(text: str, name: str | None = None) -> str:
        name = name or f"target_{tmp_path.name}_{len(made)}"
        made.append(name)
        (tmp_path / f"{name}.py").write_text(text)
        return name

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return make


TWO_APPS = "from sqsjobs import App\napp = App('a')\nadmin = App('b')\nclass Namespace:\n    inner = App('c')\n"


def test_an_app_by_its_path(module):
    name = module(TWO_APPS)
    assert load_app(f"{name}:app").name == "a"
    assert load_app(f"{name}:admin").name == "b"
    assert load_app(f"{name}:Namespace.inner").name == "c"


def test_the_only_app_of_a_module_needs_no_name(module):
    assert load_app(module("from sqsjobs import App\nshop = again = App('a')\n")).name == "a"


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("jobs/app.py", "write module:attribute"),
        (":app", "write module:attribute"),
        ("{name}:ap", "Did you mean 'app'"),
        ("{name}", "several apps"),
        ("{name}:Namespace", "is a type and no App"),
        ("{name}x:app", "Did you mean '{name}'"),
        ("os:path", "it has no App at all"),
        ("sqsjobs.clockwork:app", "Did you mean 'sqsjobs.clock'"),
        ("{name}.app:app", "there is no module "),
    ],
)
def test_a_wrong_path_is_explained(module, path, hint):
    name = module(TWO_APPS)
    with pytest.raises(ConfigurationError) as raised:
        load_app(path.format(name=name))
    assert hint.format(name=name) in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import not_there_at_all\n", "ModuleNotFoundError: No module named 'not_there_at_all'"),
        ("\n\nundefined\n", "line 3"),
        ("def\n", "SyntaxError"),
        ("raise SystemExit(3)\n", "SystemExit"),
    ],
)
def test_an_app_that_cannot_be_imported(module, text, said):
    """The message says what went wrong and where; the cause keeps the traceback for --debug."""
    name = module(text)
    with pytest.raises(ConfigurationError, match="importing") as raised:
        load_app(f"{name}:app")
    assert said in str(raised.value)
    assert raised.value.__cause__ is not None
