"""Errors over the wire: botocore finds the old code, the class of the exception and the status that AWS has."""

from __future__ import annotations

import http.client
import json
from asyncio import to_thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.local.conftest import Boto3

from sqsjobs.local import LocalServer

OLD = "AWS.SimpleQueueService."


@pytest.mark.parametrize(
    ("operation", "parameters", "code", "kind", "status"),
    [
        ("get_queue_url", {"QueueName": "none"}, OLD + "NonExistentQueue", "QueueDoesNotExist", 400),
        ("get_queue_url", {}, "MissingParameter", "ClientError", 400),
        ("purge_queue", {}, "MissingParameter", "ClientError", 400),
        ("create_queue", {"QueueName": "a/b"}, "InvalidParameterValue", "ClientError", 400),
        ("create_queue", {"QueueName": "jobs", "Attributes": {"DelaySeconds": "1"}}, "QueueAlreadyExists",
         "QueueNameExists", 400),
        ("create_queue", {"QueueName": "n", "Attributes": {"No": "1"}}, "InvalidAttributeName",
         "InvalidAttributeName", 400),
        ("create_queue", {"QueueName": "n", "Attributes": {"DelaySeconds": "x"}}, "InvalidAttributeValue",
         "InvalidAttributeValue", 400),
        ("send_message", {"MessageBody": ""}, "MissingParameter", "ClientError", 400),
        ("send_message", {"MessageBody": "\x00"}, "InvalidMessageContents", "InvalidMessageContents", 400),
        ("send_message", {"MessageBody": "x" * 1_048_577}, "InvalidParameterValue", "ClientError", 400),
        ("send_message", {"MessageBody": 7}, "SerializationException", "ClientError", 400),
        ("send_message_batch", {"Entries": []}, OLD + "EmptyBatchRequest", "EmptyBatchRequest", 400),
        ("send_message_batch", {"Entries": [{"Id": "a", "MessageBody": "x"}] * 2}, OLD + "BatchEntryIdsNotDistinct",
         "BatchEntryIdsNotDistinct", 400),
        ("send_message_batch", {"Entries": [{"Id": "é", "MessageBody": "x"}]}, OLD + "InvalidBatchEntryId",
         "InvalidBatchEntryId", 400),
        ("send_message_batch", {"Entries": [{"Id": str(n), "MessageBody": "x"} for n in range(11)]},
         OLD + "TooManyEntriesInBatchRequest", "TooManyEntriesInBatchRequest", 400),
        ("send_message_batch", {"Entries": [{"Id": str(n), "MessageBody": "x" * 600_000} for n in range(2)]},
         OLD + "BatchRequestTooLong", "BatchRequestTooLong", 400),
        ("receive_message", {"MaxNumberOfMessages": 11}, "InvalidParameterValue", "ClientError", 400),
        ("receive_message", {"WaitTimeSeconds": 21}, "InvalidParameterValue", "ClientError", 400),
        ("receive_message", {"VisibilityTimeout": 43_201}, "InvalidParameterValue", "ClientError", 400),
        ("delete_message", {"ReceiptHandle": "garbage"}, "ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 400),
        ("delete_message", {}, "MissingParameter", "ClientError", 400),
        ("change_message_visibility", {"ReceiptHandle": "garbage"}, "MissingParameter", "ClientError", 400),
        ("change_message_visibility", {"ReceiptHandle": "", "VisibilityTimeout": 1}, "MissingParameter",
         "ClientError", 400),
        ("start_message_move_task", {"SourceArn": "none"}, "ResourceNotFoundException",
         "ResourceNotFoundException", 404),
        ("cancel_message_move_task", {"TaskHandle": "garbage"}, "InvalidParameterValue", "ClientError", 400),
    ],
)  # fmt: skip
async def test_errors_are_those_of_aws(
    sqs: Boto3, operation: str, parameters: dict[str, Any], code: str, kind: str, status: int
) -> None:
    url = await sqs.create("jobs")
    if operation not in {"get_queue_url", "create_queue", "purge_queue"} and "move_task" not in operation:
        parameters = {"QueueUrl": url, **parameters}
    assert await sqs.error(operation, **parameters) == (code, kind, status)


async def test_a_second_purge_is_too_soon(sqs: Boto3) -> None:
    url = await sqs.create("jobs")
    await sqs.call("purge_queue", QueueUrl=url)
    error = await sqs.error("purge_queue", QueueUrl=url)
    assert error == (OLD + "PurgeQueueInProgress", "PurgeQueueInProgress", 403)


async def test_a_deleted_name_is_not_free_at_once(sqs: Boto3) -> None:
    url = await sqs.create("jobs")
    await sqs.call("delete_queue", QueueUrl=url)
    error = await sqs.error("create_queue", QueueName="jobs")
    assert error == (OLD + "QueueDeletedRecently", "QueueDeletedRecently", 400)


@pytest.mark.parametrize(
    ("target", "body", "kind"),
    [
        ("AmazonSQS.Nonsense", b"{}", "com.amazon.coral.service#UnknownOperationException"),
        ("", b"{}", "com.amazon.coral.service#UnknownOperationException"),
        ("AmazonSQS.ListQueues", b"{", "com.amazon.coral.service#SerializationException"),
        ("AmazonSQS.ListQueues", b"[]", "com.amazon.coral.service#SerializationException"),
        ("AmazonSQS.ListQueues", b"\xff", "com.amazon.coral.service#SerializationException"),
        ("AmazonSQS.GetQueueUrl", b'{"QueueName": "none"}', "com.amazonaws.sqs#QueueDoesNotExist"),
    ],
)
async def test_what_is_no_request_is_told_so(local_server: LocalServer, target: str, body: bytes, kind: str) -> None:
    status, content_type, answer = await to_thread(post, local_server.endpoint_url, target, body)
    assert (status, content_type) == (400, "application/x-amz-json-1.0")
    assert answer["__type"] == kind
    assert answer["message"]


async def test_a_browser_is_answered(local_server: LocalServer) -> None:
    """And so is a health check."""

    def get() -> int:
        connection = http.client.HTTPConnection(urlsplit(local_server.endpoint_url).netloc)
        connection.request("GET", "/")
        status = connection.getresponse().status
        connection.close()
        return status

    assert await to_thread(get) == 200


def post(endpoint_url: str, target: str, body: bytes) -> tuple[int, str | None, dict[str, str]]:
    connection = http.client.HTTPConnection(urlsplit(endpoint_url).netloc)
    connection.request("POST", "/", body, {"X-Amz-Target": target})
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, response.getheader("Content-Type"), answer
