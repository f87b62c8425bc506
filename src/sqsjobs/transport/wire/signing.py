"""Signature Version 4 for requests that always have the same headers, with everything cached that a call repeats.

Source: "Create a signed AWS API request" in the IAM user guide, with the headers that botocore sends and signs for
SQS's JSON protocol; the tests compare signatures with those of botocore's signer.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Credentials", "Signer", "UnusableCredentials"]

SKEWED: Final = 240.0
"""Seconds by which clocks must differ to explain a refusal: AWS takes signatures up to five minutes old."""


class UnusableCredentials(Exception):
    """Raised for credentials that nothing can be signed with."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Whom requests are signed as. Never shown.

    Raises:
        UnusableCredentials: for characters that would end a header, such as the line break at the end of a file.
    """

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str | None = field(repr=False)

    def __post_init__(self) -> None:
        for name, text in (("access key", self.access_key), ("session token", self.token or "none")):
            if not text or not text.isascii() or not text.isprintable() or " " in text:
                raise UnusableCredentials(f"the {name} is empty, or has a blank or a line break in it")


class Signer:
    """Signs POST requests to ``/`` of one host.

    Args:
        host: as in the Host header, with its port unless that is the scheme's own.
        region: of the endpoint.
        wall: seconds since 1970 by this machine's clock.

    Attributes:
        skew: seconds by which the server's clock is ahead of ours; requests are dated by the server's.
    """

    def __init__(self, host: str, region: str, *, wall: Callable[[], float] = time.time) -> None:
        self._host = host
        self._region = region
        self._wall = wall
        self.skew = 0.0
        self._second = -1
        self._stamp = ""
        self._mac_of = ("", "")
        self._mac = _Mac(b"")

    def head(self, operation: str, body: bytes, credentials: Credentials) -> bytes:
        """Return the head of a signed request: the request line and all headers, the empty line included."""
        stamp = self._now()
        scope = f"{stamp[:8]}/{self._region}/sqs/aws4_request"
        canonical, signed = self._canonical(operation, body, stamp, credentials.token)
        to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = self._daily_mac(credentials.secret_key, stamp[:8]).sign(to_sign.encode())
        token = f"X-Amz-Security-Token: {credentials.token}\r\n" if credentials.token else ""
        return (
            f"POST / HTTP/1.1\r\nHost: {self._host}\r\nUser-Agent: sqsjobs\r\n"
            f"Content-Type: application/x-amz-json-1.0\r\nContent-Length: {len(body)}\r\n"
            f"X-Amz-Date: {stamp}\r\n{token}X-Amz-Target: AmazonSQS.{operation}\r\nx-amzn-query-mode: true\r\n"
            f"Authorization: AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={signed}, Signature={signature}\r\n\r\n"
        ).encode()

    def correct(self, server_time: float | None, skew: float) -> bool:
        """Date requests by the server's clock, if that explains the refusal of one dated with `skew`; return whether.

        Args:
            server_time: when the server refused, by its clock; None if it did not say.
            skew: what `skew` was when the request was signed: others may have been refused meanwhile.
        """
        if server_time is None or abs(server_time - self._wall() - skew) < SKEWED:
            return False
        self.skew = server_time - self._wall()
        return True

    def _now(self) -> str:
        second = int(self._wall() + self.skew)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        return self._stamp

    def _canonical(self, operation: str, body: bytes, stamp: str, token: str | None) -> tuple[str, str]:
        """Return the canonical request, and the names of the headers in it, which must be in order."""
        security, signed = "", "content-type;host;x-amz-date;x-amz-target;x-amzn-query-mode"
        if token:
            security = f"x-amz-security-token:{token}\n"
            signed = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target;x-amzn-query-mode"
        headers = (
            f"content-type:application/x-amz-json-1.0\nhost:{self._host}\nx-amz-date:{stamp}\n{security}"
            f"x-amz-target:AmazonSQS.{operation}\nx-amzn-query-mode:true\n"
        )
        return f"POST\n/\n\n{headers}\n{signed}\n{hashlib.sha256(body).hexdigest()}", signed

    def _daily_mac(self, secret: str, day: str) -> _Mac:
        if self._mac_of != (secret, day):
            key = f"AWS4{secret}".encode()
            for part in (day, self._region, "sqs", "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._mac_of, self._mac = (secret, day), _Mac(key)
        return self._mac


class _Mac:
    """HMAC-SHA256 with one key (RFC 2104), whose two blocks are hashed once.

    For a signature a call, `hmac.digest` costs thrice as much: OpenSSL looks for its algorithm every time.
    """

    def __init__(self, key: bytes) -> None:
        block = key.ljust(64, b"\0")  # of 32 bytes here, so that it is never hashed itself
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def sign(self, text: bytes) -> str:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text)
        outer.update(inner.digest())
        return outer.hexdigest()
