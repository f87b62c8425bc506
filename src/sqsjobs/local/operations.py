"""The operations of SQS, from the shape of a request to that of its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

from sqsjobs.local import requests as asked
from sqsjobs.local.answers import BatchAnswer, EntryDone, Messages, MoveTaskAnswer, SentAnswer, entry_failed, message_of
from sqsjobs.local.digests import attributes_digest, body_digest
from sqsjobs.transport.memory import MemorySQS
from sqsjobs.transport.model import (
    AttributeValue,
    Fault,
    NewMessage,
    Queue,
    ReceiveRequest,
    Refusal,
    SentMessage,
    SqsModel,
    missing_parameter,
)

__all__ = ["OPERATIONS", "Answered", "Call", "Operation", "receive_message"]

Answered: TypeAlias = Any
"""What can be written as JSON; None is an answer without contents."""


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """A call under way: the model while it is ours, the queue asked about, and where this client reaches us."""

    model: SqsModel
    fault: Fault
    queue: str
    base_url: str

    def url_of(self, queue: Queue) -> str:
        """Return the URL under which this client knows the queue."""
        return f"{self.base_url}/{self.model.account.number}/{queue.name}"


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation: the shape of its request, and what carries it out."""

    shape: type[asked.Request]
    act: Callable[[Call, Any], Answered]  # Any: the shape named beside it


# Queues -----------------------------------------------------------------------------------------------


def _create_queue(call: Call, request: asked.CreateQueue) -> Answered:
    return {"QueueUrl": call.url_of(call.model.account.create(call.queue, request.attributes, request.tags))}


def _delete_queue(call: Call, _: asked.OfQueue) -> Answered:
    call.model.account.delete(call.queue)


def _get_queue_url(call: Call, _: asked.GetQueueUrl) -> Answered:
    return {"QueueUrl": call.url_of(call.model.account.queue(call.queue))}


def _list_queues(call: Call, request: asked.ListQueues) -> Answered:
    page = call.model.account.list_queues(
        prefix=request.queue_name_prefix, limit=request.max_results, after=request.next_token
    )
    urls = [call.url_of(queue) for queue in page.queues]
    return {**({"QueueUrls": urls} if urls else {}), **_next(page.next_token)}


def _list_dead_letter_source_queues(call: Call, request: asked.ListDeadLetterSourceQueues) -> Answered:
    page = call.model.account.sources_of(call.queue, limit=request.max_results, after=request.next_token)
    return {"queueUrls": [call.url_of(queue) for queue in page.queues], **_next(page.next_token)}


def _get_queue_attributes(call: Call, request: asked.GetQueueAttributes) -> Answered:
    attributes = call.model.account.attributes(call.queue, request.attribute_names)
    return {"Attributes": attributes} if attributes else {}


def _set_queue_attributes(call: Call, request: asked.SetQueueAttributes) -> Answered:
    call.model.account.set_attributes(call.queue, request.attributes)


def _purge_queue(call: Call, _: asked.OfQueue) -> Answered:
    call.model.account.purge(call.queue)


def _tag_queue(call: Call, request: asked.TagQueue) -> Answered:
    call.model.account.queue(call.queue).tags.update(request.tags)


def _untag_queue(call: Call, request: asked.UntagQueue) -> Answered:
    tags = call.model.account.queue(call.queue).tags
    for key in request.tag_keys:
        tags.pop(key, None)


def _list_queue_tags(call: Call, _: asked.OfQueue) -> Answered:
    tags = call.model.account.queue(call.queue).tags
    return {"Tags": tags} if tags else {}


def _add_permission(call: Call, request: asked.AddPermission) -> Answered:
    call.model.account.add_permission(call.queue, request.label, request.account_ids, request.actions)


def _remove_permission(call: Call, request: asked.RemovePermission) -> Answered:
    call.model.account.remove_permission(call.queue, request.label)


def _next(token: str | None) -> dict[str, str]:
    return {} if token is None else {"NextToken": token}


# Messages ---------------------------------------------------------------------------------------------


def _send_message(call: Call, request: asked.SendMessage) -> Answered:
    new = _new_message(request)
    return _sent(new, call.model.sending.send(call.queue, new))


def _send_message_batch(call: Call, request: asked.SendMessageBatch) -> Answered:
    new = [_new_message(entry) for entry in request.entries]
    ids = [entry.id for entry in request.entries]
    results = call.model.sending.send_batch(call.queue, list(zip(ids, new, strict=True)), call.fault)
    return _batch(ids, results, lambda position, sent: _sent(new[position], sent, entry_id=ids[position]))


def _delete_message(call: Call, request: asked.DeleteMessage) -> Answered:
    if not request.receipt_handle:
        raise missing_parameter("ReceiptHandle")
    call.model.leases.delete(call.queue, request.receipt_handle, call.fault)


def _delete_message_batch(call: Call, request: asked.DeleteMessageBatch) -> Answered:
    entries = [(entry.id, entry.receipt_handle) for entry in request.entries]
    results = call.model.leases.delete_batch(call.queue, entries, call.fault)
    return _batch([entry.id for entry in request.entries], results, lambda at, _: EntryDone(entries[at][0]))


def _change_message_visibility(call: Call, request: asked.ChangeMessageVisibility) -> Answered:
    if not request.receipt_handle:
        raise missing_parameter("ReceiptHandle")
    if request.visibility_timeout is None:
        raise missing_parameter("VisibilityTimeout")
    call.model.leases.change_visibility(call.queue, request.receipt_handle, request.visibility_timeout)


