"""From the URL of a place for blobs to the place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final  # Any: options of every type
from urllib.parse import parse_qsl, unquote

from sqsjobs.blobs.base import Blobs
from sqsjobs.blobs.files import FileBlobs
from sqsjobs.blobs.s3 import S3Blobs
from sqsjobs.errors import ConfigurationError

__all__ = ["open_blobs"]

_FORMS: Final = "s3://bucket/prefix or file:///absolute/path"


def open_blobs(url: str, *, region: str | None = None) -> Blobs:
    """Return the unopened place that `url` names.

    Args:
        url: ``s3://bucket/prefix`` (the prefix is ``sqsjobs`` if there is none), with ``region``, ``endpoint_url`` and
            ``over`` as options; or ``file:///absolute/path``, with ``over``.
        region: of a bucket whose URL names none.

    Raises:
        ConfigurationError: if it has another form, or what it names cannot be.
    """
    place, _, query = url.partition("?")
    scheme, _, rest = place.partition("://")
    match scheme:
        case "s3":
            return _bucket(rest, {"region": region} | _options(query, {"region", "endpoint_url", "over"}))
        case "file":
            return _directory(rest, _options(query, {"over"}))
    # What it is instead may hold a password, so only its scheme is repeated.
    raise ConfigurationError(f"no place for blobs is known as {scheme[:40]!r}: it is {_FORMS}")


def _bucket(rest: str, options: Mapping[str, Any]) -> Blobs:
    if "@" in rest:
        raise ConfigurationError(
            "the URL of a bucket holds no credentials: they come from where every AWS SDK finds them (s3://bucket/prefix)"
        )
    bucket, _, prefix = rest.partition("/")
    named: dict[str, Any] = {"prefix": f"{prefix.rstrip('/')}/"} if prefix else {}
    return S3Blobs(bucket, **named, **options)


def _directory(rest: str, options: Mapping[str, Any]) -> Blobs:
    if not rest.startswith("/") or not rest.strip("/"):
        raise ConfigurationError(
            f"file://{rest} names no directory for blobs: file:// and an absolute path, as in file:///var/lib/blobs"
        )
    return FileBlobs(unquote(rest), **options)


def _options(query: str, known: set[str]) -> dict[str, Any]:
    options: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
    if unknown := options.keys() - known:
        raise ConfigurationError(
            f"the URL of the blobs has no option {min(unknown)[:40]!r} there; it has {', '.join(sorted(known))}"
        )
    if "over" in options:
        options["over"] = _size(options["over"])
    return options


def _size(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ConfigurationError(f"over in the URL of the blobs is a number of bytes, not {text[:40]!r}")
    return int(text)
