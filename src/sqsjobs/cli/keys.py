"""``sqsjobs keys``: keys for signatures and encryption, made, listed without their secrets, and rotated step by step."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from sqsjobs.cli.console import note, show_json, show_table
from sqsjobs.errors import ConfigurationError
from sqsjobs.sealing import AesKey, Ed25519Key, Ed25519PublicKey, Encryption, HmacKey, KmsKey, Signing
from sqsjobs.sealing.encryption import parsed_encryption_key
from sqsjobs.sealing.key_texts import listed_keys
from sqsjobs.sealing.signing_keys import parsed_signing_key
from sqsjobs.settings import Settings

__all__ = ["list_keys", "new_key", "rotate_keys"]

Kind = Literal["hmac", "ed25519", "aes"]
Id = Annotated[str, Parameter(name="--id", help="The key's id; today's date and four letters by default.")]
Json = Annotated[bool, Parameter(help="Print JSON.")]


def new_key(
    kind: Annotated[Kind, Parameter(help="hmac and ed25519 sign, aes encrypts.")] = "hmac", /, *, key_id: Id = ""
) -> None:
    """Make a key, and print it: it is a secret.

    Of an ed25519 key the second line is the public half, for those who only verify.

        sqsjobs keys new
        sqsjobs keys new ed25519 --id web-1
        SQSJOBS_ENCRYPTION_KEYS=$(sqsjobs keys new aes) sqsjobs worker shop.jobs:app
    """
    made = _made(kind, key_id or _fresh_id())
    _say(made.text)
    if isinstance(made, Ed25519Key):
        _say(made.public.text)
        note("the first line signs, the second only verifies")


def list_keys(*, json: Json = False) -> None:
    """List the keys in the environment, without their secrets.

    Reads SQSJOBS_SIGNING_KEYS, SQSJOBS_ENCRYPTION_KEYS and SQSJOBS_REVOKED_KEYS.

        sqsjobs keys list
    """
    settings = Settings.load()
    revoked = listed_keys(settings.revoked_keys or "")
    keys = [*_signing(settings), *_encryption(settings)]
    facts = [_facts(key, keys, revoked) for key in keys]
    if json:
        show_json(facts)
        return
    show_table(["ID", "KIND", "DOES"], [[fact["id"], fact["kind"], fact["does"]] for fact in facts])


def rotate_keys(
    what: Annotated[Literal["signing", "encryption"], Parameter()] = "signing", /, *, key_id: Id = ""
) -> None:
    """Make a successor to the key in use, and print what to deploy, step by step.

    Reads SQSJOBS_SIGNING_KEYS (or SQSJOBS_ENCRYPTION_KEYS) and changes nothing.
    What it prints are secrets.

        sqsjobs keys rotate
        sqsjobs keys rotate encryption --id 2027-01
    """
    settings = Settings.load()
    keys = _signing(settings) if what == "signing" else _encryption(settings)
    variable = f"SQSJOBS_{what.upper()}_KEYS"
    used = next((key for key in keys if not isinstance(key, Ed25519PublicKey)), None)
    if used is None or isinstance(used, KmsKey):
        raise ConfigurationError(f"{variable} has no key of its own that is in use; a KMS key is rotated in KMS")
    made = _made(_kind(used), key_id or _fresh_id())
    old, new = [key.text for key in keys], made.text
    _check(what, [*old, new])
    for step, (ring, why) in enumerate(
        (
            ([*old, new], "everybody learns the new key"),
            ([new, *old], "it is used"),
            ([new], "when what the old ones sealed has run or expired: they go"),
        ),
        1,
    ):
        note(f"{step}. {why}:")
        _say(f"{variable}={','.join(ring)}")
    if isinstance(made, Ed25519Key):
        note("whoever only verifies has this in place of the new key:")
        _say(made.public.text)


def _say(text: str) -> None:
    """Print a key alone on its line, so that a script can take it."""
    sys.stdout.write(f"{text}\n")


def _made(kind: str, key_id: str) -> HmacKey | Ed25519Key | AesKey:
    match kind:
        case "hmac":
            return HmacKey.new(key_id)
        case "ed25519":
            return Ed25519Key.new(key_id)
        case _:
            return AesKey.new(key_id)


def _fresh_id() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}-{secrets.token_hex(2)}"


def _signing(settings: Settings) -> list[Any]:
    return [parsed_signing_key(text) for text in listed_keys(settings.signing_keys or "")]


def _encryption(settings: Settings) -> list[Any]:
    return [parsed_encryption_key(text) for text in listed_keys(settings.encryption_keys or "")]


def _check(what: str, texts: Sequence[str]) -> None:
    """Make sure that the ring can be, before anybody deploys it."""
    if what == "signing":
        Signing(texts)
    else:
        Encryption(texts)


def _kind(key: Any) -> str:
    return str(key.text).partition(":")[0]


def _facts(key: Any, keys: Sequence[Any], revoked: Sequence[str]) -> dict[str, str]:
    encrypts = isinstance(key, AesKey | KmsKey)
    rivals = [it for it in keys if isinstance(it, AesKey | KmsKey) == encrypts and it.id not in revoked]
    first = next((it for it in rivals if not isinstance(it, Ed25519PublicKey)), None)
    reads, writes = ("decrypts", "encrypts") if encrypts else ("verifies", "signs")
    does = "nothing: revoked" if key.id in revoked else f"{writes}, {reads}" if key is first else reads
    return {"id": key.id, "kind": _kind(key), "does": does}
