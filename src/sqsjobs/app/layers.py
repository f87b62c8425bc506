"""The layers around envelopes that follow from what the program says and the settings."""

from __future__ import annotations

from sqsjobs.errors import ConfigurationError
from sqsjobs.sealing import Signing
from sqsjobs.sealing.key_texts import listed_keys
from sqsjobs.settings import Settings

__all__ = ["signing_of"]


def signing_of(settings: Settings) -> Signing | None:
    """Return the keys of signatures that the settings give, or None.

    Raises:
        ConfigurationError: if one cannot be, or a signature is required and there is no key.
    """
    required = _switch(settings.require_signature, "SQSJOBS_REQUIRE_SIGNATURE")
    if not settings.signing_keys:
        if required:
            raise ConfigurationError("SQSJOBS_REQUIRE_SIGNATURE is on, and SQSJOBS_SIGNING_KEYS gives no key")
        return None
    return Signing(
        listed_keys(settings.signing_keys),
        require_signature=required is not False,
        revoked=listed_keys(settings.revoked_keys or ""),
    )


def _switch(value: str | None, variable: str) -> bool | None:
    if value is None:
        return None
    if value.lower() in {"1", "true", "yes", "on"}:
        return True
    if value.lower() in {"0", "false", "no", "off"}:
        return False
    raise ConfigurationError(f"{variable} is true or false, not {value!r}")
