"""Every operation of SQS, through boto3: what goes in, what comes out."""

from __future__ import annotations

import json

from tests.local.conftest import Boto3

from sqsjobs.local import LocalServer


async def test_queues(sqs: Boto3, local_server: LocalServer) -> None:
    url = await sqs.create("jobs", DelaySeconds="5")
    assert url == f"{local_server.endpoint_url}/000000000000/jobs"
    assert await sqs.call("get_queue_url", QueueName="jobs") == {"QueueUrl": url}
    assert await sqs.call("list_queues") == {"QueueUrls": [url]}
    assert await sqs.call("list_queues", QueueNamePrefix="x") == {}
    other = await sqs.create("others")
    page = await sqs.call("list_queues", MaxResults=1)
    assert page["QueueUrls"] == [url]
    assert await sqs.call("list_queues", MaxResults=1, NextToken=page["NextToken"]) == {"QueueUrls": [other]}
    await sqs.call("delete_queue", QueueUrl=url)
    assert await sqs.call("list_queues") == {"QueueUrls": [other]}


async def test_queue_attributes(sqs: Boto3) -> None:
    url = await sqs.create("jobs.fifo", FifoQueue="true")
    await sqs.call("set_queue_attributes", QueueUrl=url, Attributes={"VisibilityTimeout": "7"})
    asked = await sqs.call("get_queue_attributes", QueueUrl=url, AttributeNames=["VisibilityTimeout", "FifoQueue"])
    assert asked == {"Attributes": {"VisibilityTimeout": "7", "FifoQueue": "true"}}
    everything = await sqs.call("get_queue_attributes", QueueUrl=url, AttributeNames=["All"])
    assert everything["Attributes"]["QueueArn"] == "arn:aws:sqs:us-east-1:000000000000:jobs.fifo"
    assert await sqs.call("get_queue_attributes", QueueUrl=url) == {}


async def test_tags(sqs: Boto3) -> None:
    url = (await sqs.call("create_queue", QueueName="jobs", tags={"team": "a"}))["QueueUrl"]
    await sqs.call("tag_queue", QueueUrl=url, Tags={"cost": "b"})
    assert await sqs.call("list_queue_tags", QueueUrl=url) == {"Tags": {"team": "a", "cost": "b"}}
    await sqs.call("untag_queue", QueueUrl=url, TagKeys=["team", "cost", "none"])
    assert await sqs.call("list_queue_tags", QueueUrl=url) == {}


async def test_permissions(sqs: Boto3) -> None:
    url = await sqs.create("jobs")
    await sqs.call("add_permission", QueueUrl=url, Label="l", AWSAccountIds=["1"], Actions=["SendMessage"])
    policy = (await sqs.call("get_queue_attributes", QueueUrl=url, AttributeNames=["Policy"]))["Attributes"]["Policy"]
    assert json.loads(policy)["Statement"][0]["Sid"] == "l"
    await sqs.call("remove_permission", QueueUrl=url, Label="l")
    assert await sqs.call("get_queue_attributes", QueueUrl=url, AttributeNames=["Policy"]) == {}


