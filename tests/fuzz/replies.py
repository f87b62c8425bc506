"""Answers of SQS, or of what stands in its place, made of genuine ones: the text of HTTP that arrives, and in which pieces."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from tests.fuzz.corpus import EVIL, JOBS, NOW, SEALED
from tests.fuzz.mutants import changed_text, changed_value, written

__all__ = ["OPERATIONS", "Ending", "Reply", "genuine", "large_reply", "reply_mutant"]

OPERATIONS: Final = ("ReceiveMessage", "SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch")
ENTRIES: Final = 3
"""How many entries a batch has."""

_ENDINGS: Final = ("stays", "stays", "ends", "ends", "breaks", "falls silent")
_HEADS: Final = (
    "HTTP/1.1 200 OK",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK",
    "HTTP/1.0 200 OK",
    "HTTP/1.1 204 No Content",
    "HTTP/1.1 301 Moved Permanently",
    "HTTP/1.1 400 Bad Request",
    "HTTP/1.1 403 Forbidden",
    "HTTP/1.1 503 Service Unavailable",
    "HTTP/2 200",
    "HTTP/1.1 999999999999 ?",
)
_HEADERS: Final = (
    "Content-Type: application/x-amz-json-1.0",
    "Content-Type: text/html",
    "Date: Sun, 22 Nov 2026 05:00:00 GMT",
    "Date: Sun, 99 Foo 0000 99:99:99 +9999",
    "Connection: close",
    "Content-Encoding: gzip",
    "Transfer-Encoding: gzip",
    "Transfer-Encoding: chunked",
    "Content-Length: 2",
    "Content-Length: 99999999999999999999",
    "Upgrade: h2c\r\nConnection: upgrade",
    "x-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender",
    "x-amzn-query-error: RequestExpired;Sender",
    "X-Long: " + "a" * 9000,
    " folded",
    ": nothing",
    "\x00: \x00",
)
_CODES: Final = (
    "QueueDoesNotExist",
    "ExpiredTokenException",
    "InvalidParameterValueException",
    "InternalError",
    "KmsThrottled",
)


@dataclass(frozen=True, slots=True)
class Ending:
    """How an answer comes, and what the connection does afterwards."""

    cuts: tuple[int, ...]
    then: str


Reply = tuple[str, str, Ending]
"""The operation that was asked for, the text that comes, and how it comes."""


def reply_mutant(chance: Random) -> Reply:
    """Return what is almost an answer, and now and then one."""
    operation = chance.choice(OPERATIONS)
    if not chance.randrange(20):
        return operation, _doubled(operation, chance), Ending((), "stays")
    text = _framed(_body(operation, chance), chance)
    if chance.random() < 0.25:
        text = changed_text(text, chance, genuine(chance.choice(OPERATIONS)))
    return operation, text, _ending(text, chance)


def large_reply(chance: Random) -> Reply:
    """Return an answer of up to a mebibyte that is made to cost time or memory."""
    size = chance.choice((65_536, 262_144, 1_048_576))
    unit = chance.choice(
        ("[", '{"a":', "[]", "{}", "1,", '"', "\\u0000", "[" * 60 + "]" * 60, "\u20ac", "a" * 51 + " ", "x" * 99)
    )
    text = unit * (size // len(unit))
    short = text[: size // 8]
    message = {"MessageId": "m", "ReceiptHandle": "h", "Body": short}
    body = chance.choice(
        (
            text,
            f'{{"Messages":{text}',
            f'{{"Successful":[{text}]}}',
            f'{{"Successful":[{",".join([text[:99]] * (size // 99))}]}}',
            json.dumps({"Messages": [message], "Other": short}),
            json.dumps({"Failed": [{"Id": "0", "Code": short, "Message": short, "SenderFault": True}] * 2}),
            json.dumps({"__type": "com.amazonaws.sqs#" + short, "message": short}),
        )
    )[:1_048_576]
    head = chance.choice((_HEADS[0], _HEADS[0], _HEADS[5], _HEADS[7]))
    framed = chance.choice((_measured, _measured, _chunked, _unmeasured))(head, [_HEADERS[0]], body, chance)
    if not chance.randrange(4):  # a head without an end
        framed = chance.choice((f"{head}\r\n" + "a: b\r\n" * (size // 6), f"{head}\r\nX: {'a' * size}", "\r\n" * size))
    return chance.choice(OPERATIONS), framed, _ending(framed, chance)


def genuine(operation: str) -> str:
    """Return what SQS answers."""
    return _measured(_HEADS[0], [_HEADERS[0], _HEADERS[2]], json.dumps(_contents(operation)), Random(0))


def _contents(operation: str) -> dict[str, Any]:
    if operation == "ReceiveMessage":
        return {"Messages": [_message(number) for number in range(ENTRIES)]}
    failed = {
        "Id": "2",
        "Code": "ReceiptHandleIsInvalid",
        "Message": "The receipt handle is invalid.",
        "SenderFault": True,
    }
    done = [
        {"Id": str(number), "MessageId": f"m-{number}", "MD5OfMessageBody": "0" * 32} for number in range(ENTRIES - 1)
    ]
    return {"Successful": done, "Failed": [failed]}


def _message(number: int) -> dict[str, Any]:
    return {
        "MessageId": f"m-{number}",
        "ReceiptHandle": "h" * 120,
        "Body": SEALED[number % len(JOBS)].body,
        "MD5OfBody": "0" * 32,
        "Attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": str(int(NOW * 1000)), "MessageGroupId": "g"},
        "MessageAttributes": {"sqsjobs": {"DataType": "String", "StringValue": "{}"}, "b": {"DataType": "Binary", "BinaryValue": "AA=="}},
    }  # fmt: skip


def _body(operation: str, chance: Random) -> str:
    kind = chance.randrange(10)
    if kind == 0:
        return chance.choice(("", "null", "[]", "5", "<html>busy</html>", chance.choice(EVIL)))
    if kind == 1:
        said = {"__type": f"com.amazonaws.sqs#{chance.choice(_CODES)}", "message": "The request is wrong."}
        return written(changed_value(said, chance), chance)
    value: Any = _contents(operation)
    for _ in range(chance.choice((0, 0, 1, 1, 2))):
        value = changed_value(value, chance)
    return written(value, chance)


def _framed(body: str, chance: Random) -> str:
    head = _HEADS[0] if chance.random() < 0.7 else chance.choice(_HEADS)
    headers = [_HEADERS[0], *chance.sample(_HEADERS, chance.choice((0, 0, 0, 1, 3)))]
    chance.shuffle(headers)
    return chance.choice((_measured, _measured, _chunked, _unmeasured))(head, headers, body, chance)


def _measured(head: str, headers: list[str], body: str, _: Random) -> str:
    return "\r\n".join([head, *headers, f"Content-Length: {len(_bytes(body))}", "", body])


def _unmeasured(head: str, headers: list[str], body: str, _: Random) -> str:
    return "\r\n".join([head, *headers, "", body])


def _chunked(head: str, headers: list[str], body: str, chance: Random) -> str:
    size = chance.choice((1, 7, 100, 4096))
    chunks = (body[start : start + size] for start in range(0, len(body), size))
    told = "".join(f"{len(_bytes(chunk)):x}\r\n{chunk}\r\n" for chunk in chunks)
    end = chance.choice(("0\r\n\r\n", "0\r\n\r\n", "0\r\nX-Trailer: y\r\n\r\n", "00000000000000000\r\n\r\n", ""))
    return "\r\n".join([head, *headers, "Transfer-Encoding: chunked", "", told + end])


def _doubled(operation: str, chance: Random) -> str:
    """An answer, and behind it a part of one that nobody has asked for."""
    second = genuine(chance.choice(OPERATIONS))
    return genuine(operation) + second[: chance.randint(0, len(second))]


def _ending(text: str, chance: Random) -> Ending:
    size = len(_bytes(text))
    if size < 300 and chance.random() < 0.2:
        cuts = tuple(range(1, size))
    else:
        cuts = tuple(sorted(chance.randint(0, size) for _ in range(chance.choice((0, 0, 1, 2, 6)))))
    return Ending(cuts, chance.choice(_ENDINGS))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
