"""``sqsjobs keys``: keys made, listed and rotated."""

from __future__ import annotations

import json

import pytest

from sqsjobs import AesKey, Ed25519Key, Ed25519PublicKey, Encryption, HmacKey, Signing
from sqsjobs.cli.exits import OK, USAGE
from sqsjobs.sealing.signing_keys import parsed_signing_key


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


def test_a_new_key_can_be_used_as_it_is_printed(run_here):
    """S6: alone on standard output; of an ed25519 key the public half, too."""
    ran = run_here("keys", "new")
    assert (ran.code, ran.err) == (OK, "")
    assert Signing([ran.out.strip()]).signer
    ran = run_here("keys", "new", "ed25519", "--id", "web-1")
    private, public = ran.out.split()
    assert private.startswith("ed25519:web-1:")
    assert Signing([public]).signer is None
    assert "only verifies" in ran.err
    assert Encryption([run_here("keys", "new", "aes").out.strip()]).key_ids


def test_two_new_keys_differ(run_here):
    assert run_here("keys", "new").out != run_here("keys", "new").out


def test_keys_are_listed_without_their_secrets(run_here, monkeypatch):
    """S13: and with what each is for."""
    keys: list[HmacKey | Ed25519PublicKey] = [
        HmacKey.new("old"),
        Ed25519Key.new("web").public,
        HmacKey.new("new"),
        HmacKey.new("lost"),
    ]
    monkeypatch.setenv("SQSJOBS_SIGNING_KEYS", ",".join(key.text for key in keys))
    monkeypatch.setenv("SQSJOBS_ENCRYPTION_KEYS", f"kms:main:alias/jobs {AesKey.new('e').text}")
    monkeypatch.setenv("SQSJOBS_REVOKED_KEYS", "lost")
    ran = run_here("keys", "list", "--json")
    assert json.loads(ran.out) == [
        {"id": "old", "kind": "hmac", "does": "signs, verifies"},
        {"id": "web", "kind": "ed25519-public", "does": "verifies"},
        {"id": "new", "kind": "hmac", "does": "verifies"},
        {"id": "lost", "kind": "hmac", "does": "nothing: revoked"},
        {"id": "main", "kind": "kms", "does": "encrypts, decrypts"},
        {"id": "e", "kind": "aes", "does": "decrypts"},
    ]
    told = ran.out + run_here("keys", "list").out
    assert not any(key.text.rpartition(":")[2] in told for key in keys)


@pytest.mark.parametrize("what", ["signing", "encryption"])
def test_a_rotation_is_three_steps(run_here, monkeypatch, what):
    """S6: learn, use, forget; the drill with workers is tests/worker/test_sealed.py."""
    old = HmacKey.new("a") if what == "signing" else AesKey.new("a")
    variable = f"SQSJOBS_{what.upper()}_KEYS"
    monkeypatch.setenv(variable, old.text)
    ran = run_here("keys", "rotate", what, "--id", "b")
    assert ran.code == OK
    rings = [line.removeprefix(f"{variable}=").split(",") for line in ran.out.splitlines()]
    new = rings[2][0]
    assert rings == [[old.text, new], [new, old.text], [new]]
    assert new.split(":")[:2] == [old.text.split(":")[0], "b"]
    assert ran.err.startswith("1. everybody learns the new key")


def test_a_rotation_of_ed25519_tells_the_public_half(run_here, monkeypatch):
    monkeypatch.setenv("SQSJOBS_SIGNING_KEYS", Ed25519Key.new("a").text)
    *_, new, public = run_here("keys", "rotate").out.splitlines()
    signer = Signing([new.partition("=")[2]]).signer
    assert signer is not None
    assert signer.sign is not None
    assert parsed_signing_key(public).verifies(signer.sign(b"message"), b"message")


@pytest.mark.parametrize(
    ("variables", "words", "problem"),
    [
        ({}, ["keys", "rotate"], "SQSJOBS_SIGNING_KEYS has no key of its own that is in use"),
        ({"SQSJOBS_ENCRYPTION_KEYS": "kms:m:alias/a"}, ["keys", "rotate", "encryption"], "is rotated in KMS"),
        (
            {"SQSJOBS_SIGNING_KEYS": HmacKey.new("a").text},
            ["keys", "rotate", "--id", "a"],
            "two signing keys have one id",
        ),
        ({"SQSJOBS_SIGNING_KEYS": "hmac:a"}, ["keys", "list"], "is written hmac:ID"),
        ({}, ["keys", "new", "--id", "no good"], "the id of a key"),
    ],
)
def test_what_cannot_be_is_said(run_here, monkeypatch, variables, words, problem):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    ran = run_here(*words)
    assert ran.code == USAGE
    assert problem in ran.err
    assert ran.out == ""
