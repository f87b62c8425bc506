"""The layers around envelopes, and the callbacks, that follow from the settings, where the program says nothing of them."""

from __future__ import annotations

from sqsjobs.callbacks import Callbacks
from sqsjobs.errors import ConfigurationError
from sqsjobs.sealing import Encryption, Sealing, Signing
from sqsjobs.sealing.key_texts import listed_keys
from sqsjobs.settings import Settings

__all__ = ["callbacks_of", "check_can_call_back", "compression_of", "encryption_of", "signing_of"]


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


def callbacks_of(settings: Settings) -> Callbacks | None:
    """Return where the settings let callbacks go, or None.

    Raises:
        ConfigurationError: if a host or a key cannot be, or there are keys and no hosts.
    """
    if settings.callback_hosts is None:
        if settings.callback_keys:
            raise ConfigurationError("SQSJOBS_CALLBACK_KEYS is set, and SQSJOBS_CALLBACK_HOSTS says of no host")
        return None
    return Callbacks(
        hosts=listed_keys(settings.callback_hosts),
        keys=listed_keys(settings.callback_keys or ""),
        networks=listed_keys(settings.callback_networks or ""),
    )


def check_can_call_back(callbacks: Callbacks | None, sealing: Sealing) -> None:
    """Make sure that a worker can do what `callbacks` want of it.

    Raises:
        ConfigurationError: if it could not sign the callbacks, or not send the jobs that post them.
    """
    if callbacks is None:
        return
    callbacks.check_keys()
    if not sealing.can_seal:
        raise ConfigurationError(
            "a worker sends the jobs that post callbacks, and its keys only verify: give it one that signs, "
            "or callbacks=None"
        )


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
