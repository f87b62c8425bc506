"""The attributes of a queue: names, ranges and defaults; text to the outside, values to the model.

Source: the SQS API reference, `CreateQueue` and `SetQueueAttributes`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqsjobs.transport.model.refusal import Refusal, invalid_parameter

__all__ = ["NAMES", "Redrive", "RedriveAllow", "Settings", "check_name", "normalize", "settings_of"]

_RANGES: Final[dict[str, tuple[int, int]]] = {
    "DelaySeconds": (0, 900),
    "KmsDataKeyReusePeriodSeconds": (60, 86_400),
    "MaximumMessageSize": (1_024, 1_048_576),
    "MessageRetentionPeriod": (60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, 43_200),
}
_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "ContentBasedDeduplication": ("true", "false"),
    "DeduplicationScope": ("queue", "messageGroup"),
    "FifoQueue": ("true",),
    "FifoThroughputLimit": ("perQueue", "perMessageGroupId"),
    "SqsManagedSseEnabled": ("true", "false"),
}
_REMOVABLE: Final = ("KmsMasterKeyId", "Policy", "RedriveAllowPolicy", "RedrivePolicy")
_FIFO_ONLY: Final = ("ContentBasedDeduplication", "DeduplicationScope", "FifoQueue", "FifoThroughputLimit")
_DEFAULTS: Final[Mapping[str, str]] = {
    "DelaySeconds": "0",
    "MaximumMessageSize": "1048576",
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "SqsManagedSseEnabled": "true",
    "VisibilityTimeout": "30",
}
_FIFO_DEFAULTS: Final[Mapping[str, str]] = {
    "ContentBasedDeduplication": "false",
    "DeduplicationScope": "queue",
    "FifoQueue": "true",
    "FifoThroughputLimit": "perQueue",
}
NAMES: Final = frozenset(
    {
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesDelayed",
        "ApproximateNumberOfMessagesNotVisible",
        "CreatedTimestamp",
        "LastModifiedTimestamp",
        "QueueArn",
        *_RANGES,
        *_CHOICES,
        *_REMOVABLE,
    }
)
"""All attributes of queues; the first six can only be read."""

_NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Redrive:
    """A RedrivePolicy: where messages go when they have been received `max_receive_count` times."""

    target_arn: str
    max_receive_count: int


@dataclass(frozen=True, slots=True)
class RedriveAllow:
    """A RedriveAllowPolicy: who may have this queue as its dead-letter queue; `sources` None means everybody."""

    sources: frozenset[str] | None = None

    def allows(self, source_arn: str) -> bool:
        """Whether the queue `source_arn` may send its dead letters here."""
        return self.sources is None or source_arn in self.sources


@dataclass(frozen=True, slots=True)
class Settings:
    """What the attributes mean. Times in seconds, sizes in bytes; `text` has them as they are told."""

    text: Mapping[str, str]
    fifo: bool
    delay: int
    visibility: int
    wait: int
    retention: int
    max_size: int
    content_deduplication: bool
    deduplicate_by_group: bool
    redrive: Redrive | None
    redrive_allow: RedriveAllow


def check_name(name: str, *, fifo: bool) -> None:
    """Refuse a queue name that SQS does not take."""
    stem = name.removesuffix(".fifo") if fifo else name
    if fifo and stem == name:
        raise Refusal(
            "InvalidParameterValueException",
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, "
            "must end with .fifo suffix and be 1 to 80 in length.",
        )
    if len(name) > 80 or not _NAME.fullmatch(stem):
        raise Refusal(
            "InvalidParameterValueException",
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length",
        )


def settings_of(given: Mapping[str, str], *, fifo: bool) -> Settings:
    """Return the settings of a queue on which the normalized attributes `given` are set.

    Raises:
        Refusal: where they do not go together.
    """
    text = {**_DEFAULTS, **(_FIFO_DEFAULTS if fifo else {}), **given}
    if "KmsMasterKeyId" in text:
        text = {"KmsDataKeyReusePeriodSeconds": "300", **text, "SqsManagedSseEnabled": "false"}
    else:
        text.pop("KmsDataKeyReusePeriodSeconds", None)
    if text.get("FifoThroughputLimit") == "perMessageGroupId" and text["DeduplicationScope"] != "messageGroup":
        raise _invalid("FifoThroughputLimit")
    return Settings(
        text=text,
        fifo=fifo,
        delay=int(text["DelaySeconds"]),
        visibility=int(text["VisibilityTimeout"]),
        wait=int(text["ReceiveMessageWaitTimeSeconds"]),
        retention=int(text["MessageRetentionPeriod"]),
        max_size=int(text["MaximumMessageSize"]),
        content_deduplication=text.get("ContentBasedDeduplication") == "true",
        deduplicate_by_group=text.get("DeduplicationScope") == "messageGroup",
        redrive=_redrive_of(text.get("RedrivePolicy")),
        redrive_allow=_redrive_allow_of(text.get("RedriveAllowPolicy")),
    )


def normalize(attributes: Mapping[str, str], *, fifo: bool) -> dict[str, str]:
    """Return `attributes` as SQS keeps them; an empty text takes one of the removable ones away.

    Raises:
        Refusal: where a name is unknown or a value cannot be.
    """
    if attributes.get("KmsMasterKeyId") and attributes.get("SqsManagedSseEnabled", "").lower() == "true":
        raise Refusal(
            "InvalidAttributeName",
            "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.",
        )
    return {name: _normalized(name, str(value), fifo=fifo) for name, value in attributes.items()}


def _normalized(name: str, value: str, *, fifo: bool) -> str:
    if name in _FIFO_ONLY and not fifo:
        raise Refusal("InvalidAttributeName", _only_fifo(name))
    if name in _REMOVABLE and not value:
        return ""
    if name in _RANGES:
        return _number(name, value)
    if name in _CHOICES:
        return _choice(name, value)
    if name == "RedrivePolicy":
        return _redrive_text(value)
    if name == "RedriveAllowPolicy":
        return _redrive_allow_text(value)
    if name in ("KmsMasterKeyId", "Policy"):
        return value
    raise Refusal("InvalidAttributeName", f"Unknown Attribute {name}.")


def _only_fifo(name: str) -> str:
    if name in ("DeduplicationScope", "FifoThroughputLimit"):
        return f"You can specify the {name} only when FifoQueue is set to true."
    return f"Unknown Attribute {name}."


def _number(name: str, value: str) -> str:
    low, high = _RANGES[name]
    if not re.fullmatch(r"[0-9]{1,9}", value) or not low <= int(value) <= high:
        raise _invalid(name)
    return str(int(value))


def _choice(name: str, value: str) -> str:
    choices = {choice.lower(): choice for choice in _CHOICES[name]}
    if value.lower() not in choices:
        raise _invalid(name)
    return choices[value.lower()]


def _redrive_text(value: str) -> str:
    policy = _json_object("RedrivePolicy", value)
    for part in ("deadLetterTargetArn", "maxReceiveCount"):
        if part not in policy:
            reason = f"Redrive policy does not contain mandatory attribute: {part}."
            raise invalid_parameter("RedrivePolicy", value, reason)
    count = str(policy["maxReceiveCount"])
    if not re.fullmatch(r"[0-9]{1,4}", count) or not 1 <= int(count) <= 1_000:
        reason = f"Invalid value for maxReceiveCount: {count}, valid values are from 1 to 1000 both inclusive."
        raise invalid_parameter("RedrivePolicy", value, reason)
    return json.dumps({"deadLetterTargetArn": str(policy["deadLetterTargetArn"]), "maxReceiveCount": int(count)})


def _redrive_allow_text(value: str) -> str:
    policy = _json_object("RedriveAllowPolicy", value)
    permission, sources = policy.get("redrivePermission", "allowAll"), policy.get("sourceQueueArns")
    if permission not in ("allowAll", "denyAll", "byQueue") or (permission == "byQueue") != (sources is not None):
        raise invalid_parameter("RedriveAllowPolicy", value, "Amazon SQS can't create the redrive allow policy.")
    if sources is not None and not (isinstance(sources, list) and 1 <= len(sources) <= 10):
        raise invalid_parameter("RedriveAllowPolicy", value, "sourceQueueArns takes 1 to 10 ARNs.")
    return json.dumps(policy)


def _json_object(name: str, value: str) -> dict[str, Any]:  # Any: a policy is the client's JSON
    try:
        policy = json.loads(value)
    except ValueError:
        policy = None
    if not isinstance(policy, dict):
        raise invalid_parameter(name, value, f"{name} is not valid JSON.")
    return policy


def _redrive_of(text: str | None) -> Redrive | None:
    if not text:
        return None
    policy = json.loads(text)
    return Redrive(policy["deadLetterTargetArn"], policy["maxReceiveCount"])


def _redrive_allow_of(text: str | None) -> RedriveAllow:
    policy = json.loads(text) if text else {}
    match policy.get("redrivePermission", "allowAll"):
        case "denyAll":
            return RedriveAllow(frozenset())
        case "byQueue":
            return RedriveAllow(frozenset(policy["sourceQueueArns"]))
        case _:
            return RedriveAllow()


def _invalid(name: str) -> Refusal:
    return Refusal("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
