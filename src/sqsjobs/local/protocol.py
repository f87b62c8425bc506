"""The wire: AWS's JSON protocol (``awsJson1_0``) with the error codes of the query protocol that SQS had before it.

Every request is a POST that names its operation in a header; every error has its shape's name in the
body and its old code in a header, because clients go on matching on the old ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import msgspec

from sqsjobs.local import requests as asked
from sqsjobs.local.operations import OPERATIONS, Answered, Call, receive_message
from sqsjobs.transport.memory import MemorySQS
from sqsjobs.transport.model import Fault, Refusal, missing_parameter

__all__ = ["CONTENT_TYPE", "WireAnswer", "answer", "operation_of", "queue_of"]

CONTENT_TYPE: Final = "application/x-amz-json-1.0"
TARGET: Final = "AmazonSQS."

_CORAL: Final = frozenset(
    {
        "InvalidParameterValueException",
        "MissingRequiredParameterException",
        "SerializationException",
        "UnknownOperationException",
    }
)
"""Errors of the framework that AWS builds services with, in a namespace of their own."""

_encode = msgspec.json.Encoder().encode


class _Named(msgspec.Struct):
    url: str = msgspec.field(name="QueueUrl", default="")
    name: str = msgspec.field(name="QueueName", default="")


_decode_name = msgspec.json.Decoder(_Named).decode


@dataclass(frozen=True, slots=True)
class WireAnswer:
    """What goes back to the client."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


async def answer(
    sqs: MemorySQS, operation: str, body: bytes, base_url: str, *, fault: Fault | None = None
) -> WireAnswer:
    """Carry out an operation, and write its answer or its error; `fault` goes in place of those of `sqs`."""
    try:
        answered = await _carry_out(sqs, operation, body, base_url, fault)
    except Refusal as refusal:
        return _error(refusal)
    return WireAnswer(200, b"{}" if answered is None else _encode(answered))


def operation_of(target: str) -> str:
    """Return the operation that the header ``X-Amz-Target`` of a request names."""
    return target.removeprefix(TARGET)


def queue_of(body: bytes) -> str:
    """Return the name of the queue that a request is about, or nothing; whatever is wrong with the request."""
    try:
        named = _decode_name(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return named.name or _name_in(named.url)


async def _carry_out(sqs: MemorySQS, name: str, body: bytes, base_url: str, fault: Fault | None) -> Answered:
    if name == "ReceiveMessage":
        received = _read(body, asked.ReceiveMessage)
        return await receive_message(sqs, _queue_of(received), received, fault)
    operation = OPERATIONS.get(name)
    if operation is None:
        raise Refusal("UnknownOperationException", f"The operation {name!r} is not one of SQS.")
    request = _read(body, operation.shape)
    queue = _queue_of(request)
    return await sqs.call(
        name,
        queue or None,
        lambda model, fault: operation.act(Call(model, fault, queue, base_url), request),
        fault=fault,
    )


def _read(body: bytes, shape: type[asked.R]) -> asked.R:
    try:
        return asked.read(body or b"{}", shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal("SerializationException", str(error)) from None


def _queue_of(request: asked.Request) -> str:
    """Return the name of the queue that a request is about."""
    match request:
        case asked.OfQueue():
            if not request.queue_url:
                raise missing_parameter("QueueUrl")
            return _name_in(request.queue_url)
        case asked.CreateQueue() | asked.GetQueueUrl():
            if not request.queue_name:
                raise missing_parameter("QueueName")
            return request.queue_name
        case _:
            return ""


def _name_in(url: str) -> str:
    """Return the name with which a queue's URL ends."""
    return url.rstrip("/").rpartition("/")[2]


def _error(refusal: Refusal) -> WireAnswer:
    namespace = "com.amazon.coral.service" if refusal.shape in _CORAL else "com.amazonaws.sqs"
    fault = "Sender" if refusal.sender_fault else "Receiver"
    return WireAnswer(
        refusal.status,
        _encode({"__type": f"{namespace}#{refusal.shape}", "message": refusal.problem}),
        {"x-amzn-query-error": f"{refusal.code};{fault}"},
    )
