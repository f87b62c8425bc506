"""Apps that sign: from their options, from the environment, and never by showing a key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.sealing.samples import NEW, OLD

from sqsjobs import AesKey, App, ConfigurationError, MemorySQS, MemoryTransport, Signing, UntrustedEnvelope
from sqsjobs.settings import Settings
from sqsjobs.testing import MemoryApp


def transport(queue_prefix: str = "") -> MemoryTransport:
    return MemoryTransport(MemorySQS(), create_missing=True, queue_prefix=queue_prefix)


async def sent_by(app: App) -> str:
    """What an app sends, as a message body."""

    @app.task()
    async def greet(name: str) -> None: ...

    async with app:
        await greet.enqueue("Ada")
        (delivery,) = await app.transport.receive("default", limit=1, wait=0, visibility=30)
        return delivery.body


async def test_an_app_signs_for_its_queue_and_environment():
    """S4: the queue's name at SQS, which has the transport's prefix."""
    app = App(
        "shop",
        transport=transport(queue_prefix="prod-"),
        store=None,
        signing=Signing([NEW]),
        environment="production",
    )
    header = json.loads(json.loads(await sent_by(app))["header"])
    assert (header["queue"], header["environment"], header["task"]) == ("prod-default", "production", "greet")


async def test_an_app_finds_its_keys_in_the_environment(monkeypatch, tmp_path):
    """S6: the first key signs; the file of a mounted secret will do; what the program says goes before."""
    (tmp_path / "keys").write_text(f"{NEW.text}\n{OLD.text}\n")
    monkeypatch.setenv("SQSJOBS_SIGNING_KEYS", f"file:{tmp_path / 'keys'}")
    monkeypatch.setenv("SQSJOBS_ENVIRONMENT", "staging")
    body = await sent_by(App("shop", transport=transport(), store=None))
    header = json.loads(json.loads(body)["header"])
    assert (header["signed"]["key"], header["environment"]) == (NEW.id, "staging")
    async with App("shop", transport=transport(), store=None) as worker:
        assert (await worker.sealing.open(body, queue="default", message_id="m" * 36)).task == "greet"
        with pytest.raises(UntrustedEnvelope, match="is unsigned"):
            await worker.sealing.open('{"sqsjobs":1,"task":"greet"}', queue="default", message_id="m" * 36)
    plain = await sent_by(App("shop", transport=transport(), store=None, signing=None))
    assert json.loads(plain)["sqsjobs"] == 1


async def test_a_signature_may_be_wanted_but_not_required(monkeypatch):
    """S3: `SQSJOBS_REQUIRE_SIGNATURE=false` is the way in, not the default; keys can be revoked from outside."""
    monkeypatch.setenv("SQSJOBS_SIGNING_KEYS", f"{NEW.text},{OLD.text}")
    async with App("shop", transport=transport(), store=None) as app:
        assert app.sealing.signing is not None
        assert app.sealing.signing.require_signature
    monkeypatch.setenv("SQSJOBS_REQUIRE_SIGNATURE", "false")
    monkeypatch.setenv("SQSJOBS_REVOKED_KEYS", NEW.id)
    async with App("shop", transport=transport(), store=None) as app:
        assert repr(app.sealing.signing) == "<Signing: 2026-05; 2026-05 signs, not required>"


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"SQSJOBS_REQUIRE_SIGNATURE": "true"}, "SQSJOBS_SIGNING_KEYS gives no key"),
        ({"SQSJOBS_REQUIRE_SIGNATURE": "maybe", "SQSJOBS_SIGNING_KEYS": NEW.text}, "is true or false, not 'maybe'"),
        ({"SQSJOBS_SIGNING_KEYS": "hmac:only-an-id"}, "is written hmac:ID"),
        ({"SQSJOBS_SIGNING_KEYS": "file:/nowhere/at/all"}, "cannot read the file that SQSJOBS_SIGNING_KEYS names"),
    ],
)
async def test_keys_in_the_environment_that_cannot_be_are_named(monkeypatch, variables, problem):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=problem) as caught:
        await App("shop", transport=transport(), store=None).__aenter__()
    assert NEW.text not in str(caught.value)


def test_keys_stand_in_no_file_of_the_project(tmp_path: Path):
    """S13: what pyproject.toml says is committed."""
    (tmp_path / "pyproject.toml").write_text(f'[tool.sqsjobs]\nsigning-keys = "{NEW.text}"\n')
    with pytest.raises(ConfigurationError, match="set SQSJOBS_SIGNING_KEYS") as caught:
        Settings.load({}, tmp_path)
    assert NEW.text not in str(caught.value)
    (tmp_path / "pyproject.toml").unlink()
    assert NEW.text not in repr(Settings.load({"SQSJOBS_SIGNING_KEYS": NEW.text}, tmp_path))


async def test_an_app_finds_its_encryption_in_the_environment(monkeypatch):
    """S5: keys and threshold, and what the program says goes before."""
    monkeypatch.setenv("SQSJOBS_ENCRYPTION_KEYS", AesKey.new("e").text)
    monkeypatch.setenv("SQSJOBS_COMPRESS_OVER", "20")
    header = json.loads(json.loads(await sent_by(App("shop", transport=transport(), store=None)))["header"])
    assert (header["encrypted"]["key"], header["compressed"]) == ("e", "zlib")
    async with App("shop", transport=transport(), store=None, compress_over=None) as app:
        assert app.sealing.compress_over is None
        assert app.sealing.encryption is not None
        assert app.sealing.encryption.require_encryption
    async with App("shop", transport=transport(), store=None, encryption=None) as app:
        assert (app.sealing.compress_over, app.sealing.encryption) == (20, None)
    monkeypatch.setenv("SQSJOBS_COMPRESS_OVER", "some")
    with pytest.raises(ConfigurationError, match="is a number of bytes, not 'some'"):
        await App("shop", transport=transport(), store=None).__aenter__()


async def test_an_app_in_memory_needs_no_keys(monkeypatch):
    """Its tests read what was enqueued, whatever the environment says."""
    monkeypatch.setenv("SQSJOBS_COMPRESS_OVER", "0")
    app = App("shop", signing=Signing([NEW]))

    @app.task()
    async def greet(name: str) -> None: ...

    async with MemoryApp(app) as jobs:
        await greet.enqueue("Ada")
        jobs.assert_enqueued(greet, "Ada")
        await jobs.drain()
