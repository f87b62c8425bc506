"""moto with IAM enforced, and a list of what was asked of it.

Two things moto leaves out are added, as "Actions, resources, and condition keys for Amazon SQS" has them: a batch needs
the right of the single action, and a call that names a queue or a table by its name is about the thing of that ARN.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import boto3
from moto.core.authorization import enable_iam_authentication
from moto.iam.access_control import IAMRequest, S3IAMRequest

from sqsjobs.access.place import Place

PLACE = Place("123456789012", "us-east-1")
"""Where everything of moto is."""


@dataclass(frozen=True)
class Asked:
    """A call on the wire, as IAM judges it."""

    access_key: str
    action: str
    arn: str
    allowed: bool


@dataclass(frozen=True)
class Identity:
    """An IAM user that has one policy and nothing else."""

    access_key: str
    secret: str

    @property
    def environment(self) -> dict[str, str]:
        return {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret}


def identity(endpoint_url: str, name: str, policy: dict[str, Any]) -> Identity:
    """Make a user with `policy`; before the gate is closed."""
    client = boto3.client(
        "iam",
        endpoint_url=endpoint_url,
        region_name=PLACE.region,
        aws_access_key_id="root",
        aws_secret_access_key="root",
    )
    client.create_user(UserName=name)
    client.put_user_policy(UserName=name, PolicyName="least", PolicyDocument=json.dumps(policy))
    key = client.create_access_key(UserName=name)["AccessKey"]
    return Identity(key["AccessKeyId"], key["SecretAccessKey"])


@contextmanager
def closed_gate() -> Iterator[list[Asked]]:
    """Enforce IAM, and give the list of what is asked."""
    asked: list[Asked] = []
    judge = IAMRequest.check_action_permitted

    def check(request: Any, resource: str) -> None:
        parameters = {} if isinstance(request, S3IAMRequest) else json.loads(request._body or "{}")
        for action, arn in _rights(request._action, parameters, resource):
            request._action, allowed = action, False
            try:
                judge(request, arn)
                allowed = True
            finally:
                asked.append(Asked(request._access_key._access_key_id, action, arn, allowed))

    with (
        patch.object(IAMRequest, "check_action_permitted", check),
        patch.object(S3IAMRequest, "check_action_permitted", check),
        enable_iam_authentication(),
    ):
        yield asked


def _rights(action: str, parameters: dict[str, Any], resource: str) -> list[tuple[str, str]]:
    """What a call needs: a transaction on DynamoDB the rights of its steps."""
    if action == "dynamodb:TransactWriteItems":
        steps = [(name, step) for item in parameters["TransactItems"] for name, step in item.items()]
        return [(f"dynamodb:{name}Item", _arn(step, resource)) for name, step in steps]
    return [(action.removesuffix("Batch"), _arn(parameters, resource))]


def _arn(parameters: dict[str, Any], resource: str) -> str:
    if "RequestItems" in parameters:
        (table,) = parameters["RequestItems"]
        return PLACE.table(table)
    if "TableName" in parameters:
        table = PLACE.table(parameters["TableName"])
        return f"{table}/index/{parameters['IndexName']}" if "IndexName" in parameters else table
    if "KeyId" in parameters:
        return str(parameters["KeyId"])
    if "SourceArn" in parameters:
        return str(parameters["SourceArn"])
    queue = parameters.get("QueueName") or parameters.get("QueueUrl", "").rpartition("/")[2]
    return PLACE.queue(queue) if queue else resource
