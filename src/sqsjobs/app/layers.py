"""The layers around envelopes that follow from the settings, where the program says nothing of them."""

from __future__ import annotations

from sqsjobs.errors import ConfigurationError
from sqsjobs.sealing import Encryption, Signing
from sqsjobs.sealing.key_texts import listed_keys
from sqsjobs.settings import Settings

__all__ = ["compression_of", "encryption_of", "signing_of"]


def signing_of(settings: Settings) -> Signing | None:
    """Return the keys of signatures that the settings give, or None.

    Raises:
        ConfigurationError: if one cannot be, or a signature is required and there is no key.
    """
    required = _required(settings.require_signature, "SQSJOBS_REQUIRE_SIGNATURE", settings.signing_keys, "SIGNING")
    if not settings.signing_keys:
        return None
    return Signing(
        listed_keys(settings.signing_keys),
        require_signature=required,
        revoked=listed_keys(settings.revoked_keys or ""),
    )


def encryption_of(settings: Settings) -> Encryption | None:
    """Return the keys of encryption that the settings give, or None.

    Raises:
        ConfigurationError: if one cannot be, or encryption is required and there is no key.
    """
    required = _required(
        settings.require_encryption, "SQSJOBS_REQUIRE_ENCRYPTION", settings.encryption_keys, "ENCRYPTION"
    )
    if not settings.encryption_keys:
        return None
    return Encryption(
        listed_keys(settings.encryption_keys),
        require_encryption=required,
        revoked=listed_keys(settings.revoked_keys or ""),
    )


def compression_of(settings: Settings) -> int | None:
    """Return the bytes above which the settings want envelopes compressed, or None.

    Raises:
        ConfigurationError: if it is no number.
    """
    if settings.compress_over is None:
        return None
    if not (settings.compress_over.isascii() and settings.compress_over.isdigit()):
        raise ConfigurationError(f"SQSJOBS_COMPRESS_OVER is a number of bytes, not {settings.compress_over!r}")
    return int(settings.compress_over)


def _required(value: str | None, variable: str, keys: str | None, kind: str) -> bool:
    required = _switch(value, variable)
    if required and not keys:
        raise ConfigurationError(f"{variable} is on, and SQSJOBS_{kind}_KEYS gives no key")
    return required is not False


def _switch(value: str | None, variable: str) -> bool | None:
    if value is None:
        return None
    if value.lower() in {"1", "true", "yes", "on"}:
        return True
    if value.lower() in {"0", "false", "no", "off"}:
        return False
    raise ConfigurationError(f"{variable} is true or false, not {value!r}")
