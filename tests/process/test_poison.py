"""What is no job, between jobs."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from tests.process import jobs
from tests.process.rig import TOKEN, Ground

from sqsjobs import App
from sqsjobs.transport.base import OutgoingMessage

MALFORMED = [
    "",
    " ",
    "{",
    "null",
    "[]",
    '"text"',
    "\\x00",
    '{"sqsjobs":1}',
    '{"sqsjobs":"1","task":"work"}',
    "<xml/>",
    "{'a': 1}",
][1:]
S3_EVENT = json.dumps({"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}}]})
WRONG_ARGUMENTS = [
    f'{{"sqsjobs":1,"task":"work","args":{{"number":"{TOKEN}"}}}}',
    '{"sqsjobs":1,"task":"work","args":{"n":1}}',
]
UNKNOWN = f'{{"sqsjobs":1,"task":"nobody.knows","args":{{"token":"{TOKEN}"}}}}'


async def test_poison_between_good_jobs_ends_in_the_dead_letter_queue_with_its_reason(field: Ground, app: App) -> None:
    """R47, R48: the good jobs finish, the bad are dead-lettered or parked, and nothing loops."""
    bad = [*MALFORMED, S3_EVENT, *WRONG_ARGUMENTS, UNKNOWN]
    handles = await app.enqueue_many(jobs.work.call(n) for n in range(50))
    for body in bad:
        await app.transport.send("work", [OutgoingMessage(body)])
    handles += await app.enqueue_many(jobs.work.call(n) for n in range(50, 100))
    worker = await field.worker("--burst")
    assert await worker.ended() == 0, "".join(worker.lines)
    for number, handle in enumerate(handles):
        assert await handle.result(timeout=1) == number
    letters = {letter.body: letter for letter in field.server.sqs.peek("work-dlq")}
    assert set(letters) == set(bad) - {UNKNOWN}
    assert all(letter.receive_count == 0 for letter in letters.values())
    (parked,) = field.server.sqs.peek("work")
    assert (parked.body, parked.receive_count, parked.phase.name) == (UNKNOWN, 1, "IN_FLIGHT")
    reasons = {body: json.loads(str(letter.attributes["sqsjobs"].value))["reason"] for body, letter in letters.items()}
    assert {reasons[body] for body in (*MALFORMED, S3_EVENT)} == {"invalid-envelope"}
    assert {reasons[body] for body in WRONG_ARGUMENTS} == {"invalid-arguments"}


async def test_the_reason_is_read_with_any_sqs_client(field: Ground, app: App) -> None:
    """A dead letter's reason is one message attribute, as the AWS CLI (and boto3, which it is made of) shows it."""
    await app.transport.send("work", [OutgoingMessage("no envelope")])
    assert await (await field.worker("--burst")).ended() == 0
    program = """
import boto3, sys
sqs = boto3.client("sqs", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="a")
url = sqs.get_queue_url(QueueName="work-dlq")["QueueUrl"]
print(sqs.receive_message(QueueUrl=url, MessageAttributeNames=["sqsjobs"])["Messages"][0]["MessageAttributes"]["sqsjobs"]["StringValue"])
"""
    shown = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", program, field.server.endpoint_url],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
    )
    assert shown.returncode == 0, shown.stderr
    reason = json.loads(shown.stdout)
    assert (reason["reason"], reason["queue"]) == ("invalid-envelope", "work")
    assert "not JSON" in reason["error"]
