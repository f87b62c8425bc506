"""boto3, as other programs use it, against the local server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sqsjobs.local import LocalServer


class Boto3:
    """boto3's client, each call in a thread of its own, so that the server can answer in the test's event loop."""

    def __init__(self, endpoint_url: str) -> None:
        self.client = boto3.client(
            "sqs",
            endpoint_url=endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="any",
            aws_secret_access_key="credentials",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=30, parameter_validation=False),
        )

    async def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Make a call, named as boto3 names it; return its answer without what boto3 adds."""
        answer: dict[str, Any] = await asyncio.to_thread(getattr(self.client, operation), **parameters)
        assert answer.pop("ResponseMetadata")["HTTPStatusCode"] == 200
        return answer

    async def error(self, operation: str, **parameters: Any) -> tuple[str, str, int]:
        """Make a call that must fail; return the old code, the name of the exception's class, and the status."""
        with pytest.raises(ClientError) as caught:
            await self.call(operation, **parameters)
        response = caught.value.response
        return response["Error"]["Code"], type(caught.value).__name__, response["ResponseMetadata"]["HTTPStatusCode"]

    async def create(self, name: str, **attributes: str) -> str:
        """Create a queue and return its URL."""
        return str((await self.call("create_queue", QueueName=name, Attributes=attributes))["QueueUrl"])


@pytest.fixture
def sqs(local_server: LocalServer) -> Iterator[Boto3]:
    boto3_client = Boto3(local_server.endpoint_url)
    yield boto3_client
    boto3_client.client.close()
