"""From a URL to a store."""

from __future__ import annotations

import re
import sys

import pytest
from tests.store.samples import NOW, FixedClock, queued

from sqsjobs.errors import ConfigurationError
from sqsjobs.store.memory import MemoryStore
from sqsjobs.store.opening import open_store


def test_memory():
    assert isinstance(open_store("memory://"), MemoryStore)


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:///jobs.db", "here/jobs.db"),
        ("sqlite:///sub/jobs.db", "here/sub/jobs.db"),
        ("sqlite:///./my%20jobs%3F.db", "here/my jobs?.db"),
    ],
)
def test_a_relative_file(url, file, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert repr(open_store(url)) == f"<SqliteStore {tmp_path / file}>"


def test_an_absolute_file():
    assert repr(open_store("sqlite:////var/lib/jobs.db")) == "<SqliteStore /var/lib/jobs.db>"


@pytest.mark.parametrize("url", ["mysql://me:secret@db/jobs", "jobs.db", "", "SQLITE:///jobs.db"])
def test_an_unknown_scheme_is_answered_with_the_known_ones(url):
    """Without repeating the URL, which may hold a password."""
    with pytest.raises(ConfigurationError) as refused:
        open_store(url)
    assert "memory://, sqlite:///relative.db, sqlite:////absolute/path.db" in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        *("memory://jobs", "sqlite://jobs.db", "sqlite://", "sqlite:///", "sqlite:///jobs.db?wait=1"),
        *("redis://host:port", "redis://host?allow_eviction=1", "redis://host?namespace=a{b}"),
        *("dynamodb://", "dynamodb://a/b", "dynamodb://jobs?endpoint_url=ftp://host"),
        *("postgresql://host:port/jobs", "postgresql://host/jobs?schema=a-b"),
    ],
)
def test_a_url_that_makes_no_sense_says_so(url):
    with pytest.raises(ConfigurationError):
        open_store(url)


@pytest.mark.parametrize(
    ("url", "store"),
    [
        ("redis://host", "<RedisStore host:6379/0 sqsjobs>"),
        ("rediss://me:secret@host:6380/3?namespace=shop", "<RedisStore host:6380/3 shop>"),
        ("dynamodb://jobs", "<DynamoStore jobs>"),
        ("dynamodb://jobs?region=eu-west-1&endpoint_url=http://localhost:8000", "<DynamoStore jobs>"),
        ("postgresql://host/jobs", "<PostgresStore host:5432/jobs sqsjobs>"),
        ("postgres://me:secret@host:6000/jobs?schema=shop&sslmode=require", "<PostgresStore host:6000/jobs shop>"),
    ],
)
def test_a_server(url, store):
    """Named without its password."""
    assert repr(open_store(url)) == store


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [("redis://host", "redis", "sqsjobs[redis]"), ("postgresql://host/jobs", "asyncpg", "sqsjobs[postgres]")],
)
def test_a_store_whose_client_is_not_installed_says_which_extra_is_missing(url, module, extra, monkeypatch):
    for name in [
        name for name in sys.modules if name.startswith((module, "sqsjobs.store.redis", "sqsjobs.store.postgres"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Absent(module), *sys.meta_path])
    with pytest.raises(ConfigurationError, match=re.escape(f"pip install '{extra}'")):
        open_store(url)


class Absent:
    """Finds that a module is not installed."""

    def __init__(self, module):
        self.module = module

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == self.module:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.partition(".")[0])


async def test_the_clock_decides_what_has_expired(tmp_path):
    clock = FixedClock(NOW)
    for url in ("memory://", f"sqlite:///{tmp_path}/jobs.db"):
        async with open_store(url, clock=clock) as store:
            record = queued(expires_at=NOW + 1)
            await store.insert(record)
            assert await store.get(record.id) == record
            clock.time = NOW + 1
            assert await store.get(record.id) is None
            clock.time = NOW