def _change_message_visibility_batch(call: Call, request: asked.ChangeMessageVisibilityBatch) -> Answered:
    entries = [(entry.id, (entry.receipt_handle, entry.visibility_timeout or 0)) for entry in request.entries]
    results = call.model.leases.change_visibility_batch(call.queue, entries, call.fault)
    return _batch([entry.id for entry in request.entries], results, lambda at, _: EntryDone(entries[at][0]))


async def receive_message(
    sqs: MemorySQS, queue: str, request: asked.ReceiveMessage, fault: Fault | None = None
) -> Answered:
    """Carry out ReceiveMessage, the only operation that waits."""
    received = await sqs.receive(
        queue,
        ReceiveRequest(
            limit=1 if request.max_number_of_messages is None else request.max_number_of_messages,
            wait=request.wait_time_seconds,
            visibility=request.visibility_timeout,
            attempt_id=request.receive_request_attempt_id,
        ),
        fault=fault,
    )
    system_names = request.attribute_names + request.message_system_attribute_names
    return Messages([message_of(receipt, system_names, request.message_attribute_names) for receipt in received])


def _new_message(request: asked.SendMessage) -> NewMessage:
    trace = request.message_system_attributes.get("AWSTraceHeader")
    return NewMessage(
        body=request.message_body,
        delay=request.delay_seconds,
        group=request.message_group_id,
        deduplication_id=request.message_deduplication_id,
        attributes=_attribute_values(request.message_attributes),
        trace_header=trace.string_value if trace else None,
    )


def _attribute_values(attributes: Mapping[str, asked.Attribute]) -> dict[str, AttributeValue]:
    return {
        name: AttributeValue(it.data_type, it.binary_value or it.string_value or "") for name, it in attributes.items()
    }


def _sent(new: NewMessage, sent: SentMessage, *, entry_id: str | None = None) -> SentAnswer:
    trace = {} if new.trace_header is None else {"AWSTraceHeader": AttributeValue("String", new.trace_header)}
    return SentAnswer(
        message_id=sent.message_id,
        md5_of_body=body_digest(new.body),
        md5_of_attributes=attributes_digest(new.attributes),
        md5_of_system_attributes=attributes_digest(trace),
        sequence_number=sent.sequence,
        id=entry_id,
    )


def _batch(
    ids: Sequence[str], results: Sequence[T | Refusal], done: Callable[[int, T], EntryDone | SentAnswer]
) -> BatchAnswer:
    successful = [done(at, result) for at, result in enumerate(results) if not isinstance(result, Refusal)]
    failed = [entry_failed(ids[at], result) for at, result in enumerate(results) if isinstance(result, Refusal)]
    return BatchAnswer(successful, failed)


# Message move tasks -----------------------------------------------------------------------------------


def _start_message_move_task(call: Call, request: asked.StartMessageMoveTask) -> Answered:
    task = call.model.moves.start(
        request.source_arn, request.destination_arn, request.max_number_of_messages_per_second
    )
    return {"TaskHandle": task.handle}


def _list_message_move_tasks(call: Call, request: asked.ListMessageMoveTasks) -> Answered:
    limit = 1 if request.max_results is None else request.max_results
    return {"Results": [MoveTaskAnswer.of(task) for task in call.model.moves.tasks(request.source_arn, limit)]}


def _cancel_message_move_task(call: Call, request: asked.CancelMessageMoveTask) -> Answered:
    call.model.moves.cancel(request.task_handle)


OPERATIONS: Final[Mapping[str, Operation]] = {
    "AddPermission": Operation(asked.AddPermission, _add_permission),
    "CancelMessageMoveTask": Operation(asked.CancelMessageMoveTask, _cancel_message_move_task),
    "ChangeMessageVisibility": Operation(asked.ChangeMessageVisibility, _change_message_visibility),
    "ChangeMessageVisibilityBatch": Operation(asked.ChangeMessageVisibilityBatch, _change_message_visibility_batch),
    "CreateQueue": Operation(asked.CreateQueue, _create_queue),
    "DeleteMessage": Operation(asked.DeleteMessage, _delete_message),
    "DeleteMessageBatch": Operation(asked.DeleteMessageBatch, _delete_message_batch),
    "DeleteQueue": Operation(asked.OfQueue, _delete_queue),
    "GetQueueAttributes": Operation(asked.GetQueueAttributes, _get_queue_attributes),
    "GetQueueUrl": Operation(asked.GetQueueUrl, _get_queue_url),
    "ListDeadLetterSourceQueues": Operation(asked.ListDeadLetterSourceQueues, _list_dead_letter_source_queues),
    "ListMessageMoveTasks": Operation(asked.ListMessageMoveTasks, _list_message_move_tasks),
    "ListQueueTags": Operation(asked.OfQueue, _list_queue_tags),
    "ListQueues": Operation(asked.ListQueues, _list_queues),
    "PurgeQueue": Operation(asked.OfQueue, _purge_queue),
    "RemovePermission": Operation(asked.RemovePermission, _remove_permission),
    "SendMessage": Operation(asked.SendMessage, _send_message),
    "SendMessageBatch": Operation(asked.SendMessageBatch, _send_message_batch),
    "SetQueueAttributes": Operation(asked.SetQueueAttributes, _set_queue_attributes),
    "StartMessageMoveTask": Operation(asked.StartMessageMoveTask, _start_message_move_task),
    "TagQueue": Operation(asked.TagQueue, _tag_queue),
    "UntagQueue": Operation(asked.UntagQueue, _untag_queue),
}
"""All operations but ReceiveMessage, which waits."""
