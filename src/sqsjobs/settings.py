"""Settings from outside the program: the environment, then ``[tool.sqsjobs]`` in pyproject.toml. Nothing else reads them.

What the program itself says (`App(store=...)`) goes before both.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Self

from sqsjobs.errors import ConfigurationError

__all__ = ["Settings", "names_arenas"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of an app; None where nothing is said.

    Attributes:
        app: ``module:attribute`` of the app that commands work on (``SQSJOBS_APP``, key ``app``).
        store: URL of the job store (``SQSJOBS_STORE``, key ``store``).
        blobs: URL of where large arguments and results are kept (``SQSJOBS_BLOBS``, key ``blobs``).
        tracking: how much is recorded (``SQSJOBS_TRACKING``, key ``tracking``).
        queue_prefix: put before every queue name (``SQSJOBS_QUEUE_PREFIX``, key ``queue-prefix``).
        endpoint_url: of another server than AWS's (``AWS_ENDPOINT_URL_SQS``, ``AWS_ENDPOINT_URL``, key ``endpoint-url``).
        region: of the queues (``AWS_REGION``, ``AWS_DEFAULT_REGION``, key ``region``).
        wire: which way calls to SQS take: auto, lean or aioboto3 (``SQSJOBS_WIRE``, key ``wire``).
        environment: bound into sealed envelopes (``SQSJOBS_ENVIRONMENT``, key ``environment``).
        signing_keys: the keys of signatures (``SQSJOBS_SIGNING_KEYS``, which may be ``file:PATH``; in no file of the project).
        require_signature: refuse what is not signed (``SQSJOBS_REQUIRE_SIGNATURE``, key ``require-signature``).
        encryption_keys: the keys of encryption (``SQSJOBS_ENCRYPTION_KEYS``; the same).
        require_encryption: refuse what is not encrypted (``SQSJOBS_REQUIRE_ENCRYPTION``, key ``require-encryption``).
        compress_over: bytes above which envelopes are compressed (``SQSJOBS_COMPRESS_OVER``, key ``compress-over``).
        revoked_keys: ids of keys that count no more (``SQSJOBS_REVOKED_KEYS``, key ``revoked-keys``).
        callback_hosts: where callbacks may go (``SQSJOBS_CALLBACK_HOSTS``, key ``callback-hosts``).
        callback_keys: how they are signed (``SQSJOBS_CALLBACK_KEYS``, which may be ``file:PATH``; in no file of the project).
        callback_networks: addresses they may go to beside public ones (``SQSJOBS_CALLBACK_NETWORKS``, key ``callback-networks``).
    """

    app: str | None = None
    store: str | None = None
    blobs: str | None = None
    tracking: str | None = None
    queue_prefix: str | None = None
    endpoint_url: str | None = None
    region: str | None = None
    wire: str | None = None
    environment: str | None = None
    signing_keys: str | None = field(default=None, repr=False)
    require_signature: str | None = None
    encryption_keys: str | None = field(default=None, repr=False)
    require_encryption: str | None = None
    compress_over: str | None = None
    revoked_keys: str | None = None
    callback_hosts: str | None = None
    callback_keys: str | None = field(default=None, repr=False)
    callback_networks: str | None = None

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, directory: Path | None = None) -> Self:
        """Read the environment, and the nearest pyproject.toml at or above `directory` (the working directory).

        Raises:
            ConfigurationError: if the file cannot be read, or its table has a key or a value that makes no sense.
        """
        chosen = _from_pyproject(directory or Path.cwd())
        chosen |= _from_environment(os.environ if environ is None else environ)
        return cls(**chosen)


def names_arenas() -> bool:
    """Return whether the environment says how many arenas the C library is to allocate from (mallopt(3), glibc)."""
    return "MALLOC_ARENA_MAX" in os.environ or "arena_max" in os.environ.get("GLIBC_TUNABLES", "")


_VARIABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "app": ("SQSJOBS_APP",),
    "store": ("SQSJOBS_STORE",),
    "blobs": ("SQSJOBS_BLOBS",),
    "tracking": ("SQSJOBS_TRACKING",),
    "queue_prefix": ("SQSJOBS_QUEUE_PREFIX",),
    "endpoint_url": ("AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL"),
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "wire": ("SQSJOBS_WIRE",),
    "environment": ("SQSJOBS_ENVIRONMENT",),
    "signing_keys": ("SQSJOBS_SIGNING_KEYS",),
    "require_signature": ("SQSJOBS_REQUIRE_SIGNATURE",),
    "encryption_keys": ("SQSJOBS_ENCRYPTION_KEYS",),
    "require_encryption": ("SQSJOBS_REQUIRE_ENCRYPTION",),
    "compress_over": ("SQSJOBS_COMPRESS_OVER",),
    "revoked_keys": ("SQSJOBS_REVOKED_KEYS",),
    "callback_hosts": ("SQSJOBS_CALLBACK_HOSTS",),
    "callback_keys": ("SQSJOBS_CALLBACK_KEYS",),
    "callback_networks": ("SQSJOBS_CALLBACK_NETWORKS",),
}
"""The variables of each setting; the first that is set and not empty counts."""


_SECRET: Final = frozenset({"signing_keys", "encryption_keys", "callback_keys"})
"""Settings that stand in no file that could be committed, and that may be in a file of their own."""


def _from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        setting: _secret(value, variables[0]) if setting in _SECRET else value
        for setting, variables in _VARIABLES.items()
        if (value := next(filter(None, map(environ.get, variables)), None))
    }


def _secret(value: str, variable: str) -> str:
    """Return a secret: the content of a file that is mounted, or the value itself."""
    if not value.startswith("file:"):
        return value
    try:
        return Path(value.removeprefix("file:")).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read the file that {variable} names: {error}") from error


def _from_pyproject(directory: Path) -> dict[str, str]:
    for folder in (directory, *directory.parents):
        file = folder / "pyproject.toml"
        if file.is_file():
            return _checked(_table(file), file)
    return {}


def _table(file: Path) -> Any:
    import tomllib  # noqa: PLC0415 - only where there is a file

    try:
        return tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("sqsjobs", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"cannot read {file}: {error}") from error


def _checked(table: Any, file: Path) -> dict[str, str]:
    known = {setting.name.replace("_", "-"): setting.name for setting in fields(Settings)}
    if not isinstance(table, dict):
        raise ConfigurationError(f"{file}: tool.sqsjobs is a table, not {table!r}")
    for key, value in table.items():
        if known.get(key) in _SECRET:
            raise ConfigurationError(f"{file}: {key} holds secrets, which do not belong here: set {_variable(key)}")
        if key not in known:
            raise ConfigurationError(f"{file}: [tool.sqsjobs] has no key {key!r}; it has {', '.join(known)}")
        if not isinstance(value, str):
            raise ConfigurationError(f"{file}: [tool.sqsjobs] {key} is a text, not {value!r}")
    return {known[key]: value for key, value in table.items()}


def _variable(key: str) -> str:
    return _VARIABLES[key.replace("-", "_")][0]
