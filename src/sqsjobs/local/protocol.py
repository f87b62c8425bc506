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
from sqsjobs.transport.model import Refusal, missing_parameter

__all__ = ["CONTENT_TYPE", "WireAnswer", "answer"]

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


@dataclass(frozen=True, slots=True)
class WireAnswer:
    """What goes back to the client."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


async def answer(sqs: MemorySQS, target: str, body: bytes, base_url: str) -> WireAnswer:
    """Carry out the operation that a request's ``X-Amz-Target`` names, and write its answer or its error."""
    try:
        answered = await _carry_out(sqs, target.removeprefix(TARGET), body, base_url)
    except Refusal as refusal:
        return _error(refusal)
    return WireAnswer(200, b"{}" if answered is None else _encode(answered))


async def _carry_out(sqs: MemorySQS, name: str, body: bytes, base_url: str) -> Answered:
    if name == "ReceiveMessage":
        received = _read(body, asked.ReceiveMessage)
        return await receive_message(sqs, _queue_of(received), received)
    operation = OPERATIONS.get(name)
    if operation is None:
        raise Refusal("UnknownOperationException", f"The operation {name!r} is not one of SQS.")
    request = _read(body, operation.shape)
    queue = _queue_of(request)
    return await sqs.call(
        name, queue or None, lambda model, fault: operation.act(Call(model, fault, queue, base_url), request)
    )


def _read(body: bytes, shape: type[asked.R]) -> asked.R:
    try:
        return asked.read(body or b"{}", shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal("SerializationException", str(error)) from None


def _queue_of(request: asked.Request) -> str:
    """Return the name of the queue that a request is about; a queue's URL ends with it."""
    match request:
        case asked.OfQueue():
            if not request.queue_url:
                raise missing_parameter("QueueUrl")
            return request.queue_url.rstrip("/").rpartition("/")[2]
        case asked.CreateQueue() | asked.GetQueueUrl():
            if not request.queue_name:
                raise missing_parameter("QueueName")
            return request.queue_name
        case _:
            return ""


def _error(refusal: Refusal) -> WireAnswer:
    namespace = "com.amazon.coral.service" if refusal.shape in _CORAL else "com.amazonaws.sqs"
    fault = "Sender" if refusal.sender_fault else "Receiver"
    return WireAnswer(
        refusal.status,
        _encode({"__type": f"{namespace}#{refusal.shape}", "message": refusal.problem}),
        {"x-amzn-query-error": f"{refusal.code};{fault}"},
    )
