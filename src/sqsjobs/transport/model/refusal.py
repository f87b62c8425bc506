"""What SQS answers in place of a result: a code, a status and a sentence."""

from __future__ import annotations

from typing import Final

__all__ = ["Refusal", "invalid_parameter", "missing_parameter", "queue_missing"]

_OLD = "AWS.SimpleQueueService."
_WIRE: Final[dict[str, tuple[str, int]]] = {
    "AccessDeniedException": ("AccessDenied", 403),
    "BatchEntryIdsNotDistinct": (_OLD + "BatchEntryIdsNotDistinct", 400),
    "BatchRequestTooLong": (_OLD + "BatchRequestTooLong", 400),
    "EmptyBatchRequest": (_OLD + "EmptyBatchRequest", 400),
    "ExpiredTokenException": ("ExpiredToken", 403),
    "InternalFailure": ("InternalFailure", 500),
    "InvalidBatchEntryId": (_OLD + "InvalidBatchEntryId", 400),
    "InvalidParameterValueException": ("InvalidParameterValue", 400),
    "KmsAccessDenied": ("KMS.AccessDeniedException", 400),
    "KmsDisabled": ("KMS.DisabledException", 400),
    "KmsInvalidKeyUsage": ("KMS.InvalidKeyUsageException", 400),
    "KmsInvalidState": ("KMS.InvalidStateException", 400),
    "KmsNotFound": ("KMS.NotFoundException", 400),
    "KmsOptInRequired": ("KMS.OptInRequired", 403),
    "KmsThrottled": ("KMS.ThrottlingException", 400),
    "MessageNotInflight": (_OLD + "MessageNotInflight", 400),
    "MissingRequiredParameterException": ("MissingParameter", 400),
    "OverLimit": ("OverLimit", 403),
    "PurgeQueueInProgress": (_OLD + "PurgeQueueInProgress", 403),
    "QueueDeletedRecently": (_OLD + "QueueDeletedRecently", 400),
    "QueueDoesNotExist": (_OLD + "NonExistentQueue", 400),
    "QueueNameExists": ("QueueAlreadyExists", 400),
    "RequestThrottled": ("RequestThrottled", 403),
    "ResourceNotFoundException": ("ResourceNotFoundException", 404),
    "ServiceUnavailable": ("ServiceUnavailable", 503),
    "TooManyEntriesInBatchRequest": (_OLD + "TooManyEntriesInBatchRequest", 400),
    "UnsupportedOperation": (_OLD + "UnsupportedOperation", 400),
}
"""Shapes whose code or status is not their own name and 400.

From the service model of SQS (its query protocol's error codes) and from recorded answers of AWS.
"""


class Refusal(Exception):
    """Raised by the model where SQS answers with an error; in batches it is the result of one entry.

    Attributes:
        shape: the error's name in the JSON protocol, such as ``"QueueDoesNotExist"``.
        code: the code that clients see, such as ``"AWS.SimpleQueueService.NonExistentQueue"``.
        status: the HTTP status.
        problem: the sentence.
    """

    code: str
    status: int

    def __init__(self, shape: str, problem: str) -> None:
        super().__init__(problem)
        self.shape = shape
        self.problem = problem
        self.code, self.status = _WIRE.get(shape, (shape, 400))

    @property
    def sender_fault(self) -> bool:
        """Whether the request was wrong, so that the same request will never succeed."""
        return self.status < 500

    def __repr__(self) -> str:
        return f"Refusal({self.shape!r}, {self.problem!r})"


def invalid_parameter(name: str, value: object, reason: str) -> Refusal:
    """Return the refusal of a parameter whose value cannot be."""
    return Refusal("InvalidParameterValueException", f"Value {value} for parameter {name} is invalid. Reason: {reason}")


def missing_parameter(name: str) -> Refusal:
    """Return the refusal of a request that lacks a parameter."""
    return Refusal("MissingRequiredParameterException", f"The request must contain the parameter {name}.")


def queue_missing() -> Refusal:
    """Return the refusal of a request for a queue that does not exist."""
    return Refusal("QueueDoesNotExist", "The specified queue does not exist.")