async def test_a_message_there_and_back(sqs: Boto3) -> None:
    url = await sqs.create("jobs")
    attributes = {
        "text": {"DataType": "String", "StringValue": "é"},
        "number": {"DataType": "Number", "StringValue": "-1"},
        "bytes": {"DataType": "Binary.png", "BinaryValue": b"\x00\xff"},
    }
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793"
    sent = await sqs.call(
        "send_message",
        QueueUrl=url,
        MessageBody="héllo \U0001f600",
        MessageGroupId="tenant",
        MessageAttributes=attributes,
        MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": trace}},
    )
    answer = await sqs.call("receive_message", QueueUrl=url, AttributeNames=["All"], MessageAttributeNames=["All"])
    (received,) = answer["Messages"]
    assert received["Body"] == "héllo \U0001f600"
    assert received["MessageAttributes"] == attributes
    assert received["MessageId"] == sent["MessageId"]
    assert received["MD5OfBody"] == sent["MD5OfMessageBody"]
    assert received["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert sent["MD5OfMessageSystemAttributes"]
    system = received["Attributes"]
    assert system["MessageGroupId"] == "tenant"
    assert system["AWSTraceHeader"] == trace
    assert system["ApproximateReceiveCount"] == "1"
    assert system.keys() >= {"SentTimestamp", "ApproximateFirstReceiveTimestamp", "SenderId"}
    handle = received["ReceiptHandle"]
    await sqs.call("change_message_visibility", QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=100)
    await sqs.call("delete_message", QueueUrl=url, ReceiptHandle=handle)
    assert await sqs.call("receive_message", QueueUrl=url) == {}


async def test_a_message_has_only_the_attributes_asked_for(sqs: Boto3) -> None:
    """With the digest of just these, as AWS has been recorded to answer."""
    url = await sqs.create("jobs", VisibilityTimeout="0")
    values = {"Help.Me": "Me", "Hello": "There", "General": "Kenobi"}
    attributes = {name: {"DataType": "String", "StringValue": value} for name, value in values.items()}
    await sqs.call("send_message", QueueUrl=url, MessageBody="msg", MessageAttributes=attributes)

    async def receive(*names: str) -> tuple[set[str], str | None]:
        answer = await sqs.call("receive_message", QueueUrl=url, MessageAttributeNames=list(names), WaitTimeSeconds=5)
        (received,) = answer["Messages"]
        return set(received.get("MessageAttributes", {})), received.get("MD5OfMessageAttributes")

    assert await receive() == (set(), None)
    assert await receive("Foo") == (set(), None)
    assert await receive("All") == (set(values), "4c360f3fdafd970e05fae2f149d997f5")
    assert await receive(".*") == (set(values), "4c360f3fdafd970e05fae2f149d997f5")
    assert await receive("Hello", "General") == ({"Hello", "General"}, "fca026605781cb4126a1e9044df24232")
    assert await receive("Hello", "Foo") == ({"Hello"}, "a311262e065454b75da111d535b8dacd")
    assert await receive("He.*") == ({"Hello", "Help.Me"}, "83fee93c1bcd8b9a5a923ffacdc636c7")


async def test_system_attributes_by_either_name(sqs: Boto3) -> None:
    url = await sqs.create("jobs", VisibilityTimeout="0")
    await sqs.call("send_message", QueueUrl=url, MessageBody="x")
    for name in ("AttributeNames", "MessageSystemAttributeNames"):
        answer = await sqs.call("receive_message", QueueUrl=url, WaitTimeSeconds=5, **{name: ["SenderId", "Nonsense"]})
        assert set(answer["Messages"][0]["Attributes"]) == {"SenderId"}


async def test_batches(sqs: Boto3) -> None:
    url = await sqs.create("jobs")
    sent = await sqs.call(
        "send_message_batch",
        QueueUrl=url,
        Entries=[
            {"Id": "a", "MessageBody": "a"},
            {"Id": "b", "MessageBody": "b", "DelaySeconds": 901},
            {"Id": "c", "MessageBody": "c", "MessageAttributes": {"k": {"DataType": "String", "StringValue": "v"}}},
        ],
    )
    assert [it["Id"] for it in sent["Successful"]] == ["a", "c"]
    assert sent["Successful"][1]["MD5OfMessageAttributes"]
    (failed,) = sent["Failed"]
    assert (failed["Id"], failed["Code"], failed["SenderFault"]) == ("b", "InvalidParameterValue", True)
    received = (await sqs.call("receive_message", QueueUrl=url, MaxNumberOfMessages=10))["Messages"]
    handles = [it["ReceiptHandle"] for it in received]
    changed = await sqs.call(
        "change_message_visibility_batch",
        QueueUrl=url,
        Entries=[
            {"Id": "0", "ReceiptHandle": handles[0], "VisibilityTimeout": 60},
            {"Id": "1", "ReceiptHandle": "garbage", "VisibilityTimeout": 60},
        ],
    )
    assert changed["Successful"] == [{"Id": "0"}]
    assert changed["Failed"][0]["Code"] == "ReceiptHandleIsInvalid"
    deleted = await sqs.call(
        "delete_message_batch",
        QueueUrl=url,
        Entries=[{"Id": str(n), "ReceiptHandle": handle} for n, handle in enumerate([*handles, "garbage"])],
    )
    assert deleted["Successful"] == [{"Id": "0"}, {"Id": "1"}]
    assert [it["Id"] for it in deleted["Failed"]] == ["2"]


async def test_fifo(sqs: Boto3) -> None:
    url = await sqs.create("jobs.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    first = await sqs.call("send_message", QueueUrl=url, MessageBody="a", MessageGroupId="g")
    again = await sqs.call("send_message", QueueUrl=url, MessageBody="a", MessageGroupId="g")
    assert again["MessageId"] == first["MessageId"]
    assert again["SequenceNumber"] == first["SequenceNumber"]
    await sqs.call("send_message", QueueUrl=url, MessageBody="b", MessageGroupId="g")
    parameters = {"QueueUrl": url, "MaxNumberOfMessages": 10, "AttributeNames": ["All"], "ReceiveRequestAttemptId": "t"}
    received = await sqs.call("receive_message", **parameters)
    assert [it["Body"] for it in received["Messages"]] == ["a", "b"]
    assert received["Messages"][0]["Attributes"]["SequenceNumber"] == first["SequenceNumber"]
    assert received["Messages"][0]["Attributes"]["MessageDeduplicationId"]
    assert await sqs.call("receive_message", **parameters) == received


async def test_dead_letters_and_their_way_back(sqs: Boto3) -> None:
    dead_url = await sqs.create("dead")
    arn = "arn:aws:sqs:us-east-1:000000000000:dead"
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    url = await sqs.create("jobs", RedrivePolicy=policy, VisibilityTimeout="0")
    await sqs.call("send_message", QueueUrl=url, MessageBody="a")
    await sqs.call("receive_message", QueueUrl=url)
    assert await sqs.call("receive_message", QueueUrl=url) == {}
    dead = await sqs.call("receive_message", QueueUrl=dead_url, AttributeNames=["All"], VisibilityTimeout=0)
    assert dead["Messages"][0]["Attributes"]["DeadLetterQueueSourceArn"].endswith(":jobs")
    assert await sqs.call("list_dead_letter_source_queues", QueueUrl=dead_url) == {"queueUrls": [url]}
    started = await sqs.call("start_message_move_task", SourceArn=arn)
    (task,) = (await sqs.call("list_message_move_tasks", SourceArn=arn))["Results"]
    assert task["Status"] == "COMPLETED"
    assert task["ApproximateNumberOfMessagesMoved"] == task["ApproximateNumberOfMessagesToMove"] == 1
    assert (await sqs.call("receive_message", QueueUrl=url))["Messages"][0]["Body"] == "a"
    error = await sqs.error("cancel_message_move_task", TaskHandle=started["TaskHandle"])
    assert error == ("ResourceNotFoundException", "ResourceNotFoundException", 404)


async def test_purge(sqs: Boto3) -> None:
    url = await sqs.create("jobs")
    await sqs.call("send_message", QueueUrl=url, MessageBody="a")
    await sqs.call("purge_queue", QueueUrl=url)
    assert await sqs.call("receive_message", QueueUrl=url) == {}


async def test_a_batch_of_a_mebibyte_gets_through(sqs: Boto3) -> None:
    """R30: also when every character of it is escaped on the way."""
    url = await sqs.create("jobs")
    body = "é" * (1_048_576 // 2)
    await sqs.call("send_message", QueueUrl=url, MessageBody=body)
    assert (await sqs.call("receive_message", QueueUrl=url))["Messages"][0]["Body"] == body
