"""Webhooks that are signed and verified as Standard Webhooks 1.0 has it.

The signature is over ``id.timestamp.body``; the header has one for each key, so that keys can be exchanged. ``whsec_…`` is a
secret of both sides (HMAC-SHA256, ``v1``); with ``whsk_…`` (Ed25519, ``v1a``, extra ``sqsjobs[crypto]``) receivers have only the public
half, ``whpk_…``, and cannot forge.
"""

from __future__ import annotations

import binascii
import hmac
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final  # Any: JSON

import msgspec

from sqsjobs.errors import ConfigurationError, InvalidWebhook

__all__ = ["Webhook"]

_SECRET_BYTES: Final = (24, 64)
"""The shortest and the longest secret (Standard Webhooks, "Signature scheme")."""
_ED25519_BYTES: Final = 32
_MOST_SIGNATURES: Final = 32
"""Signatures of one header that are looked at."""


class Webhook:
    """Signs what is posted, and verifies what has come.

    Args:
        keys: ``whsec_…``, ``whsk_…`` or ``whpk_…``, one or several: all sign (but ``whpk_…``), any verifies.

    Raises:
        ConfigurationError: if one is none; the error does not quote it.
    """

    def __init__(self, keys: str | Sequence[str]) -> None:
        self._keys = [_key_of(text) for text in ([keys] if isinstance(keys, str) else keys)]
        if not self._keys:
            raise ConfigurationError("a webhook needs a key: whsec_ and 24 to 64 random bytes in base64")

    def __repr__(self) -> str:
        return f"<Webhook with {len(self._keys)} keys>"

    @property
    def signs(self) -> bool:
        """Whether one of the keys can sign."""
        return any(key.sign for key in self._keys)

    def headers(self, webhook_id: str, timestamp: int, body: bytes) -> Mapping[str, str]:
        """Return the headers with which `body` is posted, at `timestamp` (whole seconds since 1970).

        Raises:
            ConfigurationError: if none of the keys can sign.
        """
        if not self.signs:
            raise ConfigurationError("no key of this webhook signs: it has whpk_… alone, with which receivers verify")
        signed = _signed_bytes(webhook_id, str(timestamp), body)
        signatures = [f"{key.version},{b64encode(key.sign(signed)).decode()}" for key in self._keys if key.sign]
        return {
            "webhook-id": webhook_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(signatures),
        }

    def verify(
        self, body: bytes | str, headers: Mapping[str, str], *, tolerance: float = 300.0, now: float | None = None
    ) -> Any:
        """Return the JSON in `body` if somebody with one of the keys has sent it just now.

        The same webhook may come more than once, and each time signed anew: remember its ``webhook-id`` for as long as
        its sender goes on trying, whatever `tolerance` is; a day, where that is sqsjobs and its schedule.

        Args:
            body: as it came, byte for byte.
            headers: of the request, in whatever case.
            tolerance: seconds by which its time may be off, to both sides.
            now: seconds since 1970; the machine's clock by default.

        Raises:
            InvalidWebhook: if not.
        """
        raw = _encoded(body) if isinstance(body, str) else body
        found = {name.lower(): value for name, value in headers.items()}
        try:
            webhook_id, timestamp = found["webhook-id"], found["webhook-timestamp"]
            signatures = found["webhook-signature"].split(" ")[:_MOST_SIGNATURES]
        except KeyError as missing:
            raise InvalidWebhook(f"there is no header {missing.args[0]}") from None
        self._check_time(timestamp, tolerance, time.time() if now is None else now)
        signed = _signed_bytes(webhook_id, timestamp, raw)
        if not any(_fits(key, signature, signed) for signature in signatures for key in self._keys):
            raise InvalidWebhook("no signature is that of a key which is known here")
        try:
            return msgspec.json.decode(raw)
        except msgspec.DecodeError:
            raise InvalidWebhook("the body is no JSON") from None

    def _check_time(self, timestamp: str, tolerance: float, now: float) -> None:
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 16):
            raise InvalidWebhook("webhook-timestamp is no whole number of seconds since 1970")
        if abs(now - int(timestamp)) > tolerance:
            raise InvalidWebhook(
                f"it is of {timestamp}, more than {tolerance:g} s from now: replayed, or a clock is wrong"
            )


@dataclass(frozen=True, slots=True)
class _Key:
    version: str
    sign: Callable[[bytes], bytes] | None
    verifies: Callable[[bytes, bytes], bool]


def _fits(key: _Key, signature: str, signed: bytes) -> bool:
    version, _, encoded = signature.partition(",")
    if version != key.version:
        return False
    try:
        return key.verifies(b64decode(encoded, validate=True), signed)
    except (binascii.Error, ValueError):
        return False


def _signed_bytes(webhook_id: str, timestamp: str, body: bytes) -> bytes:
    return b"%b.%b.%b" % (_encoded(webhook_id), timestamp.encode(), body)


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # a lone surrogate: what a server makes of bytes that are no UTF-8
        raise InvalidWebhook("the id, or the body, is no text that UTF-8 can hold") from None


def _key_of(text: str) -> _Key:
    kind, underscore, material = text.strip().partition("_") if isinstance(text, str) else ("", "", "")
    if not underscore or kind not in _KINDS:
        raise ConfigurationError("the key of a webhook is written whsec_…, whsk_… or whpk_…, with base64 behind it")
    try:
        raw = b64decode(material + "=" * (-len(material) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigurationError(f"the key {kind}_… of a webhook is not base64") from None
    return _KINDS[kind](raw)


def _secret(raw: bytes) -> _Key:
    shortest, longest = _SECRET_BYTES
    if not shortest <= len(raw) <= longest:
        raise ConfigurationError(
            f"a webhook's secret has {shortest} to {longest} random bytes, not {len(raw)}: "
            f"make one with `openssl rand -base64 32`, and write whsec_ before it"
        )

    def sign(message: bytes) -> bytes:
        return hmac.digest(raw, message, "sha256")

    return _Key("v1", sign, lambda signature, message: hmac.compare_digest(signature, sign(message)))


def _private(raw: bytes) -> _Key:
    from sqsjobs.sealing import ciphers  # noqa: PLC0415 - an extra

    if len(raw) not in (_ED25519_BYTES, 2 * _ED25519_BYTES):  # some write the public half behind it
        raise ConfigurationError(f"a webhook's private key has {_ED25519_BYTES} bytes, not {len(raw)}")
    seed = raw[:_ED25519_BYTES]
    return _Key("v1a", ciphers.ed25519_signer(seed), ciphers.ed25519_verifier(ciphers.ed25519_public(seed)))


def _public(raw: bytes) -> _Key:
    from sqsjobs.sealing import ciphers  # noqa: PLC0415 - an extra

    if len(raw) != _ED25519_BYTES:
        raise ConfigurationError(f"a webhook's public key has {_ED25519_BYTES} bytes, not {len(raw)}")
    return _Key("v1a", None, ciphers.ed25519_verifier(raw))


_KINDS: Final[Mapping[str, Callable[[bytes], _Key]]] = {"whsec": _secret, "whsk": _private, "whpk": _public}
