"""Settings: the environment before pyproject.toml, and nothing misread."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqsjobs import ConfigurationError
from sqsjobs.settings import Settings


def load(folder: Path, table: str = "", **environ: str) -> Settings:
    (folder / "pyproject.toml").write_text(table)
    return Settings.load(environ, folder)


def test_nothing_said_is_none(tmp_path):
    assert load(tmp_path) == Settings()


def test_the_environment_goes_before_the_file(tmp_path):
    table = '[tool.sqsjobs]\napp = "shop:app"\nstore = "sqlite:///file.db"\nqueue-prefix = "dev-"\n'
    settings = load(tmp_path, table, SQSJOBS_STORE="memory://", SQSJOBS_QUEUE_PREFIX="", AWS_REGION="eu-west-1")
    assert settings == Settings(app="shop:app", store="memory://", queue_prefix="dev-", region="eu-west-1")


def test_the_file_is_looked_for_upwards(tmp_path):
    load(tmp_path, '[tool.sqsjobs]\nregion = "us-east-1"\n')
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert Settings.load({}, below).region == "us-east-1"


def test_the_sqs_endpoint_goes_before_the_general_one(tmp_path):
    both = {"AWS_ENDPOINT_URL": "http://localhost:1", "AWS_ENDPOINT_URL_SQS": "http://localhost:2"}
    assert load(tmp_path, **both).endpoint_url == "http://localhost:2"
    assert load(tmp_path, AWS_ENDPOINT_URL="http://localhost:1").endpoint_url == "http://localhost:1"


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("[tool.sqsjobs]\nstroe = 'x'\n", "no key 'stroe'; it has app, store"),
        ("[tool.sqsjobs]\nstore = 3\n", "store is a text, not 3"),
        ("[tool]\nsqsjobs = 3\n", "is a table"),
        ("[tool.sqsjobs\n", "cannot read .*pyproject.toml"),
    ],
)
def test_what_makes_no_sense_is_named_with_its_file(tmp_path, table, problem):
    with pytest.raises(ConfigurationError, match=problem):
        load(tmp_path, table)
