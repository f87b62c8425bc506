"""The operations of SQS, and the conductor's: each takes what was asked and returns what is answered."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import msgspec

from benchmarks.server import requests as asked
from benchmarks.server.queue import Message, Queue

__all__ = ["Answer", "House", "Refusal", "act", "received"]

Answer: TypeAlias = dict[str, Any]


class Refusal(Exception):
    """Raised for a request that cannot be answered; its arguments are the shape, the old code and the text."""


@dataclass(slots=True, eq=False)
class House:
    """All queues of the server.

    Attributes:
        delay: seconds by which every answer comes later: the round trip to a server far away.
        calls: what was asked, by operation and queue.
    """

    url: str = ""
    delay: float = 0.0
    queues: dict[str, Queue] = field(default_factory=dict)
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)

    def queue(self, url: str) -> Queue:
        name = url.rpartition("/")[2]
        try:
            return self.queues[name]
        except KeyError:
            raise Refusal(
                "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", f"no queue {name!r}"
            ) from None

    def url_of(self, name: str) -> str:
        return f"{self.url}/000000000000/{name}"


# The frequent ones -------------------------------------------------------------------------------------------------


def send_message(house: House, request: asked.SendMessage) -> Answer:
    return _send(house.queue(request.queue_url), request)


def send_message_batch(house: House, request: asked.SendMessageBatch) -> Answer:
    queue = house.queue(request.queue_url)
    return {"Successful": [{"Id": entry.id, **_send(queue, entry)} for entry in request.entries]}


def _send(queue: Queue, asked_for: asked.SendMessage | asked.SendEntry) -> Answer:
    message = Message(asked_for.message_body, asked_for.message_attributes, asked_for.message_group_id)
    queue.send(message, asked_for.delay_seconds)
    return {"MessageId": message.message_id, "MD5OfMessageBody": message.digest}


def received(given: list[tuple[str, Message]], request: asked.ReceiveMessage) -> Answer:
    """Return the answer to ReceiveMessage, with the attributes asked for; without messages it has none, as SQS's."""
    names = {*request.attribute_names, *request.message_system_attribute_names}
    with_attributes = bool(request.message_attribute_names)
    shown = [_shown(handle, message, names, with_attributes=with_attributes) for handle, message in given]
    return {"Messages": shown} if shown else {}


def _shown(handle: str, message: Message, names: set[str], *, with_attributes: bool) -> Answer:
    shown: Answer = {
        "MessageId": message.message_id,
        "ReceiptHandle": handle,
        "MD5OfBody": message.digest,
        "Body": message.body,
    }
    if names:
        everything = _system_attributes(message)
        shown["Attributes"] = (
            everything if "All" in names else {name: everything[name] for name in everything.keys() & names}
        )
    if message.attributes and with_attributes:
        shown["MessageAttributes"] = message.attributes
    return shown


def _system_attributes(message: Message) -> dict[str, str]:
    return {
        "SenderId": "AIDABENCHMARK",
        "SentTimestamp": str(int(message.sent * 1000)),
        "ApproximateReceiveCount": str(message.received),
        "ApproximateFirstReceiveTimestamp": str(int(message.first_received * 1000)),
        **({"MessageGroupId": message.group} if message.group is not None else {}),
    }


def delete_message(house: House, request: asked.DeleteMessage) -> Answer:
    house.queue(request.queue_url).delete(request.receipt_handle)
    return {}


def delete_message_batch(house: House, request: asked.DeleteMessageBatch) -> Answer:
    queue = house.queue(request.queue_url)
    for entry in request.entries:
        queue.delete(entry.receipt_handle)  # again, or too late: SQS says that it is done
    return {"Successful": [{"Id": entry.id} for entry in request.entries], "Failed": []}


def change_message_visibility(house: House, request: asked.ChangeMessageVisibility) -> Answer:
    if not house.queue(request.queue_url).hide(request.receipt_handle, request.visibility_timeout):
        raise Refusal("MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", "the message is not hidden")
    return {}


def change_message_visibility_batch(house: House, request: asked.ChangeMessageVisibilityBatch) -> Answer:
    queue = house.queue(request.queue_url)
    done, failed = [], []
    for entry in request.entries:
        if queue.hide(entry.receipt_handle, entry.visibility_timeout):
            done.append({"Id": entry.id})
        else:
            failed.append({"Id": entry.id, "SenderFault": True, "Code": "MessageNotInflight", "Message": "not hidden"})
    return {"Successful": done, "Failed": failed}


# Queues ------------------------------------------------------------------------------------------------------------


def create_queue(house: House, request: asked.CreateQueue) -> Answer:
    house.queues.setdefault(request.queue_name, Queue(request.queue_name, {})).attributes.update(request.attributes)
    return {"QueueUrl": house.url_of(request.queue_name)}


def delete_queue(house: House, request: asked.OfQueue) -> Answer:
    house.queues.pop(house.queue(request.queue_url).name)
    return {}


def purge_queue(house: House, request: asked.OfQueue) -> Answer:
    house.queue(request.queue_url).ready.clear()
    return {}


def get_queue_url(house: House, request: asked.NameQueue) -> Answer:
    return {"QueueUrl": house.url_of(house.queue(request.queue_name).name)}


def list_queues(house: House, request: asked.ListQueues) -> Answer:
    names = [name for name in house.queues if name.startswith(request.queue_name_prefix)]
    return {"QueueUrls": [house.url_of(name) for name in names]}


