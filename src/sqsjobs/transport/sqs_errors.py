"""What SQS's error codes mean: which error of ours, whether another try may help, whether the lease is over.

Sources: the SQS API reference ("Common errors" and those of each action), the key management section of the SQS
developer guide. The protocols dress codes up (``AWS.SimpleQueueService.X``, ``XException``); here they are plain.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqsjobs.errors import (
    AccessDenied,
    QueueNotFound,
    RequestRejected,
    Throttled,
    TransportError,
    TransportUnavailable,
)
from sqsjobs.transport.base import EntryFailed, NotSent

__all__ = ["answered_error", "entry_failed", "is_about_the_clock", "is_about_the_credentials", "not_sent"]


@dataclass(frozen=True, slots=True)
class _Meaning:
    """Which error of ours a code is, and what its reader can do."""

    kind: type[TransportError]
    advice: str = ""


_MEANINGS: Final[Mapping[_Meaning, frozenset[str]]] = {
    _Meaning(
        QueueNotFound, "create the queue (sqsjobs queues apply), or correct the region, endpoint or prefix"
    ): frozenset({"NonExistentQueue", "QueueDoesNotExist"}),
    _Meaning(Throttled, "SQS purges a queue once in 60 seconds: try again in a minute"): frozenset(
        {"PurgeQueueInProgress"}
    ),
    _Meaning(Throttled): frozenset(
        {
            "KMS.Throttling",
            "KmsThrottled",
            "OverLimit",  # a short poll at the quota of messages in flight
            "RequestLimitExceeded",
            "RequestThrottled",
            "SlowDown",
            "Throttled",
            "Throttling",
            "TooManyRequests",
        }
    ),
    _Meaning(
        AccessDenied, "renew the credentials, or use a role that renews itself; check this machine's clock"
    ): frozenset({"ExpiredToken", "RequestExpired", "TokenRefreshRequired"}),
    _Meaning(AccessDenied, "check the secret access key and this machine's clock"): frozenset(
        {"IncompleteSignature", "InvalidSignature", "RequestTimeTooSkewed", "SignatureDoesNotMatch"}
    ),
    _Meaning(AccessDenied, "check the access key, and that it belongs to this endpoint and region"): frozenset(
        {
            "AuthFailure",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "MissingAuthenticationToken",
            "NotAuthorized",
            "OptInRequired",
            "UnrecognizedClient",
        }
    ),
}
_MEANING: Final = {code: meaning for meaning, codes in _MEANINGS.items() for code in codes}
_KMS: Final = _Meaning(
    AccessDenied, "allow kms:Decrypt and kms:GenerateDataKey on the queue's key, and see that the key is enabled"
)
_FORBIDDEN: Final = frozenset({"AccessDenied", "Forbidden", "InvalidSecurity"})

_CLOCK: Final = frozenset({"InvalidSignature", "RequestExpired", "RequestTimeTooSkewed", "SignatureDoesNotMatch"})

_CREDENTIALS: Final = frozenset(
    {"ExpiredToken", "InvalidAccessKeyId", "InvalidClientTokenId", "TokenRefreshRequired", "UnrecognizedClient"}
)

_LEASE_OVER: Final = frozenset({"InvalidReceiptHandle", "MessageNotInflight", "ReceiptHandleIsInvalid"})
_ABOUT_THE_TIMEOUT: Final = re.compile(r"visibility ?timeout(?! change)", re.IGNORECASE)
"""Tells "Value 43300 for parameter VisibilityTimeout is invalid …" from "Value … for parameter ReceiptHandle is
invalid. Reason: Message does not exist or is not available for visibility timeout change": one code for both."""
_RECEIPT_HANDLE: Final = re.compile(r"(\S{12})\S{40,}")
"""SQS quotes whole receipt handles; they are rights over a message, not for logs."""
_LONGEST_CODE: Final = 100
_LONGEST_TEXT: Final = 1000
"""Characters that are quoted of what may not be SQS's: its own codes and texts are shorter."""


def answered_error(code: str, text: str, status: int, *, operation: str, queue: str) -> TransportError:
    """Return the error for a call that SQS answered with `code` and an HTTP `status` from 400 up."""
    code = code[:_LONGEST_CODE]
    meaning = _meaning(_plain(code), status, operation)
    message = f"SQS answered {operation} on {queue!r} with {code}: {_without_handles(text)}"
    if meaning.advice:
        message = f"{message}; {meaning.advice}"
    return meaning.kind(message, operation=operation, queue=queue, code=code)


def _meaning(code: str, status: int, operation: str) -> _Meaning:
    if code in _MEANING:
        return _MEANING[code]
    if code.startswith(("Kms", "KMS.")):
        return _KMS
    if code in _FORBIDDEN or status == 403:
        return _Meaning(AccessDenied, f"allow sqs:{operation.removesuffix('Batch')} on the queue to these credentials")
    return _meaning_of_status(status, coded=not code.isdigit())


def _meaning_of_status(status: int, *, coded: bool) -> _Meaning:
    if status == 429:
        return _Meaning(Throttled)
    if status >= 500:
        return _Meaning(TransportUnavailable)
    if coded or status == 413:
        return _Meaning(RequestRejected)
    return _Meaning(TransportUnavailable, "is the endpoint an SQS endpoint?")


def is_about_the_clock(code: str) -> bool:
    """Whether a wrong clock may be why a request was refused with `code`."""
    return _plain(code) in _CLOCK


def is_about_the_credentials(code: str) -> bool:
    """Whether newer credentials may be taken where these were refused with `code`: they have ended, or been revoked."""
    return _plain(code) in _CREDENTIALS


def entry_failed(failure: Mapping[str, Any]) -> EntryFailed:
    """Return what a BatchResultErrorEntry of a delete or a visibility change says."""
    code, problem = failure["Code"][:_LONGEST_CODE], _without_handles(failure.get("Message") or "")
    invalid = _plain(code) == "InvalidParameterValue"
    beyond_limit = invalid and _ABOUT_THE_TIMEOUT.search(problem) is not None
    lease_over = _plain(code) in _LEASE_OVER or (invalid and not beyond_limit)
    retryable = not (lease_over or beyond_limit) and _may_succeed_later(failure)
    return EntryFailed(code, problem, retryable=retryable, lease_over=lease_over)


def not_sent(failure: Mapping[str, Any]) -> NotSent:
    """Return what a BatchResultErrorEntry of a send says."""
    code, problem = failure["Code"][:_LONGEST_CODE], (failure.get("Message") or "")[:_LONGEST_TEXT]
    return NotSent(code, problem, retryable=_may_succeed_later(failure))


def _may_succeed_later(failure: Mapping[str, Any]) -> bool:
    meaning = _MEANING.get(_plain(failure["Code"]))
    return not failure.get("SenderFault", False) or (meaning is not None and meaning.kind is Throttled)


def _plain(code: str) -> str:
    return code.removeprefix("AWS.SimpleQueueService.").removesuffix("Exception")


def _without_handles(text: str) -> str:
    return _RECEIPT_HANDLE.sub(r"\1…", text[:_LONGEST_TEXT])