def set_queue_attributes(house: House, request: asked.SetQueueAttributes) -> Answer:
    house.queue(request.queue_url).attributes.update(request.attributes)
    return {}


def get_queue_attributes(house: House, request: asked.OfQueue) -> Answer:
    queue = house.queue(request.queue_url)
    counted = {
        "ApproximateNumberOfMessages": len(queue.ready),
        "ApproximateNumberOfMessagesNotVisible": len(queue.hidden),
        "ApproximateNumberOfMessagesDelayed": queue.delayed,
    }
    described = {
        "QueueArn": f"arn:aws:sqs:us-east-1:000000000000:{queue.name}",
        "MessageRetentionPeriod": "345600",
        "VisibilityTimeout": "30",
        **queue.attributes,
    }
    return {"Attributes": described | {name: str(count) for name, count in counted.items()}}


# The conductor's ---------------------------------------------------------------------------------------------------


def counts(house: House, request: asked.Control) -> Answer:
    """Return how often each operation was called since it was last asked, on one queue or on all of them."""
    wanted = [key for key in house.calls if request.queue_name in ("", key[1])]
    total: Counter[str] = Counter()
    for operation, queue in wanted:
        total[operation] += house.calls.pop((operation, queue))
    return dict(total)


def delay(house: House, request: asked.Control) -> Answer:
    house.delay = request.seconds
    return {}


def keep(house: House, request: asked.Control) -> Answer:
    return {"Kept": house.queue(request.queue_name).keep()}


def restart(house: House, request: asked.Control) -> Answer:
    """Put kept messages into a queue, and say when."""
    return {"Began": house.queue(request.queue_name).restart(request.count)}


async def drained(house: House, request: asked.Control) -> Answer:
    """Wait until all that was put back is deleted; tell how many were, and when the first came and the last went."""
    queue = house.queue(request.queue_name)
    try:
        async with asyncio.timeout(request.seconds):
            await queue.drained.wait()
    except TimeoutError:
        pass  # told by the number
    return {"Deleted": queue.deleted, "First": queue.first_received, "Last": queue.last_deleted}


async def polled(house: House, request: asked.Control) -> Answer:
    """Wait until somebody receives from a queue; tell whether somebody did."""
    until = time.monotonic() + request.seconds
    while not house.calls["ReceiveMessage", request.queue_name] and time.monotonic() < until:  # noqa: ASYNC110 - no event is set where all calls are counted
        await asyncio.sleep(0.01)
    return {"Polled": house.calls["ReceiveMessage", request.queue_name] > 0}


Operation: TypeAlias = Callable[[House, Any], Answer | Awaitable[Answer]]


def _known(shape: type[Any], operation: Operation) -> tuple[Callable[[bytes], Any], Operation]:
    return msgspec.json.Decoder(shape).decode, operation


OPERATIONS: Final = {
    "AmazonSQS.SendMessage": _known(asked.SendMessage, send_message),
    "AmazonSQS.SendMessageBatch": _known(asked.SendMessageBatch, send_message_batch),
    "AmazonSQS.DeleteMessage": _known(asked.DeleteMessage, delete_message),
    "AmazonSQS.DeleteMessageBatch": _known(asked.DeleteMessageBatch, delete_message_batch),
    "AmazonSQS.ChangeMessageVisibility": _known(asked.ChangeMessageVisibility, change_message_visibility),
    "AmazonSQS.ChangeMessageVisibilityBatch": _known(
        asked.ChangeMessageVisibilityBatch, change_message_visibility_batch
    ),
    "AmazonSQS.CreateQueue": _known(asked.CreateQueue, create_queue),
    "AmazonSQS.DeleteQueue": _known(asked.OfQueue, delete_queue),
    "AmazonSQS.PurgeQueue": _known(asked.OfQueue, purge_queue),
    "AmazonSQS.GetQueueUrl": _known(asked.NameQueue, get_queue_url),
    "AmazonSQS.ListQueues": _known(asked.ListQueues, list_queues),
    "AmazonSQS.SetQueueAttributes": _known(asked.SetQueueAttributes, set_queue_attributes),
    "AmazonSQS.GetQueueAttributes": _known(asked.OfQueue, get_queue_attributes),
    "Bench.Counts": _known(asked.Control, counts),
    "Bench.Delay": _known(asked.Control, delay),
    "Bench.Keep": _known(asked.Control, keep),
    "Bench.Polled": _known(asked.Control, polled),
    "Bench.Restart": _known(asked.Control, restart),
    "Bench.Drained": _known(asked.Control, drained),
}


def act(house: House, target: str, body: bytes) -> Answer | Awaitable[Answer]:
    """Carry out what `target` names.

    Raises:
        Refusal: if it is not known, or cannot be done.
    """
    known = OPERATIONS.get(target)
    if known is None:
        raise Refusal("UnknownOperationException", "UnknownOperationException", f"no operation {target!r} here")
    read, operation = known
    try:
        request = read(body)
    except msgspec.DecodeError as error:
        raise Refusal("SerializationException", "SerializationException", str(error)) from error
    queue = getattr(request, "queue_url", "").rpartition("/")[2]
    if target.startswith("AmazonSQS."):
        house.calls[target[10:], queue] += 1
    return operation(house, request)
